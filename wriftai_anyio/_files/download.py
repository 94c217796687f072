"""A download: resumed after the connection drops, and written off the event loop."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import httpx

from wriftai_anyio._concurrency.threads import ThreadCall, Worker
from wriftai_anyio._instrumentation.log import logger, reason
from wriftai_anyio._pipeline.retry_loop import Failure, try_until_done
from wriftai_anyio._transport.addresses import header_of
from wriftai_anyio._transport.bodies import abandon, close, is_cut_off
from wriftai_anyio._transport.retries import whole
from wriftai_anyio.errors import APIStatusError

from .atomic_file import PartialFile
from .names import name_of
from .object_store import Store, body_of, broken, unpromised
from .progress import DownloadProgress, tell

BLOCK_SIZE: Final = 1024 * 1024
"""Bytes, roughly, of a block: one is received while another is written."""

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]+/([0-9]+|\*)", re.ASCII)
_NOT_THE_FILE: Final = (
    "but with something else than the file whose beginning had come, such as a gateway's page: nothing of it was kept. "
    "If the file itself was replaced, download it again"
)
_NOT_CONFIRMED: Final = (
    "the connection ended, and the server neither stated a length nor closed TLS, as at a file's end"
)
_PARTIAL_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416


async def download(store: Store, address: httpx.URL, path: Path, on_progress: DownloadProgress | None) -> Path:
    """Downloads from an address to a file, which appears once it is complete.

    Args:
        store: Sends the requests.
        address: The address.
        path: The file; or a folder, in which it gets a free name.
        on_progress: The caller's callback.

    Returns:
        The path of the file.

    Raises:
        OSError: If the file cannot be written.
        APIStatusError: If the server refused.
        APIConnectionError: If the connection broke too often without progress in between.
        APIResponseError: If the answer cannot be right.
    """
    async with Worker() as worker:
        file = await worker.run(_open, worker, path)
        fetched = _Download(store, address, worker, file, on_progress)
        await try_until_done(fetched)
        return await worker.run(file.keep, name_of(address, fetched.headers))


def _open(worker: Worker, path: Path) -> PartialFile:
    file = PartialFile(path)
    worker.cleanup.callback(file.discard)
    return file


class _Download:
    """The state of one download across its attempts."""

    def __init__(
        self, store: Store, address: httpx.URL, worker: Worker, file: PartialFile, on_progress: DownloadProgress | None
    ) -> None:
        self._store = store
        self._address = address
        self._worker = worker
        self._file = file
        self._on_progress = on_progress
        self._repeats = 0
        self._farthest = 0
        self._received = 0
        self._is_begun = False
        self.headers = httpx.Headers()
        self._size: int | None = None
        self._validator: bytes | None = None
        self._writing: ThreadCall[int] | None = None

    async def attempt(self, number: int) -> None:
        """Fetches what is still missing."""
        asked = self._range()
        response = await self._store.open(self._address, asked, number)
        try:
            if response.status_code == _PARTIAL_CONTENT:
                self._check_range(response, asked.get(b"if-range"))
            else:
                await self._restart(response)
            await self._receive(response)
        finally:
            await close(response)

    def retry_delay(self, failure: Failure) -> float | None:
        """Returns the seconds until the download is resumed; any progress resets the count of failures."""
        if self._received > self._farthest:
            self._repeats, self._farthest = 0, self._received
        self._repeats += 1
        if isinstance(failure, APIStatusError) and failure.status_code == _RANGE_NOT_SATISFIABLE and self._validator:
            self._validator = None
            return 0.0
        return self._store.retry_delay(failure, self._repeats - 1)

    async def before_retry(self, failure: Failure, delay: float) -> None:
        """Logs that the download will be resumed."""
        logger.info(
            "resuming the download from %s at byte %d after %.2f s: %s",
            self._address.host,
            self._received,
            delay,
            reason(failure),
        )

    def _range(self) -> Mapping[bytes, bytes]:
        # Without a validator the server could not tell whether its file is still the same.
        if not self._received or self._validator is None:
            return {}
        return {b"range": b"bytes=%d-" % self._received, b"if-range": self._validator}

    def _check_range(self, response: httpx.Response, validator: bytes | None) -> None:
        found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if validator is None or found is None or int(found[1]) != self._received or not self._is_size(found[2]):
            raise unpromised(response, "with another range than was asked for")
        kind = b"etag" if validator.startswith(b'"') else b"last-modified"
        if header_of(response, kind) not in {None, validator}:
            self._validator = None
            raise broken(response, httpx.RemoteProtocolError("the file has changed"))

    def _is_size(self, stated: str) -> bool:
        return stated == "*" or self._size in {None, whole(stated)}

    async def _restart(self, response: httpx.Response) -> None:
        if self._is_begun and not is_of_file(self.headers, response.headers):
            raise unpromised(response, _NOT_THE_FILE)
        self._is_begun = True
        lost, self._received = self._received, 0
        self.headers = response.headers
        self._size = whole(response.headers.get("content-length"))
        self._validator = _validator(response)
        if lost:
            await self._worker.run(self._file.restart)
            await tell(self._on_progress, -lost, self._size)

    async def _receive(self, response: httpx.Response) -> None:
        failure = await self._write_all(response)
        if self._received == self._size:
            return
        if failure is None and self._size is not None:
            failure = httpx.RemoteProtocolError(f"{self._received} of {self._size} bytes came")
        if failure is None and is_cut_off(response):
            failure = httpx.RemoteProtocolError(_NOT_CONFIRMED)
        if failure is not None:
            raise broken(response, failure) from failure

    async def _write_all(self, response: httpx.Response) -> httpx.RequestError | None:
        block: list[bytes] = []
        failure: httpx.RequestError | None = None
        chunks = body_of(response)
        try:
            async for chunk in chunks:
                block.append(chunk)
                if sum(map(len, block)) >= BLOCK_SIZE:
                    await self._begin_write(block)
                    block = []
        except httpx.RequestError as error:
            failure = error
        except BaseException:
            await abandon(chunks)
            raise
        await self._begin_write(block)
        await self._end_write()
        return failure

    async def _begin_write(self, block: Sequence[bytes]) -> None:
        await self._end_write()
        self._writing = self._worker.begin(self._file.write, block)

    async def _end_write(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            written = await writing.outcome()
            self._received += written
            await tell(self._on_progress, written, self._size)


def is_of_file(known: Mapping[str, str], answer: Mapping[str, str]) -> bool:
    """Returns whether an answer that starts from the first byte is the same file, changed or not, rather than a page.

    Gateways answer 200 with a page for what they cannot fetch. It is recognized by its media type; or, since it has no
    validator, by comparing its type and length with the file's.

    Args:
        known: The headers of the first answer with the file.
        answer: The headers of this answer.
    """
    validators = [name for name in ("etag", "last-modified") if name in answer]
    if any(answer[name] == known.get(name) for name in validators):
        return True
    media_type = _media_type(answer)
    if media_type != _media_type(known):
        return bool(validators) and media_type != "text/html"
    sizes = {whole(known.get("content-length")), whole(answer.get("content-length"))} - {None}
    return bool(validators) or len(sizes) < 2


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _validator(response: httpx.Response) -> bytes | None:
    etag = header_of(response, b"etag")
    return etag if etag and not etag.startswith(b"W/") else header_of(response, b"last-modified")
