"""Webhooks: their signatures, and an application that receives them."""

import contextlib
import inspect
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from ._config import default_base_url
from ._parsing.prediction import PredictionShape
from ._parsing.shapes import ShapeError
from ._types.prediction import PredictionWithIO
from ._webhooks.signature import DEFAULT_TOLERANCE, secret_keys, verify_webhook
from ._webhooks.states import SeenStates
from .errors import WebhookSignatureVerificationError

__all__ = ["SIGNATURE_HEADER", "WebhookReceiver", "verify_webhook"]

SIGNATURE_HEADER: Final = "wriftai-webhook-signature"
"""The header that carries a webhook's signature."""

LONGEST_BODY: Final = 30.0
"""Seconds that the body of a request may take to arrive."""

_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]


class NotifiedPredictions(Protocol):
    """Waits that can be told of a prediction's new state."""

    def expect_webhooks(self) -> None:
        """Takes in that there is a receiver."""

    def notify(self, prediction: PredictionWithIO) -> None:
        """Takes in a state that a webhook told of. Never blocks; any thread may call it."""


class NotifiedClient(Protocol):
    """What a receiver needs of a client."""

    @property
    def api_base_url(self) -> str:
        """The API's base URL."""
        ...

    @property
    def predictions(self) -> NotifiedPredictions:
        """Its predictions."""
        ...


class _Refusal(Exception):  # noqa: N818 -- an answer, not a failure
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class _Disconnected(Exception):  # noqa: N818 -- it ends a request that nobody waits for
    pass


class WebhookReceiver:
    """An ASGI application that receives a prediction's webhooks.

    It needs no framework, and mounts in any: `Route("/webhook", receiver)` in Starlette,
    `app.add_route("/webhook", receiver)` in FastAPI. It verifies the signature of the raw body, answers at once,
    and then hands the prediction to `handler`, unless it is a duplicate or older than a state already seen. The
    states of one prediction are handed over one after another. The handler runs in the request that brought the
    state, after its answer: what it raises goes to the server's log.

    Args:
        secret: The webhooks' secret; during a change of secrets all that are valid.
        handler: Called with each new state. A coroutine function is awaited, another function called in a
            worker thread. `None` if only the client's waits are of interest.
        client: Its waits for a prediction return when that prediction's webhook comes, without a poll.
        tolerance: Seconds that a signature's timestamp may be off, either way.
        max_body_size: Bytes that a body may have; more are answered 413.
        remembered: How many predictions are remembered, to tell what is news.

    Raises:
        ValueError: If a secret is empty, or there is none.
    """

    def __init__(
        self,
        secret: str | Sequence[str],
        handler: Callable[[PredictionWithIO], object] | None,
        client: NotifiedClient | None = None,
        *,
        tolerance: int = DEFAULT_TOLERANCE,
        max_body_size: int = 16 * 1024 * 1024,
        remembered: int = 10_000,
    ) -> None:
        secret_keys(secret)
        self._secret = secret
        self._handler = handler
        self._predictions = client.predictions if client else None
        self._shape = PredictionShape(client.api_base_url if client else default_base_url())
        self._tolerance = tolerance
        self._max_body_size = max_body_size
        self._seen = SeenStates(remembered)
        if self._predictions is not None:
            self._predictions.expect_webhooks()
        self._turns: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serves one request, as ASGI servers and frameworks ask for it."""
        if scope["type"] == "lifespan":
            await _follow_lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        try:
            prediction = await self._verified(scope, receive)
        except _Refusal as refusal:
            await _answer(send, refusal.status, refusal.reason)
            return
        except _Disconnected:
            return
        is_news = self._seen.is_news(prediction)
        if is_news and self._predictions is not None:
            self._predictions.notify(prediction)
        # A sender that has gone by now sends again, but what it sends then is no news.
        with contextlib.suppress(OSError):
            await _answer(send, 204)
        if is_news:
            await self._hand_over(prediction)

    async def _verified(self, scope: _Message, receive: _Receive) -> PredictionWithIO:
        if scope["method"] != "POST":
            raise _Refusal(405, "webhooks are sent with POST")
        body = await self._body(receive)
        # Lines of the same name are one list, as HTTP says.
        signature = b",".join(value for name, value in scope["headers"] if name.lower() == SIGNATURE_HEADER.encode())
        try:
            verify_webhook(body, signature, self._secret, self._tolerance)
        except WebhookSignatureVerificationError as error:
            raise _Refusal(400, str(error)) from None
        try:
            return self._shape.detailed(json.loads(body))
        except (ShapeError, ValueError, RecursionError):
            raise _Refusal(400, "the body is no prediction") from None

    async def _body(self, receive: _Receive) -> bytes:
        body = bytearray()
        with anyio.move_on_after(LONGEST_BODY):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Disconnected
                body += message.get("body", b"")
                if len(body) > self._max_body_size:
                    raise _Refusal(413, f"the body has more than {self._max_body_size} bytes")
                if not message.get("more_body", False):
                    return bytes(body)
        raise _Refusal(408, f"the body did not arrive within {LONGEST_BODY:g} s")

    async def _hand_over(self, prediction: PredictionWithIO) -> None:
        if self._handler is None:
            return
        turn = self._turns.setdefault(prediction["id"], anyio.Lock())
        async with turn:
            if _is_coroutine_function(self._handler):
                result = self._handler(prediction)
            else:
                result = await anyio.to_thread.run_sync(self._handler, prediction)
            if isinstance(result, Awaitable):
                await result


def _is_coroutine_function(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


async def _follow_lifespan(receive: _Receive, send: _Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _answer(send: _Send, status: int, reason: str = "") -> None:
    body = reason.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if status == 405:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers if body else []})
    await send({"type": "http.response.body", "body": body})
