"""Wraps the SDK's HTTP application: requires a bearer token, and ends calls whose agent has disconnected."""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from ._schemas import mapping

Message = MutableMapping[str, Any]
ASGIApp = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Guarded:
    """An ASGI application that requires a bearer token, and ends calls that nobody waits for any more.

    Args:
        app: The SDK's application.
        token: The token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self.token = token

    async def __call__(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif not self._is_authorized(scope):
            headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        elif _is_call_of_session(scope):
            await self._call(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_authorized(self, scope: Message) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(given, f"Bearer {self.token}".encode())

    async def _call(
        self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Serves a request of a session, and cancels it if its connection ends before its answer.

        In protocol versions before 2026, the end of a connection does not cancel a call, since an agent might ask for
        the answer again. The SDK keeps no answers for that here, so the call would only cost money.
        """
        body, is_gone, is_answered = bytearray(), False, False

        async def noted_receive() -> Message:
            nonlocal is_gone
            message = await receive()
            is_gone = is_gone or message["type"] == "http.disconnect"
            body.extend(message.get("body", b""))
            return message

        async def noted_send(message: Message) -> None:
            nonlocal is_answered
            await send(message)
            is_answered = message["type"] == "http.response.body" and not message.get("more_body")

        await self._app(scope, noted_receive, noted_send)
        if is_gone and not is_answered:
            await self._cancel(scope, bytes(body))

    async def _cancel(self, scope: Message, body: bytes) -> None:
        """Sends the SDK the cancellation that the agent did not send."""
        call: object = None
        with suppress(ValueError, RecursionError):
            call = json.loads(body)
        if "id" not in mapping(call):
            return
        note = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": mapping(call)["id"]}}
        content = json.dumps(note).encode()
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]

        async def receive() -> Message:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: Message) -> None:
            """Discards the answer."""

        length = (b"content-length", str(len(content)).encode())
        await self._app({**scope, "headers": [*headers, length]}, receive, send)


def _is_call_of_session(scope: Message) -> bool:
    return scope["method"] == "POST" and any(name == b"mcp-session-id" for name, _ in scope["headers"])
