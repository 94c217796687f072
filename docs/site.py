"""The site: the guides beside the reference, and a page for each file of the checkout that they lead to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pdoc.doc
import pdoc.render
from pdoc.render_helpers import root_module_name, to_html

from . import reference
from .guides import guides

CHECKOUT: Final = Path(__file__).parent.parent


class Site:
    """The site in the making.

    Args:
        folder: Where to write it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._modules = reference.prepare()
        self._files: set[str] = set()
        self._guides = list(guides((CHECKOUT / "README.md").read_text(encoding="utf-8"), self._page_of_file))

    def write(self) -> None:
        """Writes all pages."""
        reference.write(self._modules, self._folder)
        for guide in self._guides:
            self._write_page(guide.page, guide.title, guide.text)
        for path in sorted(self._files):
            self._write_page(f"{path}.html", path, _shown(path))

    def _page_of_file(self, path: str) -> str:
        """Of a public module its reference; of any other file a page of its own."""
        module = path.removesuffix(".py").replace("/", ".")
        if module in self._modules:
            return f"{module.replace('.', '/')}.html"
        self._files.add(path)
        return f"{path}.html"

    def _write_page(self, page: str, title: str, text: str) -> None:
        place = self._folder / page
        place.parent.mkdir(parents=True, exist_ok=True)
        template = pdoc.render.env.get_template("guide.html.jinja2")
        place.write_text(
            template.render(
                module=next(iter(self._modules.values())),
                all_modules=self._modules,
                root_module_name=root_module_name(self._modules),
                guides=self._guides,
                page=page,
                title=title,
                body=to_html(text),
                root="../" * page.count("/"),
            ),
            encoding="utf-8",
        )


def _shown(path: str) -> str:
    """A file of the checkout as Markdown."""
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    if path.endswith(".ipynb"):
        return "\n\n".join(map(_cell, json.loads(text)["cells"]))
    return f"# {path}\n\n" + _block(text, "python" if path.endswith(".py") else "text")


def _cell(cell: Mapping[str, Any]) -> str:
    text = "".join(cell["source"])
    return _block(text, "python") if cell["cell_type"] == "code" else text


def _block(text: str, language: str) -> str:
    return f"````{language}\n{text}\n````\n"
