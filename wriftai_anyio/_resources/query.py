"""Pagination options as query parameters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, cast

from wriftai_anyio._parsing.arguments import keys_of, mapping_of, refuse_unknown, shown
from wriftai_anyio.pagination import PaginationOptions, QueryValue

_EXTRA: Final = "extra_query"
_LARGEST: Final = 2**63 - 1
"""The largest number that most servers can store. Python even refuses to write one of more than 4,300 digits."""


def page_query(options: PaginationOptions | None, kind: type) -> dict[str, QueryValue]:
    """Returns pagination options as query parameters; those that are `None` are left out.

    Args:
        options: What the caller gave.
        kind: The `TypedDict` of the list's options.

    Raises:
        ValueError: If an option is unknown, or its value is not valid.
    """
    if options is None:
        return {}
    given = mapping_of(options, "pagination_options")
    refuse_unknown(given, keys_of(kind), "pagination_options", _EXTRA)
    _check(given)
    values = {**given, **mapping_of(given.get(_EXTRA) or {}, _EXTRA)}
    return {name: _query_value(name, value) for name, value in values.items() if value is not None and name != _EXTRA}


def _check(given: Mapping[str, object]) -> None:
    size, cursor = given.get("page_size"), given.get("cursor")
    if size is not None and (not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= _LARGEST):
        raise ValueError(f"page_size must be a whole number from 1, not {shown(size)}. Nothing was sent.")
    if cursor is not None and not isinstance(cursor, str):
        raise ValueError(f"cursor must be the cursor of a page, not {shown(cursor)}. Nothing was sent.")


def _query_value(name: object, value: object) -> str | Sequence[str]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_query_text(name, entry) for entry in cast("Iterable[object]", value)]
    return _query_text(name, value)


def _query_text(name: object, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    is_number = isinstance(value, (int, float)) and -_LARGEST <= value <= _LARGEST
    if not isinstance(value, str) and not is_number:
        raise ValueError(f"{name} must be a string or a number, not {shown(value)}. Nothing was sent.")
    return str(value)
