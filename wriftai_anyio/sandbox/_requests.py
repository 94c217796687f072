"""What came in: a bounded log of the requests."""

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
        path: The decoded path, with the `/v1` in front.
        query: The query parameters.
        headers: The headers, whose names match in any case.
        arrived_at: When it arrived, in seconds of `time.monotonic()`.
        request_id: What the answer says as `x-request-id`.
        body: The body; empty for the parts of uploads, which can be large, and where the request was refused.
        status: The status answered, or `None` if there was no answer (yet).
        answered_at: When the answer began, likewise in seconds of `time.monotonic()`.
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
    """The requests so far, the oldest of very many forgotten."""

    def __init__(self) -> None:
        self._recorded: deque[RecordedRequest] = deque(maxlen=MAX_RECORDED)
        self._serials = itertools.count(1)

    def record(self, scope: Scope) -> RecordedRequest:
        """Note a request that has come in."""
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
