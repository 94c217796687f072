"""The base of all resources."""

from collections.abc import Mapping

from wriftai_anyio._parsing.arguments import keys_of, mapping_of, refuse_unknown
from wriftai_anyio.api import API


class Resource:
    """A group of calls of the API.

    Args:
        api: What sends them.
    """

    def __init__(self, api: API) -> None:
        self._api = api

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self._api,)


def fields_of(params: Mapping[str, object], kind: type, argument: str = "params") -> dict[str, object]:
    """Checks that what a caller wants to send is an object with known fields.

    Args:
        params: What the caller gave.
        kind: The `TypedDict` of what it should be.
        argument: The name of the caller's argument.

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
