"""Event streams that come compressed, although that is not asked for: read as they come, within the same bounds."""

import gc
import gzip
import re
import zlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx
import pytest
from anyio import fail_after, sleep_forever
from anyio.abc import SocketStream
from anyio.lowlevel import checkpoint

from tests.support.clients import ID, Script, client_of
from tests.support.event_server import event, events
from tests.support.patience import PATIENCE
from tests.support.raw_server import http, raw_server
from wriftai_anyio import APIResponseError, Client, CreateOutcomeUnknown
from wriftai_anyio._transport.sse import EventDecoder

pytestmark = pytest.mark.anyio


class Pieces(httpx.AsyncByteStream):
    """A body that comes in pieces; no generator, which would be left unfinished where it is not read to its end."""

    def __init__(self, content: bytes, size: int) -> None:
        self._rest = content
        self._size = size

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await checkpoint()
        piece, self._rest = self._rest[: self._size], self._rest[self._size :]
        if not piece:
            raise StopAsyncIteration
        return piece


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_stream_is_read_as_it_comes(coding: str, compress: Any, size: int) -> None:
    packed = compress(b"".join(events()))
    headers = {"content-type": "text/event-stream", "content-encoding": coding}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=Pieces(packed, size)))
    async with client_of(script) as client:
        received = [item["id"] async for item in client.predictions.async_stream(ID)]
    assert received == [str(number) for number in range(1, len(events()) + 1)]
    assert len(script.requests) == 1


async def test_each_event_of_a_compressed_stream_comes_when_it_was_sent() -> None:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)

    class Slow(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield packer.compress(event(1, "output", "first")) + packer.flush(zlib.Z_SYNC_FLUSH)
            await sleep_forever()

    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=Slow()))
    with fail_after(PATIENCE):
        async with client_of(script) as client, client.predictions.async_stream(ID) as stream:
            assert (await anext(stream))["data"] == "first"


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd"])
async def test_a_stream_that_is_compressed_otherwise_is_refused_by_name(coding: str) -> None:
    headers = {"content-type": "text/event-stream", "content-encoding": coding}
    script = Script(forever=lambda _: httpx.Response(200, headers=headers, stream=Pieces(b"x" * 100, 7)))
    async with client_of(script) as client:
        with pytest.raises(APIResponseError, match=re.escape(coding)):
            await anext(client.predictions.async_stream(ID))
    assert len(script.requests) == 1


async def test_a_compressed_event_without_an_end_is_refused_after_its_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = "wriftai_anyio._predictions.event_reader"
    monkeypatch.setattr(f"{reader}.EventDecoder", partial(EventDecoder, longest_event=2**20))
    packed = gzip.compress(b"data: " + b"x" * 2**22)
    headers = {"content-type": "text/event-stream", "content-encoding": "gzip"}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=Pieces(packed, 65536)))
    async with client_of(script) as client:
        with pytest.raises(APIResponseError, match="does not end"):
            await anext(client.predictions.async_stream(ID))


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_a_stream_that_cannot_be_decoded_leaves_no_unfinished_reader_behind(coding: str) -> None:
    async def respond(connection: SocketStream, _: bytes) -> None:
        kind = "Content-Type: text/event-stream"
        await connection.send(http(b"as it is not said to be " * 1000, kind, f"Content-Encoding: {coding}"))

    async with raw_server(respond) as url, Client("t", url) as client:
        with fail_after(PATIENCE), pytest.raises(CreateOutcomeUnknown):
            await anext(client.predictions.async_create_stream({"input": 1}, "o/n"))
    gc.collect()  # trio warns of generators that it ends
