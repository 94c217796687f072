"""The calls under `/models/{owner}/{name}/versions`."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ._answers import JsonAnswer, invalid, not_found
from ._catalog import COMPATIBILITIES, Catalog, ModelRecord, Version
from ._model_routes import find_model
from ._pages import page
from ._records import Records
from ._reference_data import HARDWARE_IDENTIFIERS
from ._schemas import object_schema, read_body

_OBJECT: Final = {"type": "object"}
_BOOLEAN: Final = {"type": "boolean"}
_CONFIGURATION: Final = {
    "hardware_identifier": {"type": "string"},
    "variable_names": {"type": "array", "items": {"type": "string"}},
}
_SCHEMAS: Final = {
    "type": "object",
    "required": ["prediction"],
    "properties": {
        "prediction": {
            "type": "object",
            "required": ["input", "output"],
            "properties": {"input": _OBJECT, "output": _OBJECT, "stream_output": _OBJECT},
        }
    },
}
_CONFIGURE: Final = object_schema(_CONFIGURATION)
_CREATE: Final = object_schema(
    {
        "release_notes": {"type": "string"},
        "container_image_digest": {"type": "string", "minLength": 1},
        "compatibilities": {
            "type": "object",
            "properties": dict.fromkeys(COMPATIBILITIES, _BOOLEAN),
        },
        "configuration": {
            "type": "object",
            "required": list(_CONFIGURATION),
            "properties": _CONFIGURATION,
        },
        "schemas": _SCHEMAS,
    },
    required=["release_notes", "schemas", "container_image_digest"],
)


class VersionRoutes:
    """The calls, and their data.

    Args:
        catalog: The models.
        variables: The variables that a configuration can refer to.
    """

    def __init__(self, catalog: Catalog, variables: Records) -> None:
        self._catalog = catalog
        self._variables = variables

    def routes(self) -> list[Route]:
        """Return the routes, without the prefix of the API."""
        versions = "/models/{owner}/{name}/versions"
        version = f"{versions}/{{number:int}}"
        return [
            Route(versions, self.list),
            Route(versions, self.create, methods=["POST"]),
            Route(version, self.get),
            Route(version, self.delete, methods=["DELETE"]),
            Route(f"{version}/configuration", self.get_configuration),
            Route(f"{version}/configuration", self.update_configuration, methods=["PATCH"]),
        ]

    async def list(self, request: Request) -> Response:
        """Answer with a page of a model's versions, the latest first."""
        versions = list(reversed(find_model(self._catalog, request).versions.values()))
        return JsonAnswer(page(versions, lambda version: (-version.number,), Version.summary, request.query_params))

    async def create(self, request: Request) -> Response:
        """Add a version to a model."""
        record = find_model(self._catalog, request)
        body = await read_body(request, _CREATE)
        if "configuration" in body:
            body["configuration"] = self._configuration(body["configuration"], "body", "configuration")
        try:
            version = record.add_version(body)
        except ValueError as error:
            raise invalid(["body", "schemas", "prediction", "input"], str(error)) from None
        answer = {**version.details(), "configuration": version.configuration}
        return JsonAnswer(answer, status_code=201)

    async def get(self, request: Request) -> Response:
        """Answer with one version in full."""
        return JsonAnswer(self._find(request)[1].details())

    async def delete(self, request: Request) -> Response:
        """Delete a version."""
        record, version = self._find(request)
        del record.versions[version.number]
        return JsonAnswer(None)

    async def get_configuration(self, request: Request) -> Response:
        """Answer with a version's configuration."""
        return JsonAnswer(self._find(request)[1].configuration)

    async def update_configuration(self, request: Request) -> Response:
        """Change parts of a version's configuration."""
        _, version = self._find(request)
        changes = self._configuration(await read_body(request, _CONFIGURE), "body")
        version.configuration = {**version.configuration, **changes}
        return JsonAnswer(version.configuration)

    def _find(self, request: Request) -> tuple[ModelRecord, Version]:
        record = find_model(self._catalog, request)
        version = record.versions.get(request.path_params["number"])
        if version is None:
            raise not_found("version")
        return record, version

    def _configuration(self, given: Mapping[str, Any], *location: str) -> dict[str, Any]:
        """Return the known fields of a configuration, after checking that everything they refer to exists."""
        hardware = given.get("hardware_identifier")
        if hardware is not None and hardware not in HARDWARE_IDENTIFIERS:
            raise invalid([*location, "hardware_identifier"], f"no hardware: {hardware}")
        for index, name in enumerate(given.get("variable_names", [])):
            if self._variables.get(name) is None:
                raise invalid([*location, "variable_names", index], f"no variable: {name}")
        return {name: given[name] for name in _CONFIGURATION if name in given}
