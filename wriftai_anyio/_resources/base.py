"""The base of all resources: ids and model references checked and quoted, answers checked."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar, cast
from urllib.parse import quote

from wriftai_anyio.api import API, Query, ShapeError
from wriftai_anyio.common_types import JsonValue, StrEnum
from wriftai_anyio.pagination import PaginatedResponse, PaginationOptions

T = TypeVar("T")

_LONGEST_ID = 512
_PLAIN = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST_ID}}}")
"""What needs neither quoting nor a closer look, as all ids of the API."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


class Resource:
    """A group of calls of the API.

    Args:
        api: What sends them.
    """

    def __init__(self, api: API) -> None:
        self._api = api

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._api,)


class ModelReference(NamedTuple):
    """A model as named by its users, `owner/name` or `owner/name:number`."""

    owner: str
    name: str
    version: str | None

    @property
    def path(self) -> str:
        """The model's path below the base URL."""
        return f"/models/{segment(self.owner, 'model')}/{segment(self.name, 'model')}"


def model_reference(value: str, argument: str = "model") -> ModelReference:
    """Takes a model reference apart.

    Args:
        value: `owner/name` or `owner/name:number`.
        argument: The name of the caller's argument.

    Raises:
        ValueError: If it is neither.
    """
    owner, slash, rest = value.partition("/") if isinstance(value, str) else ("", "", "")
    name, colon, version = rest.partition(":")
    if not slash or "/" in name or ":" in owner or bool(colon) != bool(_VERSION.fullmatch(version)):
        raise ValueError(f"{argument} must be owner/name or owner/name:number, not {value!r}.")
    for part in (owner, name):
        segment(part, argument)
    return ModelReference(owner, name, version or None)


def model_path(identifier: str) -> str:
    """Makes the path of a model of its identifier.

    Args:
        identifier: `owner/name`.

    Raises:
        ValueError: If it is anything else.
    """
    reference = model_reference(identifier, "identifier")
    if reference.version is not None:
        raise ValueError(f"identifier must be owner/name, without a version number: not {identifier!r}.")
    return reference.path


def version_path(identifier: str) -> str:
    """Makes the path of a model version of its identifier.

    Args:
        identifier: `owner/name:number`.

    Raises:
        ValueError: If it is anything else.
    """
    reference = model_reference(identifier, "identifier")
    if reference.version is None:
        raise ValueError(f"identifier must be owner/name:number, not {identifier!r}.")
    return f"{reference.path}/versions/{reference.version}"


def segment(value: str, argument: str) -> str:
    """Quotes a value so that it stays one segment of a path.

    Args:
        value: An id or a name.
        argument: The name of the caller's argument.

    Raises:
        ValueError: If it is empty, too long, only dots, or has control characters.
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{argument} must be a text that is not empty, not {value!r}.")
    if value in {".", ".."} or len(value) > _LONGEST_ID or _CONTROL.search(value):
        raise ValueError(f"{argument} cannot be {value[:80]!r}: it must be a plain id or name.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{argument} cannot be {value[:80]!r}: it is not valid text.") from None


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


def page_of(item: Callable[[JsonValue], T]) -> Callable[[JsonValue], PaginatedResponse[T]]:
    """Makes the shape of a page from the shape of its items."""

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
    """Makes the shape of an object that is told by its key; all its fields are kept as they came.

    Args:
        kind: The `TypedDict` that describes it.
        key: The field that no such object is without.
        **enumerations: Fields whose values become members; a value that is newer than this package stays as it is.
    """

    def shape(value: JsonValue) -> T:
        fields = dict(mapping(value))
        if fields.get(key) is None:
            raise ShapeError(f"it is no {kind.__name__}: it has no `{key}`")
        for name, enumeration in enumerations.items():
            found = fields.get(name)
            if isinstance(found, str):
                with suppress(ValueError):
                    fields[name] = enumeration(found)
        return cast("T", fields)

    return shape


def fields_of(params: Mapping[str, object], argument: str = "params") -> Mapping[str, object]:
    """Checks that what a caller wants to send is an object.

    Args:
        params: What the caller gave.
        argument: The name of the caller's argument.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(params, Mapping):
        raise ValueError(f"{argument} must be a mapping, not {type(params).__name__}.")  # noqa: TRY004 -- as all bad arguments
    return params


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
    if value is not None and not isinstance(value, str):
        raise ShapeError(f"`{name}` is not a text")
    return value
