"""Variables: environment variables of model versions, some of them secret."""

from ._parsing.ids import segment
from ._parsing.shapes import nothing, record
from ._resources.lists import ListedResource, Listing
from ._types.extras import ExtraBody
from ._types.typing_backports import TypedDict
from .pagination import PaginationOptions

__all__ = ["CreateVariableParams", "UpdateVariableParams", "Variable", "Variables"]


class Variable(TypedDict):
    """A variable that can be set in the environment of model versions."""

    name: str
    """Unique name of the variable."""
    key: str
    """The key under which model versions find it."""
    value: str
    """The value; empty if it is a secret."""
    secret: bool
    """Whether the value is a secret, and never returned."""
    created_at: str
    """Timestamp when the variable was created."""
    updated_at: str | None
    """Timestamp of the last update to the variable."""


class CreateVariableParams(ExtraBody):
    """The fields of a new variable."""

    name: str
    """Unique name of the variable."""
    key: str
    """The key under which model versions find it."""
    value: str
    """The value."""
    secret: bool
    """Whether the value is a secret, and never returned."""


class UpdateVariableParams(ExtraBody, total=False):
    """The fields of a variable to update."""

    value: str
    """The new value."""
    key: str
    """The new key."""


class Variables(ListedResource[Variable, PaginationOptions]):
    """Variables: environment variables of model versions, some of them secret.

    Args:
        api: What sends the requests.
    """

    async def async_create(self, params: CreateVariableParams) -> Variable:
        """Create a variable.

        Args:
            params: The fields of the new variable.

        Returns:
            The new variable.

        Raises:
            ValueError: If `params` is not a mapping; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer; it may exist if the error's `request_sent` is true.
        """
        return await self._send("POST", "/variables", _variable, params, CreateVariableParams)

    def create(self, params: CreateVariableParams) -> Variable:
        """Create a variable.

        Args:
            params: The fields of the new variable.

        Returns:
            The new variable.

        Raises:
            ValueError: If `params` is not a mapping; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer; it may exist if the error's `request_sent` is true.
        """
        return self._api.blocking.call(self.async_create, params)

    async def async_update(self, name: str, params: UpdateVariableParams) -> Variable:
        """Update a variable.

        Args:
            name: The name of the variable.
            params: The fields to update.

        Returns:
            The updated variable.

        Raises:
            ValueError: If the name is not valid, or `params` is not a mapping; nothing was sent.
            NotFoundError: If there is no such variable.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        return await self._send("PATCH", _path(name), _variable, params, UpdateVariableParams)

    def update(self, name: str, params: UpdateVariableParams) -> Variable:
        """Update a variable.

        Args:
            name: The name of the variable.
            params: The fields to update.

        Returns:
            The updated variable.

        Raises:
            ValueError: If the name is not valid, or `params` is not a mapping; nothing was sent.
            NotFoundError: If there is no such variable.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer; it may be updated if the error's `request_sent` is true.
        """
        return self._api.blocking.call(self.async_update, name, params)

    async def async_delete(self, name: str) -> None:
        """Delete a variable.

        Args:
            name: The name of the variable.

        Raises:
            ValueError: If the name is not valid; nothing was sent.
            NotFoundError: If there is no such variable.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        await self._api.pipeline.ask("DELETE", _path(name), nothing)

    def delete(self, name: str) -> None:
        """Delete a variable.

        Args:
            name: The name of the variable.

        Raises:
            ValueError: If the name is not valid; nothing was sent.
            NotFoundError: If there is no such variable.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        self._api.blocking.call(self.async_delete, name)

    def _listing(self) -> Listing[Variable]:
        return Listing(self._api, "/variables", _variable)


_variable = record(Variable, "name")


def _path(name: str) -> str:
    return f"/variables/{segment(name, 'name')}"
