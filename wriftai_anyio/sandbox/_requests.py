"""A bounded log of the requests received."""

import itertools
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import Scope

MAX_RECORDED: Final = 100_000


@dataclass
class RecordedRequest:
    """One request as the sandbox saw it.

    Attributes:
        method: The HTTP method.
        path: The decoded path, with the leading `/v1`.
        query: The query parameters.
        headers: The headers, with case-insensitive names.
        arrived_at: When it arrived, in seconds of `time.monotonic()`.
        request_id: The `x-request-id` of the answer.
        body: The body; empty for the parts of uploads, which can be large, and for refused requests.
        status: The status of the answer, or `None` if there is none (yet).
        answered_at: When the answer began, in seconds of `time.monotonic()`.
    """

    method: str
    path: str
    query: QueryParams
    headers: Headers = field(repr=False)
    arrived_at: float
    request_id: str
    body: bytes = field(default=b"", repr=False)
    status: int | None = None
    answered_at: float | None = None


class RequestLog:
    """The requests so far; beyond a limit, the oldest are forgotten."""

    def __init__(self) -> None:
        self._recorded: deque[RecordedRequest] = deque(maxlen=MAX_RECORDED)
        self._serials = itertools.count(1)

    def record(self, scope: Scope) -> RecordedRequest:
        """Record a new request."""
        recorded = RecordedRequest(
            method=scope["method"],
            path=scope["path"],
            query=QueryParams(scope["query_string"]),
            headers=Headers(raw=scope["headers"]),
            arrived_at=time.monotonic(),
            request_id=f"sandbox-{next(self._serials)}",
        )
        self._recorded.append(recorded)
        return recorded

    def snapshot(self) -> list[RecordedRequest]:
        """Return the requests so far, oldest first."""
        return list(self._recorded.copy())

    def clear(self) -> None:
        """Forget them all."""
        self._recorded.clear()
