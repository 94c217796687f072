"""The base of all resources: ids and model references checked and quoted, answers checked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar, cast

from wriftai_anyio._parsing.ids import segment
from wriftai_anyio._pipeline.request import Query
from wriftai_anyio.api import API
from wriftai_anyio.pagination import PaginationOptions

T = TypeVar("T")

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
