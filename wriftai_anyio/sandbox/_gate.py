"""Passes every request through the log, the token check, the rate limits and the fault plan."""

import hmac
import time
from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ._answers import ApiError, refusal
from ._browsers import foreign
from ._faults import FaultPlan, enact
from ._limits import Limiter
from ._page import is_of_page
from ._requests import RecordedRequest, RequestLog
from ._settings import API_PREFIX

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
NO_HEADERS: Final[Sequence[tuple[bytes, bytes]]] = ()
_TOO_LARGE: Final = refusal(413, "too_large", f"a body may have {MAX_BODY_BYTES} bytes")


class Gate:
    """An ASGI application in front of the routes.

    Args:
        app: The routes.
        page: The page for people, and the requests that it makes.
        access_token: The token that the API requires.
        log: Where requests are recorded.
        faults: The faults to come.
        limiter: The rate limits, if there are any.
    """

    def __init__(
        self,
        app: ASGIApp,
        page: ASGIApp,
        access_token: str,
        log: RequestLog,
        faults: FaultPlan,
        limiter: Limiter | None,
    ) -> None:
        self._app = app
        self._page = page
        self._authorization = f"Bearer {access_token}".encode()
        self._log = log
        self._faults = faults
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request, or refuse it before its body is read."""
        if is_of_page(scope["path"]):
            refused = foreign(Headers(raw=scope["headers"]), scope["method"])
            await (self._page if refused is None else refused.answer())(scope, receive, send)
            return
        recorded = self._log.record(scope)
        is_api = recorded.path.startswith(f"{API_PREFIX}/")
        refused, headers = foreign(recorded.headers, recorded.method), NO_HEADERS
        if refused is None and is_api:
            refused, headers = self._admit(recorded)
        # Before the body is read: which request gets a fault must not depend on whether the client stays until then.
        fault = self._faults.take(recorded.method, recorded.path) if refused is None else None
        if refused is None and is_api:
            body = await _read(receive)
            if body is None:
                return
            refused = None if len(body) <= MAX_BODY_BYTES else _TOO_LARGE
            recorded.body = body if refused is None else b""
            receive = _replay(body, receive)
        answer = _noting(send, recorded, headers)
        if refused is not None:
            await refused.answer()(scope, receive, answer)
        elif fault is not None:
            await enact(fault, self._app, scope, receive, answer)
        else:
            await self._app(scope, receive, answer)

    def _admit(self, recorded: RecordedRequest) -> tuple[ApiError | None, Sequence[tuple[bytes, bytes]]]:
        given = recorded.headers.get("authorization", "").encode("latin-1")
        if not hmac.compare_digest(given, self._authorization):
            return refusal(401, "unauthorized", "the access token is missing or wrong"), NO_HEADERS
        size = recorded.headers.get("content-length", "0")
        if size.isascii() and size.isdigit() and int(size[:20]) > MAX_BODY_BYTES:
            return _TOO_LARGE, NO_HEADERS
        if self._limiter is None:
            return None, NO_HEADERS
        create = recorded.method == "POST" and recorded.path == f"{API_PREFIX}/predictions"
        allowance = self._limiter.take(create=create)
        refused = None if allowance.granted else refusal(429, "rate_limited", "too many requests")
        return refused, allowance.headers()


def _noting(send: Send, recorded: RecordedRequest, headers: Sequence[tuple[bytes, bytes]]) -> Send:
    """Return a send that notes the status, and adds the headers of every answer."""

    async def noting_send(message: Message) -> None:
        if message["type"] == "http.response.start":
            recorded.status = message["status"]
            recorded.answered_at = time.monotonic()
            own = [(b"x-request-id", recorded.request_id.encode()), *headers]
            message = {**message, "headers": [*message["headers"], *own]}
        await send(message)

    return noting_send


async def _read(receive: Receive) -> bytes | None:
    """Return the body up to slightly more than its limit; `None` if the client left before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) > MAX_BODY_BYTES:
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receive that returns a body that has already been read."""
    unread = [body]

    async def replaying_receive() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return replaying_receive
