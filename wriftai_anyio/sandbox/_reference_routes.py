"""`/hardware` and `/model_categories`, which can only be listed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ._answers import JsonAnswer
from ._pages import page
from ._reference_data import CATEGORIES, HARDWARE


def reference_routes() -> list[Route]:
    """Return the routes, without the prefix of the API."""
    return [
        Route("/hardware", _listing(HARDWARE)),
        Route("/model_categories", _listing(CATEGORIES)),
    ]


def _listing(items: Sequence[Mapping[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    numbered = list(enumerate(items))

    async def listing(request: Request) -> Response:
        return JsonAnswer(page(numbered, lambda item: (item[0],), lambda item: dict(item[1]), request.query_params))

    return listing
