"""The calls under `/users` and `/user`."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ._answers import JsonAnswer
from ._catalog import Catalog
from ._model_routes import search_text
from ._pages import choice, page
from ._records import Record, newest_first
from ._schemas import object_schema, read_body
from ._users import Users, details, summary

_TEXT: Final = {"type": ["string", "null"]}
_FIELDS: Final = {
    "name": {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]*$"},
    "display_name": _TEXT,
    "bio": _TEXT,
    "company": _TEXT,
    "location": _TEXT,
    "urls": {"type": ["array", "null"], "items": {"type": "string"}},
}
_UPDATE: Final = object_schema(_FIELDS)


class UserRoutes:
    """The calls, and their data.

    Args:
        users: The users.
        catalog: Their models.
    """

    def __init__(self, users: Users, catalog: Catalog) -> None:
        self._users = users
        self._catalog = catalog

    def routes(self) -> list[Route]:
        """Return the routes, without the prefix of the API."""
        return [
            Route("/users", self.list),
            Route("/users/{name}", self.get),
            Route("/search/users", self.search),
            Route("/user", self.get_authenticated),
            Route("/user", self.update_authenticated, methods=["PATCH"]),
        ]

    async def list(self, request: Request) -> Response:
        """Answer with a page of all users."""
        choice(request.query_params, "sort_by", ["created_at"])
        users = self._everyone().records.newest_first()
        if choice(request.query_params, "sort_direction", ["desc", "asc"]) == "desc":
            return JsonAnswer(page(users, newest_first, summary, request.query_params))
        return JsonAnswer(page(users[::-1], lambda user: (user.serial,), summary, request.query_params))

    async def search(self, request: Request) -> Response:
        """Answer with a page of the users whose names contain a string."""
        sought = search_text(request)
        found = [user for user in self._everyone().records.newest_first() if sought in _names(user)]
        return JsonAnswer(page(found, newest_first, summary, request.query_params))

    async def get(self, request: Request) -> Response:
        """Answer with one user in full."""
        return JsonAnswer(details(self._everyone().records.find(request.path_params["name"])))

    async def get_authenticated(self, _request: Request) -> Response:
        """Answer with the user who holds the token."""
        return JsonAnswer(details(self._users.authenticated))

    async def update_authenticated(self, request: Request) -> Response:
        """Change some fields of the user who holds the token."""
        body = await read_body(request, _UPDATE)
        user = self._users.authenticated
        owned = self._catalog.owned_by(user.fields["name"])
        self._users.records.edit(user, {name: value for name, value in body.items() if name in _FIELDS})
        self._catalog.rename_owner(owned, user.fields["name"])
        return JsonAnswer(details(user))

    def _everyone(self) -> Users:
        # The owners of registered functions become users once the catalog has seen those functions.
        self._catalog.all()
        return self._users


def _names(user: Record) -> str:
    return f"{user.fields['name']}\n{user.fields['display_name'] or ''}".lower()
