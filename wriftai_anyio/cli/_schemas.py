"""The fields that a JSON Schema describes, for a table."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

Schema: TypeAlias = Mapping[str, Any]

DEEPEST: Final = 5
"""How many objects within objects are looked into; a schema may refer to itself."""

_LIMITS: Final = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "≥ {} characters",
    "maxLength": "≤ {} characters",
    "pattern": "like {}",
}


def schema_rows(schema: Schema) -> list[tuple[str, ...]]:
    """Lists the fields of an object: name, type, whether it is required, default, description.

    Args:
        schema: The object's JSON Schema (2020-12).

    Returns:
        A row for each field; those of objects within it have dotted names. None for what is no object.
    """
    return list(_rows(schema, schema, ""))


def _rows(schema: Schema, root: Schema, prefix: str) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", ())
    for name, value in _mapping(schema.get("properties")).items():
        field = _resolved(_mapping(value), root)
        needed = "yes" if name in required else "no"
        default = json.dumps(field["default"], ensure_ascii=False) if "default" in field else ""
        yield prefix + name, _type(field, root), needed, default, str(field.get("description") or "")
        if prefix.count(".") < DEEPEST:
            yield from _rows(field, root, f"{prefix}{name}.")


def _type(schema: Schema, root: Schema) -> str:
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        kind = " | ".join(_kind(_resolved(_mapping(choice), root)) for choice in choices)
    elif schema.get("type") == "array" and "items" in schema:
        kind = f"array of {_kind(_resolved(_mapping(schema['items']), root))}"
    else:
        kind = _kind(schema)
    return ", ".join([kind, *(text.format(schema[key]) for key, text in _LIMITS.items() if key in schema)])


def _kind(schema: Schema) -> str:
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if values:
        return " | ".join(json.dumps(value, ensure_ascii=False) for value in values)
    kind: Any = schema.get("type", "any")
    name = kind if isinstance(kind, str) else " | ".join(map(str, kind))
    return f"{name} ({schema['format']})" if "format" in schema else name


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follows a reference into the same schema; what stands beside it goes over what it leads to."""
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    target: Any = root
    for part in reference.removeprefix("#/").split("/"):
        target = _mapping(target).get(part.replace("~1", "/").replace("~0", "~"))
    return {**_mapping(target), **{key: value for key, value in schema.items() if key != "$ref"}}


def _mapping(value: object) -> Schema:
    return cast("Schema", value) if isinstance(value, Mapping) else {}
