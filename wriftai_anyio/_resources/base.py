"""The base of all resources."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar, cast

from wriftai_anyio._parsing.arguments import keys_of, mapping_of, refuse_unknown
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio.api import API

T = TypeVar("T")


class Resource:
    """A group of calls of the API.

    Args:
        api: Sends the requests.
    """

    def __init__(self, api: API) -> None:
        self._api = api

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._api,)

    def _send(
        self, method: str, path: str, shape: Callable[[JsonValue], T], params: Mapping[str, object], kind: type
    ) -> Awaitable[T]:
        """Sends an object that a caller gave, after checking its fields."""
        return self._api.pipeline.ask(method, path, shape, json=fields_of(params, kind))


class _Kind(Generic[T]):
    """Stands in for a resource in the class `Client`, so that mocks with `spec=Client` have the resource, too."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    def __get__(self, client: None, owner: type) -> type[T]:
        return self._kind  # a client's own resource takes precedence, since there is no `__set__`


def shown_as(kind: type[T]) -> T:
    """Returns the class attribute that stands in for a resource that each instance makes for itself.

    Args:
        kind: The resource's class.
    """
    return cast("T", _Kind(kind))


def fields_of(params: Mapping[str, object], kind: type, argument: str = "params") -> dict[str, object]:
    """Checks that what a caller wants to send is an object with only known fields.

    Args:
        params: The caller's argument.
        kind: The `TypedDict` that describes it.
        argument: The name of that argument.

    Returns:
        What to send.

    Raises:
        ValueError: If it is not.
    """
    given = mapping_of(params, argument)
    refuse_unknown(given, keys_of(kind), argument, "extra_body")
    fields = {**given, **mapping_of(given.get("extra_body") or {}, "extra_body")}
    fields.pop("extra_body", None)
    return fields
