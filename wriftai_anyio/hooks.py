"""What the hooks of a client are called with: see `Client(on_request=…, on_response=…)`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["OnRequest", "OnResponse", "RequestEvent", "ResponseEvent"]


@dataclass(frozen=True)
class RequestEvent:
    """A request that goes out now.

    Attributes:
        method: The HTTP method.
        host: The host that it goes to.
        path: The path below the API's base URL, without the query. Empty for the parts of uploads and for
            downloads, whose addresses may be secrets.
        attempt: 1, and one more each time that it is sent again.
        waited: Seconds for which it waited for the pace of the rate limits.
    """

    method: str
    host: str
    path: str
    attempt: int
    waited: float


@dataclass(frozen=True)
class ResponseEvent(RequestEvent):
    """What came of a request.

    Attributes:
        method: As in `RequestEvent`.
        host: As in `RequestEvent`.
        path: As in `RequestEvent`.
        attempt: As in `RequestEvent`.
        waited: As in `RequestEvent`.
        status: The HTTP status of the answer; `None` if there is none.
        error: Why there is no answer: an `APIConnectionError`, or what cancelled the request. `None` if there is one.
        seconds: From the request until its answer was read, or, where it is read bit by bit (streams, downloads),
            began.
        request_id: The server's id of the request, where it gave one.
    """

    status: int | None
    error: BaseException | None
    seconds: float
    request_id: str | None


OnRequest: TypeAlias = Callable[[RequestEvent], object]
"""Is called with each request."""

OnResponse: TypeAlias = Callable[[ResponseEvent], object]
"""Is called with what came of each request."""
