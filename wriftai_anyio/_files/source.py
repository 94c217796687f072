"""The content of a file to upload, measured and read in its own thread."""

import errno
import io
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import httpx

from wriftai_anyio._concurrency.threads import ThreadCall, Worker
from wriftai_anyio._types.file import FileContent

from .streams import COPIED_AT_ONCE, SharedStream, Stream, is_asynchronous, shared, temporary_copy, underlying


class Source:
    """Content that can be read from any offset, as often as needed.

    Args:
        worker: The thread in which it is read.
        shared: The state that all uploads of the stream share.
        stream: The stream, which can seek.
        size: Its size in bytes.
        may_change: Whether something other than uploads can write to it.
    """

    def __init__(self, worker: Worker, shared: SharedStream, stream: Stream, size: int, *, may_change: bool) -> None:
        self._worker = worker
        self._shared = shared
        self._stream = stream
        self._may_change = may_change
        self.size = size

    def begin_read(self, offset: int, length: int) -> ThreadCall[bytes]:
        """Begins to read, without waiting for the end.

        Args:
            offset: Where to begin, in bytes from the start.
            length: How many bytes.

        Returns:
            A call that gives exactly this many bytes; or an `OSError` if the file has become shorter.
        """
        return self._worker.begin(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        content = self._shared.read_at(self._stream, offset, length)
        while len(content) < length:
            more = self._shared.read_at(self._stream, offset + len(content), length - len(content))
            if not more:
                raise _changed(self.size, offset + len(content))
            content += more
        return content

    async def check_size(self) -> None:
        """Checks that the size has not changed.

        Raises:
            OSError: If it has.
        """
        if self._may_change:
            size = await self._worker.run(self._shared.size_of, self._stream)
            if size != self.size:
                raise _changed(self.size, size)


@asynccontextmanager
async def open_source(content: FileContent) -> AsyncGenerator[Source, None]:
    """Opens content for reading, and closes whatever it opened itself when the block is left.

    Args:
        content: The content of a `File`.

    Raises:
        OSError: If there is no such file, it is a folder, or it cannot be read.
        ValueError: If a stream does not give bytes, is closed, or failed before.
    """
    async with Worker() as worker:
        stream = await worker.run(_open, worker, content)
        yield await _source_of(worker, shared(stream), stream)


def _open(worker: Worker, content: FileContent) -> Stream:
    if isinstance(content, bytes):
        return io.BytesIO(content)
    if isinstance(content, httpx.Response):
        return _answer(content)
    if not isinstance(content, os.PathLike):
        stream = underlying(content)
        if getattr(stream, "closed", False) is True and shared(stream).whole_copy is None:
            raise ValueError("The stream of a File is closed. It must stay open until the upload has ended.")
        return stream
    path = Path(os.fsdecode(content))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "This is a folder; upload its files one by one", str(path))
    return worker.cleanup.enter_context(path.open("rb", buffering=0))


def _answer(response: httpx.Response) -> Stream:
    try:
        return io.BytesIO(response.content)
    except httpx.ResponseNotRead:
        return response


async def _source_of(worker: Worker, shared_stream: SharedStream, stream: Stream) -> Source:
    if not await _can_seek(worker, shared_stream, stream):
        copy = await _shared_copy(worker, shared_stream, stream)
    elif (size := await worker.run(shared_stream.size_of, stream)) is not None:
        return Source(worker, shared_stream, stream, size, may_change=True)
    else:
        copy = await _copied_anew(worker, shared_stream, stream)
    size = await worker.run(shared_stream.size_of, copy)
    return Source(worker, shared_stream, copy, size or 0, may_change=False)


async def _can_seek(worker: Worker, shared_stream: SharedStream, stream: Stream) -> bool:
    if shared_stream.whole_copy is not None or is_asynchronous(stream):
        return False
    return await worker.run(shared_stream.can_seek, stream)


async def _shared_copy(worker: Worker, shared_stream: SharedStream, stream: Stream) -> IO[bytes]:
    if is_asynchronous(stream):
        return await shared_stream.copy_asynchronous(stream, worker)
    while True:
        copy = await worker.run(shared_stream.copy_some, stream)
        if copy is not None:
            return copy


async def _copied_anew(worker: Worker, shared_stream: SharedStream, stream: Stream) -> IO[bytes]:
    copy = await worker.run(lambda: worker.cleanup.enter_context(temporary_copy()))
    copied = 0

    def copy_some() -> int:
        return copy.write(shared_stream.read_at(stream, copied, COPIED_AT_ONCE))

    while written := await worker.run(copy_some):
        copied += written
    return copy


def _changed(before: int, now: int | None) -> OSError:
    return OSError(
        f"The file changed while it was uploaded: it had {before} bytes, now it has {now}. The upload was not "
        "completed. Upload it again when nothing writes to it."
    )
