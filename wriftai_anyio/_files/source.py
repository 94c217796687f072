"""The content of a file to upload: measured and read in a thread of its own."""

import errno
import io
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Final

from wriftai_anyio._concurrency.threads import Job, Worker
from wriftai_anyio._types.file import FileContent

SPOOL_CHUNK: Final = 1024 * 1024
"""Bytes read at once from a stream that cannot seek."""


class Source:
    """Content that can be read from any place, as often as needed.

    Args:
        worker: The one thread that touches the stream.
        stream: What is read; it can seek.
        size: Its size in bytes.
    """

    def __init__(self, worker: Worker, stream: IO[bytes], size: int) -> None:
        self._worker = worker
        self._stream = stream
        self.size = size

    def begin_read(self, offset: int, length: int) -> Job[bytes]:
        """Begins to read, and does not wait for it.

        Args:
            offset: Where to begin, in bytes from the start.
            length: How many bytes.

        Returns:
            The bytes to come, exactly as many; an `OSError` if the file is shorter now.
        """
        return self._worker.begin(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        self._stream.seek(offset)
        content = _read_some(self._stream, length)
        while len(content) < length and (more := _read_some(self._stream, length - len(content))):
            content += more
        if len(content) < length:
            raise _changed(self.size, offset + len(content))
        return content

    async def check_size(self) -> None:
        """Makes sure that the size is still what it was.

        Raises:
            OSError: If it is not.
        """
        size = await self._worker.run(_size_of, self._stream)
        if size != self.size:
            raise _changed(self.size, size)


@asynccontextmanager
async def open_source(content: FileContent) -> AsyncGenerator[Source, None]:
    """Opens content for reading; what it opened itself is closed when the block is left.

    Args:
        content: Bytes, a path or a binary stream. One that cannot seek is first copied to disk.

    Raises:
        OSError: If there is no such file, it is a folder, or it cannot be read.
        ValueError: If a stream does not give bytes.
    """
    async with Worker() as worker:
        stream = await worker.run(_open, worker, content)
        if not await worker.run(_can_seek, stream):
            stream = await _spooled(worker, stream)
        yield Source(worker, stream, await worker.run(_size_of, stream))


def _open(worker: Worker, content: FileContent) -> IO[bytes]:
    if isinstance(content, bytes):
        return io.BytesIO(content)
    if not isinstance(content, os.PathLike):
        return content
    path = Path(content)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "This is a folder; a file is uploaded by itself", str(path))
    return worker.cleanup.enter_context(path.open("rb", buffering=0))


def _can_seek(stream: IO[bytes]) -> bool:
    # `tempfile.SpooledTemporaryFile` of Python 3.10 has no such method.
    seekable = getattr(stream, "seekable", None)
    return seekable is not None and bool(seekable())


def _size_of(stream: IO[bytes]) -> int:
    return stream.seek(0, os.SEEK_END)


async def _spooled(worker: Worker, stream: IO[bytes]) -> IO[bytes]:
    def open_spool() -> IO[bytes]:
        return worker.cleanup.enter_context(tempfile.TemporaryFile(buffering=0))

    def copy_some() -> int:
        return spool.write(_read_some(stream, SPOOL_CHUNK))

    spool = await worker.run(open_spool)
    while await worker.run(copy_some):
        pass
    return spool


def _read_some(stream: IO[bytes], length: int) -> bytes:
    content: object = stream.read(length)
    if not isinstance(content, bytes):
        raise ValueError(  # noqa: TRY004 -- like all bad arguments
            f"A File's stream must be binary and blocking: its read() gave {type(content).__name__}, not bytes."
        )
    return content


def _changed(before: int, now: int) -> OSError:
    return OSError(
        f"The file changed while it was uploaded: it had {before} bytes, now it has {now}. The upload was not "
        "completed. Upload it again when nothing writes to it."
    )
