"""The base of all resources."""

from collections.abc import Mapping

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
