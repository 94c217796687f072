"""A Sphinx extension for the reference: the public modules as users see them.

`{public-module}` puts all names of a module on a page, first those that the page names. Signatures read as they do in
the source, both spellings of a call share one entry, and a name in backticks leads to its entry.
"""

import ast
import enum
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, get_args, get_origin

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.pycode import ModuleAnalyzer
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata
from typing_extensions import is_protocol, is_typeddict

import wriftai_anyio
from wriftai_anyio._resources.base import Resource

PACKAGE: Final = wriftai_anyio.__name__

_FENCE: Final = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_PLURAL: Final = re.compile(r"(`[^`\n]+`)(?=\w)")
_KINDS: Final = ("class", "exception", "function", "record", "enumeration", "data")


@lru_cache
def public_modules() -> dict[str, ModuleType]:
    """Imports the public modules.

    Returns:
        The modules by name. The package itself comes last: its names are documented where they belong.
    """
    found = pkgutil.walk_packages(wriftai_anyio.__path__, f"{PACKAGE}.")
    names = [module.name for module in found if "._" not in module.name]
    return {name: import_module(name) for name in [*names, PACKAGE]}


@lru_cache
def public_names() -> dict[str, list[str]]:
    """Returns where each public name is documented: more than one module where they mean different things by it."""
    found: dict[str, list[str]] = {}
    for module_name, module in public_modules().items():
        for name in module.__all__:
            places = found.setdefault(name, [])
            if not any(getattr(public_modules()[place], name) is getattr(module, name) for place in places):
                places.append(module_name)
    return found


def documented(module_name: str) -> list[str]:
    """Returns the names that are documented with a module."""
    return [name for name in public_modules()[module_name].__all__ if module_name in public_names()[name]]


def full_name(name: str, module_name: str | None = None) -> str | None:
    """Looks up where a name is documented.

    Args:
        name: The name, such as `Client` or `Client.close`; also with its module.
        module_name: The module that mentions it.

    Returns:
        The full name; `None` if it is not public.
    """
    first, _, rest = name.removeprefix(f"{module_name}.").rpartition(f"{PACKAGE}.")[2].partition(".")
    places = public_names().get(first, [])
    if not places and rest:  # with its module, which may be a private one
        return full_name(name.rpartition(".")[2], module_name) if name.startswith(PACKAGE) else None
    if not places:
        return None
    place = module_name if module_name in places else places[0]
    return ".".join(filter(None, [place, first, rest]))


def kind(value: object) -> str:
    """Returns what a public value is, in the words of `_KINDS`."""
    if not inspect.isclass(value):
        is_alias = hasattr(value, "__origin__") or hasattr(value, "__value__")
        return "function" if callable(value) and not is_alias else "data"
    if issubclass(value, Exception):
        return "exception"
    if is_typeddict(value):
        return "record"
    return "enumeration" if issubclass(value, enum.Enum) else "class"


class PublicModule(SphinxDirective):
    """`{public-module} NAME`, with the names that matter first as its content."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Writes the module's docstring, which is Markdown, and the entries as autodoc's directives."""
        (module_name,) = self.arguments
        module, names = public_modules()[module_name], documented(module_name)
        first = " ".join(self.content).split()
        if not set(first) <= set(names):
            raise self.error(f"{module_name} does not document {sorted(set(first) - set(names))}")
        rest = [name for each in _KINDS for name in names if kind(getattr(module, name)) == each]
        entries = [_entry(module_name, name) for name in dict.fromkeys([*first, *rest])]
        described = [inspect.getdoc(module) or "", "", *_elsewhere(module_name), ""]
        lines = [*described, "```{eval-rst}", f".. py:module:: {module_name}", "", *entries, "```"]
        return self.parse_text_to_nodes("\n".join(lines))


def _elsewhere(module_name: str) -> Iterator[str]:
    """Lists what a module exports that is documented with another, in the terms of Markdown."""
    module = public_modules()[module_name]
    for name in sorted(set(module.__all__) - set(documented(module_name)), key=str.lower):
        text = inspect.getdoc(getattr(module, name)) or ""
        yield f"- `{name}`: {text.partition(chr(10))[0]}"


def _entry(module_name: str, name: str) -> str:
    value = getattr(public_modules()[module_name], name)
    full = f"{module_name}.{name}"
    directive = {"exception": "autoexception", "function": "autofunction", "data": "autodata"}.get(
        kind(value), "autoclass"
    )
    lines = [f".. {directive}:: {full}"]
    if kind(value) in {"class", "exception"}:
        # What private bases give is shown with the class; what public ones give, with them.
        shown_elsewhere = [base.__name__ for base in value.__mro__[1:] if not _is_private(base)]
        lines += ["   :members:", f"   :inherited-members: {', '.join(shown_elsewhere)}"]
        resources = [each for each, held in vars(value).items() if inspect.isclass(held)]
        lines += [f"   :exclude-members: {', '.join(resources)}"] if resources else []
    elif kind(value) == "data":
        lines += ["   :no-value:"]
    return "\n".join([*lines, ""])


def _is_made_by_the_client(owner: type) -> bool:
    return issubclass(owner, Resource)


def _is_private(base: type) -> bool:
    return base.__module__.startswith(PACKAGE) and base.__name__ not in public_names()


def read_as_in_the_source(
    _app: Sphinx, what: str, name: str, obj: Any, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """Shows a signature with the annotations of the source, in which long types have names."""
    if signature is None:
        return None
    if what in {"class", "exception"}:
        if (
            kind(obj) in {"record", "enumeration"}
            or _is_made_by_the_client(obj)
            or is_protocol(obj)
            or (kind(obj) == "exception" and "__init__" not in vars(obj))
        ):
            return "", None
        written = _written_fields(obj) if "__init__" not in vars(obj) or hasattr(obj, "__dataclass_fields__") else {}
        written = written or _written(obj.__init__)
    else:
        written = _written(obj)
    if not written:
        return None
    shown = inspect.signature(obj)
    first_is_self = what == "method" and next(iter(shown.parameters), None) in {"self", "cls"}
    parameters = list(shown.parameters.values())[1 if first_is_self else 0 :]
    renamed = [
        each.replace(annotation=_Written(written[each.name])) if each.name in written else each for each in parameters
    ]
    text = str(shown.replace(parameters=renamed, return_annotation=inspect.Signature.empty))
    text = re.sub(r"<wriftai_anyio[^>]*>|<function [^>]*>", "...", text)
    concrete = _type_arguments(name)
    result = written.get("return", returned) if what not in {"class", "exception"} else None
    return _replaced(text, concrete), result and _replaced(result, concrete)


class _Written:
    """An annotation that is shown as it was written."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _written(function: Any) -> dict[str, str]:
    """Returns the annotations of a function as they stand in the source."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function))))
    except (OSError, TypeError, SyntaxError):
        return {}
    if not isinstance(tree.body[0], ast.FunctionDef | ast.AsyncFunctionDef):
        return {}
    arguments = tree.body[0].args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = {each.arg: ast.unparse(each.annotation) for each in every if each and each.annotation}
    returned = tree.body[0].returns
    return {**found, **({"return": ast.unparse(returned)} if returned else {})}


def _written_fields(owner: type) -> dict[str, str]:
    """Returns the annotations of a class's fields, inherited ones included, as they stand in the source."""
    return {name: annotation for name, annotation, _ in _fields(owner)}


def _fields(owner: Any) -> Iterator[tuple[str, str, str]]:
    """Finds each field of a class with its annotation and its docstring, those of its bases first."""
    if not owner.__module__.startswith(PACKAGE):
        return
    for base in getattr(owner, "__orig_bases__", owner.__bases__):
        yield from _fields(getattr(base, "__origin__", base))
    analyzer = ModuleAnalyzer.for_module(owner.__module__)
    analyzer.analyze()
    for (class_name, name), annotation in analyzer.annotations.items():
        if class_name == owner.__qualname__ and not name.startswith("_"):
            yield name, annotation, " ".join(analyzer.attr_docs.get((class_name, name), []))


def _type_arguments(name: str) -> dict[str, str]:
    """Returns what stands for each type variable in the members that a class has from generic bases."""
    module_name, _, rest = name.rpartition(".")[0].rpartition(".")
    owner = getattr(public_modules().get(module_name), rest, None)
    return {
        variable.__name__: getattr(argument, "__name__", str(argument))
        for base in getattr(owner, "__orig_bases__", ())
        for variable, argument in zip(getattr(get_origin(base), "__parameters__", ()), get_args(base), strict=False)
    }


def _replaced(text: str, words: Mapping[str, str]) -> str:
    return re.sub(r"\b[A-Z]\w*\b", lambda match: words.get(match[0], match[0]), text)


def write_fields_and_examples(
    _app: Sphinx, _what: str, _name: str, obj: Any, _options: object, lines: list[str]
) -> None:
    """Lists the fields of a record and the members of an enumeration, and puts fenced examples in Sphinx's terms."""
    if kind(obj) == "record":
        for name, annotation, text in _fields(obj):
            lines += [f"{name} : {annotation}", f"    {text}", ""]
    elif kind(obj) == "enumeration":
        lines += [", ".join(f"``{member.name}`` = ``{member.value!r}``" for member in obj), ""]
    elif kind(obj) == "class" and _is_made_by_the_client(obj):
        del lines[lines.index("Args:") :]  # the API, which the client gives
    text = _PLURAL.sub(r"\1\\ ", "\n".join(lines) + "\n")
    lines[:] = [*_FENCE.sub(_code_block, text).splitlines(), ""]


def _code_block(match: re.Match[str]) -> str:
    indent, language, code = match.groups()
    body = textwrap.indent(textwrap.dedent(code), f"{indent}    ")
    return f"{indent}.. code-block:: {language}\n\n{body}"


def put_both_spellings_side_by_side(_app: Sphinx, document: nodes.document) -> None:
    """Merges the entries of `x` and `async_x` into one with both signatures."""
    for owner in {entry.parent: None for entry in document.findall(addnodes.desc)}:
        if not isinstance(owner, nodes.Element):
            continue
        entries = {_last_name(child): child for child in owner.children if isinstance(child, addnodes.desc)}
        for name, entry in entries.items():
            blocking = entries.get(name.removeprefix("async_")) if name.startswith("async_") else None
            if blocking is not None:
                owner.remove(blocking)
                entry[:0] = [each for each in blocking.children if isinstance(each, addnodes.desc_signature)]


def _last_name(entry: addnodes.desc) -> str:
    signature = entry[0]
    return str(signature.get("fullname", "")).rpartition(".")[2] if isinstance(signature, nodes.Element) else ""


class LinkNames(SphinxTransform):
    """Has each public name in backticks lead to its entry."""

    default_priority = 400

    def apply(self, **_: Any) -> None:
        """Wraps the literals that are names."""
        for literal in list(self.document.findall(nodes.literal)):
            target = self._target(literal.astext())
            if target and not isinstance(literal.parent, nodes.title | nodes.reference | addnodes.pending_xref):
                link = addnodes.pending_xref(
                    "", refdomain="py", reftype="obj", reftarget=target, refdoc=self.env.docname, refwarn=False
                )
                literal.replace_self(link)
                link += literal

    def _target(self, text: str) -> str | None:
        name = re.fullmatch(r"(?:client\.|Client\.)?([A-Za-z_][\w.]*)(?:\(…?\))?", text)
        if name is None:
            return None
        if text in public_modules():
            return text
        attribute, _, call = name[1].partition(".")
        owner = wriftai_anyio.Client.__annotations__.get(attribute)
        if owner is not None and call:
            return full_name(f"{owner.__name__}.{call}")
        return full_name(name[1])


def name_targets_in_full(_app: Sphinx, document: nodes.document) -> None:
    """Has the short names of signatures lead to where they are documented."""
    for link in document.findall(addnodes.pending_xref):
        if link.get("refdomain") == "py":
            known = full_name(link["reftarget"], link.get("py:module"))
            link["reftarget"] = known or link["reftarget"]
            link["refspecific"] = False
            if known:
                link["reftype"] = "obj"  # an alias such as `JsonValue` is data, and a hint refers to a class
            if link.astext().startswith(f"{PACKAGE}._"):
                shown = next(iter(link.findall(nodes.Text)))
                shown.parent.replace(shown, nodes.Text(shown.rpartition(".")[2]))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Registers the extension with Sphinx."""
    for field in getattr(PythonDomain.directives["class"], "doc_field_types"):  # noqa: B009 -- of its base
        if field.name == "variable":
            field.label = "Attributes"
    app.add_directive("public-module", PublicModule)
    app.add_transform(LinkNames)
    app.connect("autodoc-process-signature", read_as_in_the_source)
    app.connect("autodoc-process-docstring", write_fields_and_examples, priority=400)
    app.connect("doctree-read", put_both_spellings_side_by_side, priority=400)
    app.connect("doctree-read", name_targets_in_full, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
