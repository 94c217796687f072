"""Lists the fields of a JSON Schema for a table. The schema is untrusted."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, TypeAlias, cast

from wriftai_anyio.json_codec import encode_json

Schema: TypeAlias = Mapping[str, Any]

DEEPEST: Final = 5
"""How many levels of nested objects are listed."""
MOST_ROWS: Final = 200
MOST_CHOICES: Final = 12
LONGEST_CELL: Final = 400

_LIMITS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "pattern": "like {}",
}


def schema_rows(schema: object) -> list[tuple[str, ...]]:
    """Lists the fields of an object: name, type, whether required, default and description.

    Args:
        schema: The object's JSON Schema (2020-12).

    Returns:
        A row for each field, at most 200; fields of nested objects have dotted names. On the way to a field each
        reference is followed once, so that a schema that refers to itself ends. No rows if it is not an object.
    """
    root = _mapping(schema)
    rows = list(islice(_rows(root, root, "", frozenset()), MOST_ROWS + 1))
    if len(rows) > MOST_ROWS:
        rows[MOST_ROWS:] = [("…", f"more than {MOST_ROWS} fields: see --json", "", "", "")]
    return rows


def text_fields(schema: object) -> frozenset[str]:
    """Returns the names of an object's fields that can only be text.

    Args:
        schema: The object's JSON Schema.
    """
    root = _mapping(schema)
    properties = _mapping(root.get("properties"))
    return frozenset(
        name for name, field in properties.items() if _kinds(_mapping(field), root) - {"null"} == {"string"}
    )


def _kinds(schema: Schema, root: Schema) -> set[object]:
    field = _resolved(schema, root)
    choices = _list(field.get("anyOf") or field.get("oneOf"))
    if choices:
        return {kind for choice in choices for kind in _own_kinds(_resolved(_mapping(choice), root))}
    return _own_kinds(field)


def _own_kinds(field: Schema) -> set[object]:
    """Returns the types that a schema names, including `None` if it allows any."""
    kind = field.get("type")
    return {each if isinstance(each, str) else None for each in (_list(kind) or [kind])}


def _rows(schema: Schema, root: Schema, prefix: str, followed: frozenset[str]) -> Iterator[tuple[str, ...]]:
    required = _list(schema.get("required"))
    for name, value in _mapping(schema.get("properties")).items():
        field, reference = _resolved(_mapping(value), root), _mapping(value).get("$ref")
        needed = "yes" if name in required else "no"
        default = _cut(_json(field["default"])) if "default" in field else ""
        yield _cut(prefix + name), _type(field, root), needed, default, _cut(_text(field.get("description") or ""))
        if prefix.count(".") < DEEPEST and reference not in followed:
            on_the_way = followed | {reference} if isinstance(reference, str) else followed
            yield from _rows(field, root, f"{prefix}{name}.", on_the_way)


def _type(schema: Schema, root: Schema) -> str:
    choices = _list(schema.get("anyOf") or schema.get("oneOf"))
    if choices:
        kind = _joined(_kind(_resolved(_mapping(choice), root)) for choice in choices)
    elif schema.get("type") == "array" and "items" in schema:
        kind = f"array of {_kind(_resolved(_mapping(schema['items']), root))}"
    else:
        kind = _kind(schema)
    return _cut(", ".join([kind, *(text.format(_text(schema[key])) for key, text in _LIMITS.items() if key in schema)]))


def _kind(schema: Schema) -> str:
    values = _list(schema.get("enum") or ([schema["const"]] if "const" in schema else None))
    if values:
        return _joined(map(_json, values))
    kind = schema.get("type", "any")
    name = _joined(map(_text, _list(kind))) or _text(kind)
    return f"{name} ({_text(schema['format'])})" if "format" in schema else name


def _text(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return encode_json(value, ensure_ascii=False)


def _joined(choices: Iterator[str]) -> str:
    found = list(islice(choices, MOST_CHOICES + 1))
    return " | ".join([*found[:MOST_CHOICES], "…"] if len(found) > MOST_CHOICES else found)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_CELL else text[:LONGEST_CELL] + "…"


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follows a reference within the same schema; keywords next to it override those of its target."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = _mapping(target).get(part.replace("~1", "/").replace("~0", "~"))
    return {**_mapping(target), **{key: value for key, value in schema.items() if key != "$ref"}}


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _mapping(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, Mapping) else {}
