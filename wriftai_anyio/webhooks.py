"""Webhooks: their signatures, and an application that receives them."""

import contextlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from ._config import default_base_url
from ._parsing.arguments import check_callback, is_coroutine_function
from ._parsing.prediction import PredictionParser
from ._parsing.shapes import ShapeError
from ._types.prediction import PredictionWithIO
from ._webhooks.signature import DEFAULT_TOLERANCE, checked_tolerance, fresh_signature, secret_keys, verify_webhook
from ._webhooks.states import SeenStates
from .errors import WebhookSignatureVerificationError
from .json_codec import JSONTextError, decode_json

__all__ = ["SIGNATURE_HEADER", "NotifiedClient", "NotifiedPredictions", "WebhookReceiver", "verify_webhook"]

SIGNATURE_HEADER: Final = "wriftai-webhook-signature"
"""The header that contains a webhook's signature."""

LONGEST_BODY: Final = 30.0
"""Seconds that the body of a request may take to arrive."""
_BODIES_AT_ONCE: Final = 4
"""How many bodies of the largest size are held before their signatures are checked: anyone can make up a header."""
_MOST_DIGITS: Final = 18
"""The most digits of a content length: Python refuses to read more than 4,300, and a stranger chooses them."""

_Message: TypeAlias = MutableMapping[str, Any]
_Receive: TypeAlias = Callable[[], Awaitable[_Message]]
_Send: TypeAlias = Callable[[_Message], Awaitable[None]]


class NotifiedPredictions(Protocol):
    """Predictions whose waits learn new states from webhooks, such as `Client.predictions`."""

    def expect_webhooks(self) -> None:
        """Called when a receiver is made, which reports new states from then on."""

    def notify(self, prediction: PredictionWithIO) -> None:
        """Called with each new state; it must not block, and may be called from any thread.

        Args:
            prediction: The prediction as its webhook describes it.
        """


class NotifiedClient(Protocol):
    """What a `WebhookReceiver` needs of a client, such as `Client`."""

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
    """An ASGI application that receives the webhooks of predictions.

    It needs no framework, and can be mounted in any: `Route("/webhook", receiver)` in Starlette,
    `app.add_route("/webhook", receiver)` in FastAPI. It verifies the signature of the raw body, answers at once, and
    then calls `handler` with the prediction, unless that state is a duplicate or older than one already seen. The
    states of one prediction are handled one after another. The handler runs in the request that brought the state,
    after its answer; its exceptions go to the server's log.

    Args:
        secret: The secret of the webhooks; while you change secrets, all that are valid.
        handler: Called with each new state. A coroutine function is awaited; any other function is called in a worker
            thread. `None` if you only want the client's waits to end.
        client: The client whose waits end, without a poll, when the webhook of their prediction arrives.
        tolerance: Seconds by which a signature's timestamp may differ from the time now, in either direction.
        max_body_size: How many bytes a body may have; larger ones are answered 413.
        remembered: The number of predictions whose latest states are remembered, to recognize duplicates.

    Raises:
        ValueError: If an argument is not valid, such as a blank secret.

    Example:
        ```python
        receiver = WebhookReceiver(os.environ["WEBHOOK_SECRET"], print, client)
        app = Starlette(routes=[Route("/webhook", receiver)])
        ```
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
        self._keys = secret_keys(secret)
        self._tolerance = checked_tolerance(tolerance)
        if handler is not None and not callable(handler):
            raise ValueError(f"handler must be a function of a prediction, or None: not {type(handler).__name__}.")
        check_callback("prediction", handler=handler)
        if client is not None and not hasattr(client, "predictions"):
            raise ValueError(f"client must be a client, or None: not {type(client).__name__}.")
        self._max_body_size = _positive(max_body_size, "max_body_size")
        self._unverified = 0
        self._seen = SeenStates(_positive(remembered, "remembered"))
        self._handler = handler
        self._predictions = client.predictions if client is not None else None
        self._parser = PredictionParser(client.api_base_url if client is not None else default_base_url())
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
        # A sender that has disconnected sends it again, but then the state is known.
        with contextlib.suppress(OSError):
            await _answer(send, 204)
        if is_news:
            await self._hand_over(prediction)

    async def _verified(self, scope: _Message, receive: _Receive) -> PredictionWithIO:
        if scope["method"] != "POST":
            raise _Refusal(405, "webhooks are sent with POST")
        try:
            # Checked before the body is read: 16 MiB in each of many requests from a stranger would fill the memory.
            signature = fresh_signature(_header(scope, SIGNATURE_HEADER.encode()), self._tolerance)
            size = _header(scope, b"content-length")
            if size.isdigit() and (len(size) > _MOST_DIGITS or int(size) > self._max_body_size):
                raise self._too_large()
            body = await self._body(receive)
            signature.verify(body, self._keys)
        except WebhookSignatureVerificationError as error:
            raise _Refusal(400, str(error)) from None
        try:
            return self._parser.detailed(decode_json(body))
        except (ShapeError, JSONTextError):
            raise _Refusal(400, "the body is not a prediction") from None

    async def _body(self, receive: _Receive) -> bytes:
        body = bytearray()
        try:
            with anyio.move_on_after(LONGEST_BODY):
                while await self._more(receive, body):
                    pass
                return bytes(body)
            raise _Refusal(408, f"the body did not arrive within {LONGEST_BODY:g} s")
        finally:
            self._unverified -= len(body)

    async def _more(self, receive: _Receive, body: bytearray) -> bool:
        """Receives a piece of a body, and returns whether another follows."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        chunk = message.get("body", b"")
        body += chunk
        self._unverified += len(chunk)
        if len(body) > self._max_body_size:
            raise self._too_large()
        if self._unverified > _BODIES_AT_ONCE * self._max_body_size:
            raise _Refusal(503, "too many bodies are being received: send it again later")
        return bool(message.get("more_body", False))

    def _too_large(self) -> _Refusal:
        return _Refusal(413, f"the body has more than {self._max_body_size} bytes")

    async def _hand_over(self, prediction: PredictionWithIO) -> None:
        if self._handler is None:
            return
        turn = self._turns.setdefault(prediction["id"], anyio.Lock())
        async with turn:
            if is_coroutine_function(self._handler):
                result = self._handler(prediction)
            else:
                result = await anyio.to_thread.run_sync(self._handler, prediction)
            if isinstance(result, Awaitable):
                await result


def _header(scope: _Message, name: bytes) -> bytes:
    """Returns a header's value; as in HTTP, lines with the same name form one list."""
    return b",".join(value for key, value in scope["headers"] if key.lower() == name)


def _positive(value: object, argument: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{argument} must be a whole number above 0.")
    return value


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
