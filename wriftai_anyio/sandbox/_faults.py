"""The fault plan: which faults come next, and how they happen."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from threading import Lock
from typing import Any, Final, Literal

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._checks import check_seconds, check_whole
from ._clients import Connection, connection_of, while_connected
from ._settings import API_PREFIX

FaultKind = Literal["drop", "drop_after", "half", "stall", "stall_after", "delay", "html", "garbage", "shape"]
"""How an answer goes wrong: see `Sandbox.fail_next`."""

_BODIES: Final[Mapping[str, tuple[str, str]]] = {
    "html": ("text/html", "<html><body><h1>It works!</h1></body></html>"),
    "garbage": ("application/json", '{"id": "5b6f'),
    "shape": ("application/json", '{"unexpected": true}'),
}
_MOST_FAULTS: Final = 1_000_000
KINDS: Final = frozenset({"drop", "drop_after", "half", "stall", "stall_after", "delay", *_BODIES})


@dataclass(frozen=True)
class Fault:
    """One fault.

    Args:
        kind: An HTTP status, or how the answer goes wrong.
        method: Only for requests of this method.
        path: Only for requests whose path matches this shell pattern, such as `/predictions/*`; a leading `/v1` may
            be left out.
        headers: More headers for the answer.
        body: The body of the answer: strings and bytes as is, everything else as JSON.
        delay: Seconds that pass before it happens.
    """

    kind: int | FaultKind
    method: str | None = None
    path: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: Any = None
    delay: float = 0.0

    def __post_init__(self) -> None:
        if isinstance(self.kind, int):
            if not 200 <= self.kind <= 599:
                raise ValueError("a status must lie between 200 and 599")
        elif self.kind not in tuple(KINDS):  # not a set: the argument need not be hashable
            raise ValueError(f"kind must be a status or one of {', '.join(sorted(KINDS))}")
        check_seconds(delay=self.delay)

    def matches(self, method: str, path: str) -> bool:
        """Returns whether this fault applies to a request.

        Args:
            method: The request's HTTP method, in upper case.
            path: Its path, starting after the host.

        Returns:
            Whether both match.
        """
        if self.method is not None and self.method.upper() != method:
            return False
        return self.path is None or fnmatchcase(path.removeprefix(API_PREFIX), self.path.removeprefix(API_PREFIX))


class FaultPlan:
    """The faults to come, in order; any thread may add to them."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = Lock()

    def add(self, fault: Fault, times: int) -> None:
        """Plan a fault for the next requests that it matches."""
        check_whole(1, _MOST_FAULTS, times=times)
        with self._lock:
            self._faults.extend([fault] * times)

    def take(self, method: str, path: str) -> Fault | None:
        """Remove and return the first fault that matches a request."""
        with self._lock:
            for index, fault in enumerate(self._faults):
                if fault.matches(method, path):
                    return self._faults.pop(index)
        return None

    def describe(self) -> list[str]:
        """Return a few words about each planned fault, equal ones together."""
        with self._lock:
            counted = Counter(
                (fault.kind, fault.method or "any method", fault.path or "any path") for fault in self._faults
            )
        return [f"{kind} ({times} times, {method}, {path})" for (kind, method, path), times in counted.items()]

    def clear(self) -> None:
        """Remove all planned faults."""
        with self._lock:
            self._faults.clear()


async def enact(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Make a request go wrong.

    Args:
        fault: How it goes wrong.
        app: The application that would have answered.
        scope: The request's ASGI scope.
        receive: The request's ASGI receive.
        send: The request's ASGI send.
    """
    connection = connection_of(scope)
    if fault.delay:
        await while_connected(connection, anyio.sleep_forever, fault.delay)
    match fault.kind:
        case "delay":
            await app(scope, receive, send)
        case "drop":
            connection.abort()
            await connection.closed.wait()
        case "drop_after":
            await app(scope, receive, _swallow)
            connection.abort()
            await connection.closed.wait()
        case "stall":
            await connection.closed.wait()
        case "stall_after":
            await app(scope, receive, _swallow)
            await connection.closed.wait()
        case "half":
            await app(scope, receive, _HalfAnswer(connection, send))
            await connection.closed.wait()
        case _:
            await _wrong_answer(fault)(scope, receive, send)


def _wrong_answer(fault: Fault) -> Response:
    if isinstance(fault.kind, int):
        status_code, media_type = fault.kind, "application/json"
        body: Any = {"code": "sandbox_fault", "message": "the sandbox was told to fail", "detail": None}
    else:
        status_code = 200
        media_type, body = _BODIES[fault.kind]
    if fault.body is not None:
        body = fault.body
    if not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    headers = {"content-type": media_type, **{name.lower(): value for name, value in fault.headers.items()}}
    return Response(body, status_code, headers)


async def _swallow(_message: Message) -> None:
    """Discard an answer instead of sending it."""


class _HalfAnswer:
    """Sends an answer's head and half of its body, then closes the connection."""

    def __init__(self, connection: Connection, send: Send) -> None:
        self._connection = connection
        self._send = send
        self._left: int | None = None
        self._closed = False

    async def __call__(self, message: Message) -> None:
        if self._closed:
            return
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if b"content-length" in headers:
                self._left = int(headers[b"content-length"]) // 2
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        if self._left is None:
            self._left = len(body) // 2
        sent = body[: self._left]
        self._left -= len(sent)
        await self._send({"type": "http.response.body", "body": sent, "more_body": True})
        if self._left == 0:
            self._closed = True
            self._connection.close()
