"""The parts of an upload: they are read ahead, sent several at once, and retried one by one."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from wriftai_anyio._concurrency.gather import side_by_side
from wriftai_anyio._concurrency.threads import ThreadCall
from wriftai_anyio._instrumentation.log import logger, reason
from wriftai_anyio._pipeline.retry_loop import Failure, try_until_done
from wriftai_anyio.errors import APITimeoutError

from .object_store import Store
from .progress import UploadProgress, tell
from .source import Source

PARTS_AT_ONCE: Final = 8
CHUNK_SIZE: Final = 1024 * 1024
"""Bytes. For each part under way, one chunk is sent while the next is read."""
SLOW_CHUNK_SIZE: Final = 64 * 1024
"""Bytes, after a part timed out: each chunk has the whole timeout, so smaller ones get through on a slow line."""


class Part(NamedTuple):
    """A part of a file.

    Attributes:
        url: The presigned URL to which it is sent; a secret.
        offset: Where it begins, in bytes from the start of the file.
        size: Its size in bytes.
    """

    url: str
    offset: int
    size: int


def cut(size: int, part_size: int, urls: Sequence[str]) -> list[Part]:
    """Cuts a file into parts.

    Args:
        size: The size of the file in bytes.
        part_size: The size of all parts but the last, in bytes.
        urls: The presigned URLs of the parts, in order.
    """
    offsets = [number * part_size for number in range(len(urls))]
    return [Part(url, offset, min(part_size, size - offset)) for url, offset in zip(urls, offsets, strict=True)]


class _Chunks(AsyncIterator[bytes]):
    """The bytes of a part for one attempt, in chunks: each is read while the previous one is sent."""

    def __init__(self, source: Source, part: Part, chunk_size: int, on_progress: UploadProgress | None) -> None:
        self._source = source
        self._on_progress = on_progress
        self._unread = range(part.offset, part.offset + part.size, chunk_size)
        self._end = part.offset + part.size
        self._ahead = self._read_ahead()
        self._handed_out = 0
        self.sent = 0

    def _read_ahead(self) -> ThreadCall[bytes] | None:
        if not self._unread:
            return None
        offset, self._unread = self._unread[0], self._unread[1:]
        return self._source.begin_read(offset, min(self._unread.step, self._end - offset))

    async def __anext__(self) -> bytes:
        await self.count(self._handed_out)
        if self._ahead is None:
            self._handed_out = 0
            raise StopAsyncIteration
        chunk = await self._ahead.outcome()
        self._ahead = self._read_ahead()
        self._handed_out = len(chunk)
        return chunk

    async def count(self, delta: int) -> None:
        """Reports that `delta` more bytes, or fewer if negative, have been sent."""
        self.sent += delta
        await tell(self._on_progress, delta, self._source.size)


class PartSender:
    """Sends the parts of one file.

    Args:
        store: The store to send them to.
        source: The content of the file.
        mime_type: Its MIME type.
        on_progress: The caller's callback.
    """

    def __init__(self, store: Store, source: Source, mime_type: str, on_progress: UploadProgress | None) -> None:
        self._store = store
        self._source = source
        self._mime_type = mime_type
        self._on_progress = on_progress
        self._chunk_size = CHUNK_SIZE

    async def send_all(self, parts: Sequence[Part]) -> list[str]:
        """Sends parts, several at once.

        Returns:
            Their ETags from the store, in order.

        Raises:
            APIStatusError: If the store refused a part.
            APIConnectionError: If there was no answer to a part.
            APIResponseError: If the answer to a part did not come from the store.
            OSError: If the file cannot be read.
        """
        return await side_by_side(self._send, parts, PARTS_AT_ONCE)

    async def _send(self, part: Part) -> str:
        return await try_until_done(_PartAttempts(self, part))

    def chunks(self, part: Part) -> _Chunks:
        """Returns the bytes of a part, for one attempt to send it."""
        return _Chunks(self._source, part, self._chunk_size, self._on_progress)

    async def put(self, part: Part, chunks: _Chunks, attempt: int) -> str:
        """Sends a part once, and returns its ETag."""
        etag = await self._store.put(part.url, chunks, part.size, self._mime_type, attempt)
        await chunks.count(part.size - chunks.sent)
        return etag

    def retry_delay(self, failure: Failure, repeats: int) -> float | None:
        """Returns the seconds until a part is sent again, in smaller chunks if it took too long."""
        if isinstance(failure, APITimeoutError):
            self._chunk_size = SLOW_CHUNK_SIZE
        return self._store.retry_delay(failure, repeats)


class _PartAttempts:
    """One part across its attempts."""

    def __init__(self, sender: PartSender, part: Part) -> None:
        self._sender = sender
        self._part = part
        self._chunks = sender.chunks(part)
        self._repeats = 0

    async def attempt(self, number: int) -> str:
        """Sends the part once."""
        return await self._sender.put(self._part, self._chunks, number)

    def retry_delay(self, failure: Failure) -> float | None:
        """Returns the seconds until the part is sent again."""
        self._repeats += 1
        return self._sender.retry_delay(failure, self._repeats - 1)

    async def before_retry(self, failure: Failure, delay: float) -> None:
        """Subtracts the bytes of the failed attempt from the progress, and begins to read the part again."""
        logger.info("retrying the part at byte %d after %.2f s: %s", self._part.offset, delay, reason(failure))
        await self._chunks.count(-self._chunks.sent)
        self._chunks = self._sender.chunks(self._part)
