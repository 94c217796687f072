"""The application: every resource's routes behind the gate."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from wriftai_anyio.sandbox._answers import ApiError, answer_api_error, answer_http_error
from wriftai_anyio.sandbox._faults import API_PREFIX, FaultPlan
from wriftai_anyio.sandbox._gate import Gate
from wriftai_anyio.sandbox._limits import Limiter
from wriftai_anyio.sandbox._requests import RequestLog


def build_app(
    routes: list[Route], access_token: str, log: RequestLog, faults: FaultPlan, limiter: Limiter | None
) -> ASGIApp:
    """Return the ASGI application.

    Args:
        routes: The API's routes, without its prefix.
        access_token: The token that the API wants.
        log: Where requests are recorded.
        faults: What goes wrong next.
        limiter: The rate limits, where there are any.
    """
    starlette = Starlette(
        routes=[Mount(API_PREFIX, routes=routes)],
        exception_handlers={ApiError: answer_api_error, HTTPException: answer_http_error},
    )
    return Gate(starlette, access_token, log, faults, limiter)
