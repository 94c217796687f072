"""The API reference: pdoc's pages, in public names, and with links wherever a name is documented."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jinja2
import pdoc.doc
import pdoc.render
from jinja2.runtime import Context
from markupsafe import Markup
from pdoc.render_helpers import linkify, markdown_extensions, relative_link

from .members import simplify
from .public_names import PublicNames, public_modules

TEMPLATES: Final = Path(__file__).parent / "templates"

_MENTIONED: Final = re.compile(r"<(code|strong)>([A-Za-z_][\w.]*)((?:\(\))?:?)</\1>")


def prepare() -> dict[str, pdoc.doc.Module]:
    """Takes in the public modules, and sets pdoc up for pages of them.

    Returns:
        The modules, by their names.
    """
    # pdoc loses sight of what a TypedDict extends. Its fields stand with it all the same.
    warnings.filterwarnings("ignore", r"Cannot determine where .* is taken from", UserWarning, r"pdoc\.doc")
    modules = public_modules()
    names = PublicNames(modules)
    for module in modules.values():
        for documented in module.members.values():
            simplify(documented, names)
    # A line of a paragraph that begins with a number, such as "429.", is no list.
    markdown_extensions.pop("cuddled-lists", None)
    pdoc.render.configure(docformat="google", template_directory=TEMPLATES)
    pdoc.render.env.filters["linkify"] = _linkify(names)
    return modules


def write(modules: Mapping[str, pdoc.doc.Module], folder: Path) -> None:
    """Writes a page for each module, and the index for searches.

    Args:
        modules: The modules, by their names.
        folder: The site's.
    """
    for name, module in modules.items():
        page = folder / f"{name.replace('.', '/')}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pdoc.render.html_module(module, modules), encoding="utf-8")
    (folder / "search.js").write_text(pdoc.render.search_index(modules), encoding="utf-8")


def _linkify(names: PublicNames) -> object:
    """Makes pdoc's filter, which knows the names of the page, know those of the other pages too."""

    @jinja2.pass_context
    def linkify_public_names(context: Context, code: str, namespace: str = "", shorten: bool = True) -> Markup:
        module: pdoc.doc.Module = context["module"]

        def link(mentioned: re.Match[str]) -> str:
            element, name, end = mentioned.groups()
            place = (module.modulename, name) if module.get(name) else names.place(name)
            # A guide also speaks of what has the same name in other packages.
            if place is None and names.place(name.partition(".")[0]) and "guides" not in context:
                warnings.warn(f"{module.modulename} mentions {name}, which is documented nowhere.", stacklevel=1)
            if place is None or (element == "strong" and name.islower()):
                return mentioned[0]
            href = f"{relative_link(module.modulename, place[0])}#{place[1]}"
            return f'<{element}><a href="{href}">{name}</a>{end}</{element}>'

        html = linkify(context, code, namespace, shorten)
        return Markup(_MENTIONED.sub(link, html))  # noqa: S704 -- pdoc's own HTML, escaped already

    return linkify_public_names
