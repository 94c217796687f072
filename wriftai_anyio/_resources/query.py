"""Query parameters of lists."""

from collections.abc import Iterable, Sequence
from typing import cast

from wriftai_anyio._pipeline.request import Query
from wriftai_anyio.pagination import PaginationOptions


def page_query(options: PaginationOptions | None) -> Query | None:
    """Makes query parameters of pagination options; those that are `None` are left out."""
    if not options:
        return None
    values: Iterable[tuple[str, object]] = options.items()
    return {name: _query_value(value) for name, value in values if value is not None}


def _query_value(value: object) -> str | Sequence[str]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return [str(entry) for entry in cast("Iterable[object]", value)]
    return str(value)
