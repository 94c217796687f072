"""The command that turns a model's schemas, which are untrusted, into Python types."""

import ast
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

import typer

from wriftai_anyio.plain_text import one_line

from ._answers import at
from ._help import Command
from ._options import Model, examples
from ._printing import print_text
from ._session import Session
from ._versions import version_of

commands = typer.Typer(rich_markup_mode=None)

DEEPEST: Final = 50
"""How many levels of nested schemas are read."""

# Other keywords are left out, above all the generator's additions to JSON Schema: with `customTypePath` a schema could
# choose what the generated module imports.
_VALUES: Final = ("type", "enum", "const", "required")
_SCHEMAS: Final = ("items", "additionalProperties")
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_DEFINITIONS: Final = ("$defs", "definitions")
_MAPPINGS: Final = ("properties", *_DEFINITIONS)

_ROOT: Final = "BothSchemas"
_ROOT_CLASS: Final = f"\n\nclass {_ROOT}(TypedDict):\n    pass\n"
_HARMLESS: Final = (
    *(ast.Module, ast.ImportFrom, ast.alias, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.Pass, ast.Expr),
    *(ast.Name, ast.Constant, ast.Subscript, ast.Tuple, ast.List, ast.Dict, ast.BinOp, ast.BitOr),
    *(ast.UnaryOp, ast.USub, ast.expr_context, ast.Call, ast.keyword),
)


@commands.command(cls=Command, epilog=examples("types sandbox/word-count > word_count.py"))
def types(context: typer.Context, model: Model) -> None:
    """Print Python types of a model's input and output."""
    generate = _generator()
    with context.ensure_object(Session).client() as client:
        schemas = at(version_of(client, model), "schemas", "prediction")
    definitions = {
        name: _rebased(at(schemas, name.lower()), f"#/$defs/{name}", DEEPEST) for name in ("Input", "Output")
    }
    try:
        source = generate({"type": "object", "properties": {}, "$defs": definitions})
    except Exception as error:  # errors of the generator, of pydantic, and any other that a strange schema causes
        raise ValueError(f"The schemas of {model} cannot be made into types: {one_line(str(error))}") from error
    _check_harmless(source)
    print_text(f"# Types of {one_line(model)}, by `wriftai-anyio types`.\n\n{source}")


def _generator() -> Callable[[Mapping[str, object]], str]:
    try:
        import datamodel_code_generator as generator
        from datamodel_code_generator.enums import DataModelType
    except ImportError as error:
        raise ImportError(
            "`types` needs datamodel-code-generator: pip install 'wriftai-anyio[types]'", name=error.name
        ) from error

    def generate(schema: Mapping[str, object]) -> str:
        with warnings.catch_warnings():
            # It warns that it will drop Python 3.10, and users of this command can do nothing about that.
            warnings.simplefilter("ignore", FutureWarning)
            source = generator.generate(
                schema,
                input_file_type=generator.InputFileType.JsonSchema,
                output_model_type=DataModelType.TypingTypedDict,
                target_python_version=generator.PythonVersion.PY_311,  # later ones get `type X = …` instead of a class
                class_name=_ROOT,
                custom_file_header=" ",
                enum_field_as_literal=generator.LiteralType.All,
                formatters=[generator.Formatter.BUILTIN],
                use_closed_typed_dict=False,
                allow_remote_refs=False,
                strict_refs=True,
            )
        if not isinstance(source, str):
            raise TypeError("they need several modules")
        return _for_this_python(source.replace(_ROOT_CLASS, "").strip() + "\n")

    return generate


def _for_this_python(source: str) -> str:
    # Before Python 3.12, pydantic accepts only the TypedDict of typing_extensions.
    if sys.version_info < (3, 12):
        return source.replace("\nfrom typing import", "\nfrom typing_extensions import")
    return source


def _rebased(schema: object, root: str, depth: int) -> Any:  # noqa: ANN401 -- a schema is a boolean, too
    """Copies the parts of a schema that define types, with references adjusted to the new location.

    Args:
        schema: The schema.
        root: The new location of the schema, or of the schema that it is part of.
        depth: How many more levels of nested schemas are read.

    Raises:
        ValueError: If it refers to another document, which might be downloaded, or is nested too deeply.
    """
    if depth == 0:
        raise ValueError(f"The schemas are nested more than {DEEPEST} levels deep.")
    if not isinstance(schema, Mapping):
        return schema if isinstance(schema, bool) else {}
    given = cast("Mapping[str, object]", schema)
    copy: dict[str, object] = {key: given[key] for key in _VALUES if key in given}
    if "$ref" in given:
        copy["$ref"] = _local(given["$ref"], root)
    for key in _SCHEMAS:
        if key in given:
            copy[key] = _rebased(given[key], root, depth - 1)
    for key in _LISTS:
        if isinstance(parts := given.get(key), list):
            copy[key] = [_rebased(part, root, depth - 1) for part in cast("list[object]", parts)]
    for key in _MAPPINGS:
        if isinstance(named := given.get(key), Mapping):
            parts = _with_names(key, cast("Mapping[str, object]", named))
            copy[key] = {name: _rebased(part, root, depth - 1) for name, part in parts.items()}
    return copy


def _with_names(mapping: str, parts: Mapping[str, object]) -> Mapping[str, object]:
    renamed = {_named(mapping, name): part for name, part in parts.items()}
    if len(renamed) < len(parts):
        raise ValueError("Two definitions of the schemas have names that differ in dots alone.")
    return renamed


def _named(mapping: str, name: str) -> str:
    # The generator would turn each part of a definition's name before a dot into a module.
    return name.replace(".", "_") if mapping in _DEFINITIONS else name


def _local(reference: object, root: str) -> str:
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        mapping, *names = reference[1:].split("/")
        return "/".join([root + mapping, *map(_named, [mapping, *names], names)])
    raise ValueError(f"The schemas refer to {one_line(str(reference))}, which is not within them. It was not fetched.")


def _check_harmless(source: str) -> None:
    """Checks that generated code, which users will import, only defines types.

    Raises:
        ValueError: If it might do anything else.
    """
    nodes = list(ast.walk(ast.parse(source)))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    imported = {alias.asname or alias.name for node in imports for alias in node.names}
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    if (
        all(isinstance(node, _HARMLESS) for node in nodes)
        and {node.module for node in imports} <= {"__future__", "typing", "typing_extensions"}
        and all(isinstance(function, ast.Name) and function.id in imported for function in called)
        and not imported & set(_defined(nodes))
        and all(map(str.isidentifier, _quoted(nodes)))
    ):
        return
    raise ValueError("The types would do more than define types. Nothing was printed.")


def _defined(nodes: list[ast.AST]) -> Iterator[str]:
    """Yields the names that code defines."""
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _quoted(nodes: list[ast.AST]) -> Iterator[str]:
    """Yields the strings used as types, since libraries that inspect types at run time evaluate them."""
    places = [node.slice for node in nodes if isinstance(node, ast.Subscript) and not _is_literal(node)]
    places += [node.annotation for node in nodes if isinstance(node, ast.AnnAssign)]
    places += [value for node in nodes if isinstance(node, ast.Dict) for value in node.values]
    while places:
        place = places.pop()
        if isinstance(place, ast.Constant) and isinstance(place.value, str):
            yield place.value
        elif isinstance(place, (ast.Tuple, ast.List)):
            places += place.elts
        elif isinstance(place, ast.BinOp):
            places += [place.left, place.right]


def _is_literal(node: ast.Subscript) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "Literal"
