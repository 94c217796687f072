"""The calls under `/models`, except those for versions."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ._answers import JsonAnswer, invalid
from ._catalog import Catalog, ModelRecord, categories
from ._pages import Position, choice, page
from ._records import newest_first
from ._schemas import object_schema, read_body
from ._users import Users

_TEXT: Final = {"type": ["string", "null"]}
_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "name": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"},
    "visibility": {"enum": ["private", "public", "restricted"]},
    "description": _TEXT,
    "source_url": _TEXT,
    "license_url": _TEXT,
    "paper_url": _TEXT,
    "overview": _TEXT,
    "category_slugs": {"type": "array", "items": {"type": "string"}},
}
_CREATE: Final = object_schema(_FIELDS, required=["name"])
_UPDATE: Final = object_schema(_FIELDS)

_POSITIONS: Final[Mapping[tuple[str, str], Callable[[ModelRecord], Position]]] = {
    ("created_at", "desc"): newest_first,
    ("created_at", "asc"): lambda record: (record.serial,),
    ("predictions_count", "desc"): lambda record: (-record.predictions_count, -record.serial),
    ("predictions_count", "asc"): lambda record: (record.predictions_count, record.serial),
}


class ModelRoutes:
    """The calls, and their data.

    Args:
        catalog: The models.
        users: Their owners, one of whom holds the token.
    """

    def __init__(self, catalog: Catalog, users: Users) -> None:
        self._catalog = catalog
        self._users = users

    def routes(self) -> list[Route]:
        """Return the routes, without the prefix of the API."""
        return [
            Route("/models", self.list),
            Route("/models", self.create, methods=["POST"]),
            Route("/models/{owner}", self.list_of_owner),
            Route("/models/{owner}/{name}", self.get),
            Route("/models/{owner}/{name}", self.update, methods=["PATCH"]),
            Route("/models/{owner}/{name}", self.delete, methods=["DELETE"]),
            Route("/search/models", self.search),
            Route("/user/models", self.list_of_authenticated),
        ]

    async def list(self, request: Request) -> Response:
        """Answer with a page of all models."""
        slugs = frozenset(request.query_params.getlist("category_slugs"))
        return self._page(request, lambda record: not slugs or not slugs.isdisjoint(_slugs(record)))

    async def list_of_owner(self, request: Request) -> Response:
        """Answer with a page of one owner's models."""
        owner: str = request.path_params["owner"]
        self._users.records.find(owner)
        return self._page(request, lambda record: record.owner == owner)

    async def list_of_authenticated(self, request: Request) -> Response:
        """Answer with a page of the models of the user who holds the token."""
        owner: str = self._users.authenticated.fields["name"]
        return self._page(request, lambda record: record.owner == owner)

    async def search(self, request: Request) -> Response:
        """Answer with a page of the models that contain a string."""
        sought = search_text(request)
        return self._page(
            request,
            lambda record: sought in f"{record.reference}\n{record.fields['description'] or ''}".lower(),
        )

    async def get(self, request: Request) -> Response:
        """Answer with one model in full."""
        return JsonAnswer(self._catalog.details(find_model(self._catalog, request)))

    async def create(self, request: Request) -> Response:
        """Create a model of the user who holds the token."""
        fields = _with_categories(await read_body(request, _CREATE))
        record = self._catalog.create(self._users.authenticated.fields["name"], fields)
        return JsonAnswer(self._catalog.details(record), status_code=201)

    async def update(self, request: Request) -> Response:
        """Change some fields of a model."""
        record = find_model(self._catalog, request)
        self._catalog.edit(record, _with_categories(await read_body(request, _UPDATE)))
        return JsonAnswer(self._catalog.details(record))

    async def delete(self, request: Request) -> Response:
        """Delete a model."""
        self._catalog.remove(find_model(self._catalog, request))
        return JsonAnswer(None)

    def _page(self, request: Request, wanted: Callable[[ModelRecord], bool]) -> Response:
        query = request.query_params
        sort_by = choice(query, "sort_by", ["created_at", "predictions_count"])
        position = _POSITIONS[sort_by, choice(query, "sort_direction", ["desc", "asc"])]
        records = sorted(filter(wanted, self._catalog.all()), key=position)
        return JsonAnswer(page(records, position, self._catalog.summary, query))


def find_model(catalog: Catalog, request: Request) -> ModelRecord:
    """Return the model in the path of a request.

    Raises:
        ApiError: 404, if there is none.
    """
    return catalog.find("{owner}/{name}".format_map(request.path_params))


def search_text(request: Request) -> str:
    """Return the text of a search, in lower case.

    Raises:
        ApiError: 422, if it is empty.
    """
    sought = request.query_params.get("q")
    if sought is None:
        raise invalid(["query", "q"], "field required", "missing")
    return sought.lower()


def _slugs(record: ModelRecord) -> set[str]:
    return {category["slug"] for category in record.fields["categories"]}


def _with_categories(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body's fields as they are stored: known ones only, with slugs replaced by categories."""
    fields = {name: value for name, value in body.items() if name in _FIELDS}
    if "category_slugs" in fields:
        fields["categories"] = categories(fields.pop("category_slugs"))
    return fields
