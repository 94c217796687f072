"""The bodies of requests, which note whether they were asked for; and how answers' bodies are read and closed."""

import math
from collections.abc import AsyncIterator
from typing import Final

import httpx
from anyio import CancelScope, current_time, move_on_after

LONGEST_CLOSE: Final = 1.0
"""Seconds that closing connections may take when a caller leaves."""


class Body(httpx.AsyncByteStream):
    """A request's body that notes whether it was asked for: if not, the server saw no whole request."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.asked = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked = True
        return _Once(self._content)


class _Once(AsyncIterator[bytes]):
    """One chunk. No generator, since a request that is cancelled would leave it unfinished: trio warns of that."""

    def __init__(self, chunk: bytes) -> None:
        self._chunks = [chunk]

    async def __anext__(self) -> bytes:
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop()


class StreamedBody(httpx.AsyncByteStream):
    """A long body in chunks: each that is asked for renews the patience with the request's attempt.

    An iterator and no generator, since a request that ends early would leave a generator unfinished.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._patience = math.inf
        self._scope = CancelScope()

    def renews(self, patience: float, scope: CancelScope) -> None:
        """Names the scope of the attempt, and the seconds for which it goes on without a chunk being asked for."""
        self._patience = patience
        self._scope = scope

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        # The time that it takes to produce a chunk does not count against the server.
        self._scope.deadline = math.inf
        try:
            return await anext(self._chunks)
        finally:
            self._scope.deadline = current_time() + self._patience


class PlainBody(httpx.ByteStream):
    """The body of an answer that has come whole, and is what was sent: not compressed.

    Attributes:
        content: The body.
    """

    content: bytes

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.content = content


async def read_whole(response: httpx.Response) -> None:
    """Reads an answer to its end, and closes it. The body of a success is to be had by `body_of`."""
    stream = response.stream
    if response.is_closed or not isinstance(stream, httpx.AsyncByteStream):
        await response.aread()
        return
    try:
        content = b"".join([chunk async for chunk in stream])
    except BaseException:
        await close(response)
        raise
    await stream.aclose()
    if response.is_success and "content-encoding" not in response.headers:
        # To read it as well takes httpx 13 µs, a seventh of what is ours in a call. It still can, by `read()`.
        response.stream = PlainBody(content)
        return
    # Decoded only now: httpx leaves its chain of generators unfinished when that fails, and trio warns of them.
    response.stream = httpx.ByteStream(content)
    response.read()


def body_of(response: httpx.Response) -> bytes:
    """Returns the body of an answer that was read by `read_whole`."""
    return response.stream.content if isinstance(response.stream, PlainBody) else response.content


async def close(response: httpx.Response) -> None:
    """Closes an answer that may not have been read to its end: at once, and also when cancelled."""
    with move_on_after(LONGEST_CLOSE, shield=True):
        await response.aclose()


async def abandon(chunks: AsyncIterator[bytes], patience: float = 0.0) -> None:
    """Ends the iterator of an answer's body, whose connection is closed thereby.

    Under httpx lies a chain of generators. trio warns of each that is left unfinished, and only what is raised
    in the innermost one finishes them all.

    Args:
        chunks: The iterator.
        patience: Seconds in which the body may end on its own, so that the connection can be used again.
    """
    with move_on_after(patience, shield=True):
        async for _ in chunks:
            pass
