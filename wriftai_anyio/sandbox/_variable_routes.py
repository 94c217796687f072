"""The calls under `/variables`."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ._answers import JsonAnswer
from ._pages import page
from ._records import Record, Records, newest_first
from ._schemas import object_schema, read_body

_TEXT: Final = {"type": "string"}
_NAME: Final = {"type": "string", "pattern": "^[^/\\s]+$"}
_CREATE: Final = object_schema(
    {"name": _NAME, "key": _NAME, "value": _TEXT, "secret": {"type": "boolean"}},
    required=["name", "key", "value", "secret"],
)
_UPDATE: Final = object_schema({"value": _TEXT, "key": _NAME})


class VariableRoutes:
    """The calls, and their data.

    Args:
        variables: The variables.
    """

    def __init__(self, variables: Records) -> None:
        self._variables = variables

    def routes(self) -> list[Route]:
        """Return the routes, without the prefix of the API."""
        return [
            Route("/variables", self.list),
            Route("/variables", self.create, methods=["POST"]),
            Route("/variables/{name}", self.update, methods=["PATCH"]),
            Route("/variables/{name}", self.delete, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """Answer with a page of variables."""
        variables = self._variables.newest_first()
        return JsonAnswer(page(variables, newest_first, _show, request.query_params))

    async def create(self, request: Request) -> Response:
        """Create a variable."""
        body = await read_body(request, _CREATE)
        fields = {name: body[name] for name in ("name", "key", "value", "secret")}
        return JsonAnswer(_show(self._variables.create(fields)), status_code=201)

    async def update(self, request: Request) -> Response:
        """Change a variable's key or value."""
        variable = self._variables.find(request.path_params["name"])
        body = await read_body(request, _UPDATE)
        self._variables.edit(variable, {name: body[name] for name in ("key", "value") if name in body})
        return JsonAnswer(_show(variable))

    async def delete(self, request: Request) -> Response:
        """Delete a variable."""
        self._variables.remove(self._variables.find(request.path_params["name"]).fields["name"])
        return JsonAnswer(None)


def _show(variable: Record) -> dict[str, Any]:
    """Return a variable as the API shows it: without the value of a secret."""
    return {**variable.fields, "value": "" if variable.fields["secret"] else variable.fields["value"]}
