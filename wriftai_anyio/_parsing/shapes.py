"""Checks answers for the shapes that the API promises: objects, records and pages. It has no side effects."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, TypeVar, cast

from wriftai_anyio._types.json import JsonValue
from wriftai_anyio._types.str_enum import StrEnum
from wriftai_anyio.pagination import PaginatedResponse

T = TypeVar("T")


LONGEST_SENT_BACK: Final = 4096
"""The most characters of a cursor or an event's id. Each may become twelve in an address, which may have 65,536."""


class ShapeError(ValueError):
    """An answer's JSON is not of the shape that the API promises."""


def unchanged(value: JsonValue) -> JsonValue:
    """Returns an answer that may be any JSON."""
    return value


def nothing(_: JsonValue) -> None:
    """Ignores an answer whose body is not needed."""


def page_of(item: Callable[[JsonValue], T]) -> Callable[[JsonValue], PaginatedResponse[T]]:
    """Returns the check for a page, given the check for its items."""

    def page(value: JsonValue) -> PaginatedResponse[T]:
        fields = mapping(value)
        items = fields.get("items")
        if not isinstance(items, list):
            raise ShapeError("it has no list `items`")
        return PaginatedResponse(
            items=[item(entry) for entry in items],
            next_cursor=_optional_text(fields, "next_cursor"),
            previous_cursor=_optional_text(fields, "previous_cursor"),
            next_url=_optional_text(fields, "next_url"),
            previous_url=_optional_text(fields, "previous_url"),
        )

    return page


def record(kind: type[T], key: str, **enumerations: type[StrEnum]) -> Callable[[JsonValue], T]:
    """Returns the check for an object that always has a certain field; its other fields are kept as received.

    Args:
        kind: The `TypedDict` that describes it.
        key: The field that every such object has.
        **enumerations: Fields whose values become members of an enumeration; values that this version does not know
            stay strings.
    """

    def shape(value: JsonValue) -> T:
        fields = dict(mapping(value))
        if fields.get(key) is None:
            raise ShapeError(f"it is not of the type {kind.__name__}: it has no `{key}`")
        for name, enumeration in enumerations.items():
            found = fields.get(name)
            if isinstance(found, str):
                with suppress(ValueError):
                    fields[name] = enumeration(found)
        return cast("T", fields)

    return shape


def mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    """Checks that an answer is a JSON object.

    Raises:
        ShapeError: If it is not.
    """
    if not isinstance(value, Mapping):
        raise ShapeError(f"it is a JSON {type(value).__name__}, not an object")
    return value


def _optional_text(fields: Mapping[str, JsonValue], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise ShapeError(f"`{name}` is not a string")
    if len(value) > LONGEST_SENT_BACK:
        raise ShapeError(f"`{name}` is longer than {LONGEST_SENT_BACK:,} characters")
    try:
        value.encode()  # it is sent back: half of a surrogate pair could not be
    except UnicodeEncodeError:
        raise ShapeError(f"`{name}` is not valid Unicode") from None
    return value
