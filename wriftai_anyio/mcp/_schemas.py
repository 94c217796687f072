"""Shows the JSON Schemas of models, which strangers wrote, to an agent, and checks arguments against them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Protocol, cast

from wriftai_anyio.json_codec import encode_json
from wriftai_anyio.plain_text import printable

from ._guards import ToolError

LONGEST_SCHEMA: Final = 20_000
"""The most characters of a schema shown to an agent: each costs money in every conversation."""
DEEPEST_SCHEMA: Final = 40
MOST_FIELDS: Final = 200
"""The most fields of a model's input that are described."""
LONGEST_VALUE: Final = 400
"""The most characters of a field's description, default or choices."""

_PROPERTY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""Names of arguments that the APIs of language models accept."""
_NOT_AT_THE_TOP: Final = frozenset({"$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "if", "not", "enum"})
"""Keywords that those APIs refuse at the top level of a tool's schema."""
_REFERENCES: Final = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})


class _Error(Protocol):
    @property
    def absolute_path(self) -> Iterable[object]: ...

    @property
    def message(self) -> str: ...


class Validator(Protocol):
    """Checks values against a schema."""

    def iter_errors(self, instance: Any, /) -> Iterable[_Error]:  # noqa: ANN401 -- any JSON
        """Returns the errors in a value."""
        ...


def shown(schema: object) -> Mapping[str, Any] | None:
    """Returns a schema to show to an agent, without control characters.

    Args:
        schema: The schema.

    Returns:
        The schema; `None` if it is too long, too deep or not valid, or refers to something outside itself.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if not isinstance(schema, dict) or not _is_small(cast("object", schema)):
        return None
    clean = mapping(_clean(cast("object", schema)))
    try:
        Draft202012Validator.check_schema(clean)
    except (SchemaError, RecursionError):
        return None
    is_whole = all(isinstance(target, str) and target.startswith("#") for target in _values(clean, _REFERENCES))
    return clean if is_whole else None


def can_be_arguments(schema: Mapping[str, Any]) -> bool:
    """Returns whether a schema from `shown` can be used for a tool's arguments.

    Args:
        schema: The schema.
    """
    names = mapping(schema.get("properties"))
    is_plain = schema.get("type") == "object" and not _NOT_AT_THE_TOP & schema.keys()
    return is_plain and all(_PROPERTY.fullmatch(name) for name in names)


def has_references(schema: object) -> bool:
    """Returns whether a schema refers to parts of itself, and so may be infinite.

    Args:
        schema: The schema.
    """
    return _has(schema, _REFERENCES)


def validator_of(schema: Mapping[str, Any]) -> Validator | None:
    """Returns a validator that checks arguments before they are sent; `None` if that could take forever.

    A few references to one another double the work with each, and a regular expression can take any amount of time.
    Checks of both are left to the API.

    Args:
        schema: The schema, which is valid.
    """
    if _has(schema, _REFERENCES | {"patternProperties"}):
        return None
    from jsonschema import Draft202012Validator, validators

    library: Any = validators  # whose types are partly unknown
    return cast("Validator", library.extend(Draft202012Validator, {"pattern": None})(schema))


def check(validator: Validator | None, arguments: Mapping[str, Any]) -> None:
    """Checks the arguments of a call.

    Args:
        validator: Checks them; without one, only the API checks them.
        arguments: The agent's arguments.

    Raises:
        ToolError: If an argument is wrong; the message says what is wrong, and where.
    """
    for wrong in validator.iter_errors(arguments) if validator else ():
        place = ".".join(map(str, wrong.absolute_path)) or "the arguments"
        raise ToolError(f"{place}: {wrong.message[:500]}")


def input_fields(schema: object) -> list[dict[str, Any]]:
    """Returns the fields of an object's JSON Schema: name, type, whether required, default and description.

    Args:
        schema: The schema, which is untrusted: anything malformed is left out.
    """
    required = mapping(schema).get("required")
    fields: list[dict[str, Any]] = []
    for name, value in list(mapping(mapping(schema).get("properties")).items())[:MOST_FIELDS]:
        known = mapping(value)
        kept = {key: _short(known[key]) for key in ("type", "default", "description", "enum") if key in known}
        is_required = isinstance(required, list) and name in required
        fields.append({"name": _short(name), "required": is_required, **kept})
    return fields


def mapping(value: object) -> Mapping[str, Any]:
    """Returns a value if it is an object, or else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _short(value: object) -> object:
    if isinstance(value, str):
        return printable(value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…")
    return _clean(value) if _is_small(value, LONGEST_VALUE) else "…"


def _clean(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_clean(entry) for entry in cast("list[object]", value)]
    if not isinstance(value, dict):
        return value
    entries = cast("dict[str, object]", value).items()
    return {printable(key): _clean(entry) for key, entry in entries}


def _is_small(value: object, longest: int = LONGEST_SCHEMA) -> bool:
    level, depth = [value], 0
    while level and depth <= DEEPEST_SCHEMA:
        level, depth = [part for each in level for part in _parts(each)], depth + 1
    return not level and len(encode_json(value)) <= longest


def _parts(value: object) -> Iterable[object]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()


def _has(schema: object, keywords: frozenset[str]) -> bool:
    return next(_values(schema, keywords), None) is not None


def _values(schema: object, keywords: frozenset[str]) -> Iterator[object]:
    """Returns the values of some keywords anywhere in a schema."""
    pending = [schema]
    while pending:
        each = pending.pop()
        yield from (value for key, value in mapping(each).items() if key in keywords)
        pending.extend(_parts(each))
