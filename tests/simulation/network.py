"""The network between a process and the API: slow, lossy, and with gateways of its own."""

import json
from collections.abc import AsyncIterator, Iterable
from random import Random
from typing import Final

import anyio
import anyio.lowlevel
import httpx
from anyio import sleep

from .server import FILE_PIECE, STORE, Reply, Stored
from .world import World

HTML: Final = b"<html><body>Something went wrong</body></html>"
GATEWAY: Final = {"408": 408, "gateway-429": 429, "500-before": 500, "502-html": 502, "503": 503, "200-html": 200}
"""Answers of what stands before the API, which does not see the request then."""
AFTERWARDS: Final = {"500-after": 500, "504-after": 504}
"""Answers that hide what the API did."""
CONNECTING: Final = 5.0


class _Body(httpx.AsyncByteStream):
    """An answer's body: what comes when, and whether it breaks off; counted while it is open."""

    def __init__(self, world: World, chunks: AsyncIterator[bytes]) -> None:
        self._world = world
        self._chunks = chunks
        self._open = True
        world.open_answers += 1

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._chunks

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._world.open_answers -= 1


class _Chunks:
    def __init__(self, chunks: Iterable[bytes], broken: Exception | None = None, pause: float = 0.0) -> None:
        self._chunks = iter(chunks)
        self._broken = broken
        self._pause = pause

    def __aiter__(self) -> "_Chunks":
        return self

    async def __anext__(self) -> bytes:
        await sleep(self._pause)
        try:
            return next(self._chunks)
        except StopIteration:
            if self._broken is not None:
                raise self._broken from None
            raise StopAsyncIteration from None


class _Events:
    """A prediction's events as they happen, until the connection is cut or was idle for too long."""

    def __init__(self, world: World, reply: Reply, stored: Stored, chance: Random, idle: float) -> None:
        self._world = world
        self._stored = stored
        self._last = reply.after_id
        self._chance = chance
        self._idle = idle
        self._cut = False

    def __aiter__(self) -> "_Events":
        return self

    async def __anext__(self) -> bytes:
        world, began = self._world, self._world.now()
        if self._cut:
            raise httpx.ReadError("the stream was cut")
        while True:
            event = self._next()
            if event is None:
                raise StopAsyncIteration
            pause = event[0] - world.now()
            if pause <= 0:
                break
            if world.now() - began >= self._idle:
                raise StopAsyncIteration
            await stored_changes(self._stored, min(pause, self._idle))
        await anyio.lowlevel.checkpoint()
        _, self._last, kind, data = event
        if self._chance.random() < world.plan.surroundings.stream_cuts:
            if self._chance.random() < 0.5:
                raise httpx.ReadError("the stream was cut")
            self._cut = True
        text = json.dumps(data, ensure_ascii=False)
        return f"id: {self._last}\nevent: {kind}\ndata: {text}\n\n".encode()

    def _next(self) -> tuple[float, str, str, object] | None:
        events = self._world.server.events(self._stored)
        names = [event[1] for event in events]
        place = names.index(self._last) + 1 if self._last in names else 0
        return events[place] if place < len(events) else None


class Network(httpx.AsyncBaseTransport):
    """The way from one process to the API.

    Args:
        world: The world.
        process: The process's name, for the trace.

    Attributes:
        dead: Whether the process was killed: nothing of it reaches the API any more.
        perfect: Whether all faults are over.
        closed: Whether its connections were closed.
    """

    def __init__(self, world: World, process: str) -> None:
        self._world = world
        self._process = process
        self.dead = False
        self.perfect = False
        self.closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        world = self._world
        number = world.next_request()
        chance = Random(f"request {number} of {world.plan.seed}")
        fault = None if self.perfect else world.fault(number, chance)
        if fault == "200-html" and request.method == "GET" and request.url.host == STORE:
            # No one could tell a gateway's page from the file.
            fault = "502-html"
        name = f"#{number} {self._process} {request.method} {request.url.raw_path.decode()}"
        world.note(f"{name} sent{f', fault {fault}' if fault else ''}")
        try:
            response = await self._answer(request, fault, chance, name)
        except BaseException as error:
            world.note(f"{name} ends with {type(error).__name__}")
            raise
        world.note(f"{name} answered {response.status_code}")
        return response

    async def _answer(self, request: httpx.Request, fault: str | None, chance: Random, name: str) -> httpx.Response:
        if self.dead:
            raise httpx.ConnectError("the process is dead")
        there, back = (self._half_a_round_trip(chance, fault) for _ in range(2))
        if fault == "refused":
            await sleep(there)
            raise httpx.ConnectError("connection refused")
        if fault == "connect-timeout":
            await sleep(CONNECTING)
            raise httpx.ConnectTimeout("connecting took too long")
        body = await request.aread()
        await self._go_there(request, body, there, fault, chance, name)
        if fault in GATEWAY:
            await sleep(back)
            return self._gateway(GATEWAY[fault], chance)
        reply = self._process_there(request, body, name)
        return await self._come_back(request, reply, back, fault, chance)

    async def _go_there(
        self, request: httpx.Request, body: bytes, there: float, fault: str | None, chance: Random, name: str
    ) -> None:
        try:
            await sleep(there)
            if fault == "stalled-before":
                await _stall(request)
        except anyio.get_cancelled_exc_class():
            # It was on its way: it may arrive all the same.
            if fault is None and not self.dead and chance.random() < 0.5:
                self._process_there(request, body, name)
            raise
        if fault == "dropped-before" or self.dead:
            raise httpx.ReadError("connection reset")

    async def _come_back(
        self, request: httpx.Request, reply: Reply, back: float, fault: str | None, chance: Random
    ) -> httpx.Response:
        world = self._world
        await self._hold(reply)
        if fault == "dropped-after" or self.dead:
            raise httpx.ReadError("connection reset")
        if fault == "stalled-after":
            await _stall(request)
        await sleep(back)
        if fault in AFTERWARDS:
            return self._gateway(AFTERWARDS[fault], chance)
        if reply.events_of is not None:
            prefer = request.headers.get("prefer", "")
            idle = float(prefer.partition("=")[2] or 30.0)
            events = _Events(world, reply, reply.events_of, chance, idle)
            headers = {**reply.headers, "content-type": "text/event-stream"}
            return httpx.Response(reply.status, headers=headers, stream=_Body(world, events))
        if reply.content is not None:
            return httpx.Response(reply.status, headers=reply.headers, stream=self._file(reply.content, fault, chance))
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        headers = {**reply.headers, "content-type": "application/json"}
        if fault == "half-answer":
            broken = httpx.RemoteProtocolError("peer closed connection without sending complete message body")
            chunks = _Chunks([content[: len(content) // 2]], broken)
        else:
            chunks = _Chunks([content])
        return httpx.Response(reply.status, headers=headers, stream=_Body(world, chunks))

    async def _hold(self, reply: Reply) -> None:
        if reply.held is not None:
            stored, until = reply.held
            while (pause := min(stored.over_at, until) - self._world.now()) > 0:
                await stored_changes(stored, pause)
            reply.body = self._world.server.shown(stored, self._world.now())

    def _file(self, content: bytes, fault: str | None, chance: Random) -> _Body:
        surroundings = self._world.plan.surroundings
        pieces = [content[at : at + FILE_PIECE] for at in range(0, len(content), FILE_PIECE)]
        kept = next((at for at in range(len(pieces)) if chance.random() < surroundings.stream_cuts), len(pieces))
        broken: Exception | None = None if kept == len(pieces) else httpx.ReadError("the answer was cut")
        if fault == "half-answer":
            kept, broken = len(pieces) // 2, httpx.RemoteProtocolError("peer closed connection")
        return _Body(self._world, _Chunks(pieces[:kept], broken, surroundings.latency / 4))

    async def aclose(self) -> None:
        self.closed = True
        await sleep(min(self._world.plan.surroundings.latency, 0.05))

    def _process_there(self, request: httpx.Request, body: bytes, name: str) -> Reply:
        params: dict[str, list[str]] = {}
        for key, value in request.url.params.multi_items():
            params.setdefault(key, []).append(value)
        world = self._world
        before = len(world.server.created)
        url = request.url
        reply = world.server.process(request.method, url.host, url.path, params, request.headers, body, world.now())
        made = [stored.id for stored in world.server.created[before:]]
        world.note(f"{name} processed: {reply.status}{' ' + ' '.join(made) if made else ''}")
        return reply

    def _gateway(self, status: int, chance: Random) -> httpx.Response:
        headers = {"content-type": "text/html"}
        if chance.random() < 0.2 and status in {429, 503}:
            headers["retry-after"] = str(chance.choice((0, 1, 5)))
        return httpx.Response(status, headers=headers, stream=_Body(self._world, _Chunks([HTML])))

    def _half_a_round_trip(self, chance: Random, fault: str | None) -> float:
        surroundings = self._world.plan.surroundings
        seconds = surroundings.latency / 2 * chance.uniform(0.5, 1.5)
        if fault == "late":
            return seconds + chance.uniform(1.0, 20.0)
        if not self.perfect and chance.random() < surroundings.tail:
            seconds *= 10 ** chance.uniform(0, 2)
        return seconds


async def stored_changes(stored: Stored, longest: float) -> None:
    """Waits until a prediction's end is another, so many seconds at most."""
    with anyio.move_on_after(longest):
        await stored.changed.wait()


async def _stall(request: httpx.Request) -> None:
    read = request.extensions.get("timeout", {}).get("read")
    await (anyio.sleep_forever() if read is None else sleep(read))
    raise httpx.ReadTimeout("nothing came")
