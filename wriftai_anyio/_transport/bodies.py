"""The bodies of requests, which note whether they were asked for; and how answers' bodies are read and closed."""

import math
import zlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio
import httpx

if TYPE_CHECKING:
    import ssl  # a lean Python may lack it: then only connections fail

LONGEST_CLOSE: Final = 1.0
"""Seconds that closing connections may take when a caller leaves."""
DECODED_AT_ONCE: Final = 256 * 1024
"""Bytes that are decoded before other tasks get their turn: a quarter of a millisecond of work."""
BEGINNING: Final = 64 * 1024
"""Bytes kept of a body that cannot be used: the prediction's id is among the first."""


class Body(httpx.ByteStream):
    """A request's body that notes whether it was asked for: if not, the server saw no whole request."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content = content
        self.asked = False

    def __iter__(self) -> Iterator[bytes]:
        self.asked = True
        yield self._content

    def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked = True
        return _Once(self._content)


class _Once(AsyncIterator[bytes]):
    """One chunk. Not a generator: a cancelled request would leave that unfinished, of which trio warns."""

    def __init__(self, chunk: bytes) -> None:
        self._chunks = [chunk]

    async def __anext__(self) -> bytes:
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop()


class StreamedBody(httpx.AsyncByteStream):
    """A long body in chunks: each chunk that is asked for restarts the timeout of the request's attempt.

    An iterator and not a generator, which a request that ends early would leave unfinished.
    """

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._patience = math.inf
        self._scope = anyio.CancelScope()

    def renews(self, patience: float, scope: "anyio.CancelScope") -> None:
        """Sets the scope of the attempt, and the seconds after which it ends if no chunk is asked for."""
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
            self._scope.deadline = anyio.current_time() + self._patience


class UnreadableBody(Exception):  # noqa: N818 -- what is wrong, for the one caller that maps it
    """An answer's body is larger than the limit, or has an encoding that is not supported.

    Attributes:
        beginning: The first bytes of the body, decoded.
    """

    def __init__(self, problem: str, beginning: bytes = b"") -> None:
        super().__init__(problem)
        self.beginning = beginning


class ArrivedBody(httpx.ByteStream):
    """The body of an answer that has arrived whole.

    Attributes:
        content: The body.
    """

    content: bytes

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.content = content

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _Once(self.content)


class PlainBody(ArrivedBody):
    """The body of an answer that has arrived whole and is not compressed."""


async def read_whole(response: httpx.Response, largest: float = math.inf) -> None:
    """Reads an answer to its end, and closes it.

    Afterwards `body_of` returns the body of a success, and `beginning_of` what had arrived of an answer that broke off.

    Args:
        response: The answer.
        largest: How many bytes the body may take, both as received and decoded.

    Raises:
        UnreadableBody: If it takes more, or its encoding was not asked for.
        httpx.RequestError: If it broke off, or cannot be decoded.
    """
    stream = response.stream
    if response.is_closed:
        await response.aread()
        return
    if not isinstance(stream, httpx.AsyncByteStream):
        response.read()
        return
    chunks: list[bytes] = []
    decoder = None
    try:
        if not _has_stray_body(response):
            decoder = decoder_for(response)
            await _collect(aiter(stream), largest, chunks)
    except BaseException:
        await close(response)
        response.stream = PlainBody(_beginning(decoder, chunks))
        raise
    await stream.aclose()
    if response.is_success and decoder is None:
        # httpx would take 13 µs to read it too, a seventh of our own part of a call. `read()` still works.
        response.stream = PlainBody(b"".join(chunks))
        return
    # Decoded only now: httpx leaves its chain of generators unfinished when that fails, and trio warns of them.
    content = b"".join(chunks) if decoder is None else await _decoded(decoder, chunks, largest)
    response.headers.pop("content-encoding", None)
    response.stream = httpx.ByteStream(content)
    response.read()


def _has_stray_body(response: httpx.Response) -> bool:
    """Whether a body follows that HTTP does not allow, such as the "null" of some frameworks after 204.

    Nobody reads it, so the next request on the connection would take it for the beginning of its own answer. Closing
    the answer before its end closes the connection as well.
    """
    if response.status_code not in _BODILESS:
        return False
    return response.headers.get("content-length", "0") != "0" or "transfer-encoding" in response.headers


_BODILESS: Final = frozenset({204, 304})


def is_cut_off(response: httpx.Response) -> bool:
    """Returns whether an answer that has been read ended with its connection, and TLS does not confirm that end.

    Anyone on the way can end a connection; only the server can send TLS's `close_notify` before. httpcore takes both
    for the end of an answer whose length is not stated, which is right where the content shows what is missing, as
    JSON does, and many servers send none (RFC 9112, 9.8).

    Args:
        response: The answer, of which nothing more comes.
    """
    stream = response.extensions.get("network_stream")
    if stream is None or not response.http_version.startswith("HTTP/1") or _states_length(response.headers):
        return False
    secured: ssl.SSLObject | None = stream.get_extra_info("ssl_object")
    if secured is None:
        return False
    try:
        secured.read(1)
    except OSError as error:  # those of OpenSSL are of its kind
        return type(error).__name__ == "SSLEOFError" or "UNEXPECTED_EOF" in str(error)
    return False


def _states_length(headers: httpx.Headers) -> bool:
    return "content-length" in headers or "transfer-encoding" in headers


def body_of(response: httpx.Response) -> bytes:
    """Returns the body of an answer that was read by `read_whole`."""
    return response.stream.content if isinstance(response.stream, PlainBody) else response.content


def beginning_of(response: httpx.Response) -> bytes:
    """Returns the first bytes of an answer that `read_whole` could not read to its end, decoded."""
    return response.stream.content if isinstance(response.stream, PlainBody) else b""


def _beginning(decoder: "Decoder | None", chunks: list[bytes]) -> bytes:
    content = _first_bytes(chunks)
    if decoder is None:
        return content
    decoder.feed(content)
    with suppress(httpx.DecodingError):
        return decoder.next_piece()[:BEGINNING]
    return b""


async def _collect(stream: AsyncIterator[bytes], largest: float, chunks: list[bytes]) -> None:
    size = 0
    async for chunk in stream:
        chunks.append(chunk)
        size += len(chunk)
        if size > largest:
            await abandon(stream)
            raise _too_large(largest, chunks)


async def _decoded(decoder: "Decoder", chunks: list[bytes], largest: float) -> bytes:
    decoded: list[bytes] = []
    size = 0
    for chunk in chunks:
        decoder.feed(chunk)
        while piece := decoder.next_piece():
            decoded.append(piece)
            size += len(piece)
            if size > largest:
                raise _too_large(largest, decoded)
            if len(piece) == DECODED_AT_ONCE:
                await anyio.lowlevel.checkpoint()
    return b"".join(decoded)


def _too_large(largest: float, chunks: list[bytes]) -> UnreadableBody:
    problem = f"its body is larger than the {largest:,.0f} bytes of max_response_size"
    return UnreadableBody(problem, _first_bytes(chunks))


def _first_bytes(chunks: list[bytes]) -> bytes:
    # Not all of them joined: 256 MiB would take a tenth of a second, and as much memory again.
    found = bytearray()
    for chunk in chunks:
        found += chunk[:BEGINNING]
        if len(found) >= BEGINNING:
            break
    return bytes(found[:BEGINNING])


def decoder_for(response: httpx.Response) -> "Decoder | None":
    """Returns the decoder for an answer's body; `None` if it is not encoded.

    Raises:
        UnreadableBody: If its encoding was not asked for. Several encodings on top of each other never are, since they
            turn a few bytes into gigabytes.
    """
    if "content-encoding" not in response.headers:
        return None
    coding = response.headers["content-encoding"].strip().lower()
    if coding in {"", "identity"}:
        return None
    if coding not in _WINDOWS:
        raise UnreadableBody(f"its content encoding is {coding[:40]!r}, and only one of gzip and deflate is taken")
    return Decoder(coding)


class Decoder:
    """Decodes a compressed body piece by piece, so that no piece takes long or much memory.

    Args:
        coding: The content encoding.
    """

    def __init__(self, coding: str) -> None:
        self._inflate = zlib.decompressobj(_WINDOWS[coding])
        # Some servers send deflate without the header that belongs to it.
        self._without_header = coding == "deflate"
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes, after those before have been decoded."""
        self._rest += chunk

    def next_piece(self) -> bytes:
        """Returns the next decoded bytes, 256 KiB at most; none if more input is needed.

        Raises:
            httpx.DecodingError: If the bytes cannot be decoded.
        """
        if self._inflate.eof or (self._without_header and len(self._rest) < _DEFLATE_HEADER):
            return b""
        try:
            piece = self._inflate.decompress(self._rest, DECODED_AT_ONCE)
        except zlib.error as error:
            if not self._without_header:
                raise httpx.DecodingError(str(error)) from error
            self._without_header = False
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            return self.next_piece()
        self._without_header = False
        self._rest = self._inflate.unconsumed_tail
        return piece


_DEFLATE_HEADER: Final = 2
"""Bytes of zlib's header: fewer do not show whether it is there."""
_WINDOWS: Final = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


class DecodedChunks(AsyncIterator[bytes]):
    """The encoded body of an answer, decoded as it arrives. An unsupported encoding raises on the first read.

    Args:
        chunks: The body as it arrives.
        response: The answer.
    """

    def __init__(self, chunks: AsyncIterator[bytes], response: httpx.Response) -> None:
        self._chunks = chunks
        self._response = response
        self._decoder: Decoder | None = None

    async def __anext__(self) -> bytes:
        try:
            decoder = self._decoder = self._decoder or decoder_for(self._response)
            if decoder is None:
                return await anext(self._chunks)
            while not (piece := decoder.next_piece()):
                decoder.feed(await anext(self._chunks))
        except (httpx.DecodingError, UnreadableBody):
            await abandon(self._chunks)
            raise
        await anyio.lowlevel.checkpoint()
        return piece


async def close(response: httpx.Response) -> None:
    """Closes an answer that may not have been read to its end: within a second, and also when cancelled."""
    with anyio.move_on_after(LONGEST_CLOSE, shield=True):
        await response.aclose()


class PooledStream(httpx.AsyncByteStream, ABC):
    """The body of an answer that came over our own connections."""

    @abstractmethod
    def close_later(self, close: Callable[[], Awaitable[None]]) -> None:
        """Lets the next request close the answer."""


def close_later(response: httpx.Response, close: Callable[[], Awaitable[None]]) -> None:
    """Leaves an answer that was dropped unread to be closed by the next request, or with the client; for finalizers.

    trio warns if garbage collection ends the generators under an answer.

    Args:
        response: The answer.
        close: Closes it.
    """
    if isinstance(response.stream, PooledStream):
        response.stream.close_later(close)


async def abandon(chunks: AsyncIterator[bytes], patience: float = 0.0) -> None:
    """Ends the iterator of an answer's body, which closes the connection.

    Under httpx lies a chain of generators. trio warns of each that is left unfinished, and only an exception raised
    in the innermost one finishes them all.

    Args:
        chunks: The iterator.
        patience: Seconds within which the body may end on its own, so that the connection can be reused.
    """
    with anyio.move_on_after(patience, shield=True):
        async for _ in chunks:
            pass
