"""One prediction's events, as a server or a script of answers sends them that ends each connection as a test wants."""

import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TypeAlias
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx

from tests.support.clients import ID, prediction
from tests.support.patience import PATIENCE

STREAM_PATH = f"/v1/predictions/{ID}/stream"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
END = b"0\r\n\r\n"

OUTPUTS = ["to ", "be\u2028", "or\u0085 ", "not ", "to\r\n", "be ", "\N{GRINNING FACE}"]


def event(number: int, kind: str, data: object) -> bytes:
    """Returns an event as the API sends it, its text unescaped."""
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def events(outputs: Sequence[object] = OUTPUTS, last: str = "done") -> list[bytes]:
    """Returns the events of a prediction from its beginning to its end."""
    middle = [event(number, "output", output) for number, output in enumerate(outputs, 2)]
    end: object = prediction(output=outputs) if last == "done" else {"message": "out of memory"}
    return [event(1, "init", prediction("started")), *middle, event(len(outputs) + 2, last, end)]


def chunk(content: bytes) -> bytes:
    """Returns content as a chunk of HTTP."""
    return b"%x\r\n%b\r\n" % (len(content), content)


def chunks(contents: Sequence[bytes]) -> bytes:
    """Returns contents as chunks of HTTP, one for each."""
    return b"".join(map(chunk, contents))


@dataclass(frozen=True)
class Request:
    """A request that the server got."""

    method: str
    path: str
    after_id: str | None
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Hold:
    """Something to send, after which the connection stays open until the client leaves."""

    content: bytes


Plan: TypeAlias = Callable[[int, list[bytes]], "bytes | Hold"]
"""Makes what one connection sends of its number, from 0, and the events that are due on it."""


def whole(number: int, due: list[bytes]) -> bytes:
    """Sends all events, as chunks of their own."""
    return HEAD + chunks(due) + END


class EventServer:
    """Serves events, one connection after another, and notes the requests.

    Args:
        all_events: The events; the number of each is its id.
        plan: What to send on a connection, before it is closed.
    """

    def __init__(self, all_events: Sequence[bytes], plan: Plan) -> None:
        self._events = list(all_events)
        self._plan = plan
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._closed = False
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.requests: list[Request] = []
        self.left = threading.Event()
        """Set when a client has left a connection that was held."""

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            if self._closed:
                connection.close()
                return
            with connection, contextlib.suppress(OSError):
                connection.settimeout(5)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            method, target, _ = stream.readline().decode().split(" ")
            lines = iter(lambda: stream.readline().decode().strip(), "")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = stream.read(int(headers.get("content-length", "0")))
        url = urlsplit(target)
        after_id = parse_qs(url.query).get("after_id", [None])[0]
        number = len(self.requests)
        self.requests.append(Request(method, url.path, after_id, headers, body))
        reply = self._plan(number, self._events[int(after_id or 0) :])
        connection.sendall(reply.content if isinstance(reply, Hold) else reply)
        if isinstance(reply, Hold):
            with contextlib.suppress(ConnectionError):
                connection.recv(1)
            self.left.set()

    def __enter__(self) -> "EventServer":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        socket.create_connection(self._listener.getsockname()[:2]).close()
        self._thread.join(PATIENCE)
        self._listener.close()


class Body(httpx.AsyncByteStream):
    """The body of a scripted answer: it comes with pauses, of so many seconds each, and may break off."""

    def __init__(self, parts: Sequence[bytes | float], error: Exception | None) -> None:
        self._parts = parts
        self._error = error

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                await anyio.sleep(part)
        if self._error is not None:
            raise self._error


def streams(*parts: bytes | float, error: Exception | None = None, code: int = 200) -> Callable[..., httpx.Response]:
    """Makes a scripted answer that streams."""
    headers = {"content-type": "text/event-stream"}
    return lambda _: httpx.Response(code, headers=headers, stream=Body(parts, error))
