"""Lets several uploads, of any client, event loop or thread, read the same stream: one reader at a time.

There is one `SharedStream` for each stream object of the caller, for as long as that object lives. The stream is used
only in worker threads, under a lock that is held for a single read:

    can seek, and has a size        each read is a seek and a read under the lock; nothing is copied
    can seek, and states no size    each upload copies it in the same way (every file in /proc has size 0)
    can only read                   it is copied once, by the uploads under way, and the copy is kept for later ones

An asynchronous stream is read in the event loop, which must not block on a lock: a worker thread waits for the turn to
read it.
"""

import inspect
import os
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Any, Final, TypeAlias, cast

import httpx

from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._concurrency.threads import Worker
from wriftai_anyio._transport.bodies import abandon

COPIED_AT_ONCE: Final = 1024 * 1024
"""Bytes read at once from a stream that is copied."""

MOST_HELD: Final = 64
"""Streams without weak references that are kept after their upload, so that they can be uploaded again."""

Stream: TypeAlias = Any
"""What the caller gave: any of its methods may be missing or behave unusually."""


class _NotBytesError(ValueError):
    """A stream gave something other than bytes, or has nothing yet. Nothing was lost."""


class SharedStream:
    """The state that all uploads of one stream share. Its methods block: call them in worker threads.

    Args:
        stream: The stream. It is also passed to each method, so that nothing here keeps it alive.
    """

    def __init__(self, stream: Stream) -> None:
        self._kind = type(stream).__name__
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._pieces: Iterator[bytes] | None = None
        self._copy: IO[bytes] | None = None
        self._is_whole = False
        self._is_broken = False

    def can_seek(self, stream: Stream) -> bool:
        """Returns whether the stream can be read from any offset."""
        with self._lock:
            try:
                if not getattr(stream, "seekable", _yes)():
                    return False
                stream.seek(0)
            except Exception:  # noqa: BLE001 -- wrappers and compressed archives raise whatever they like
                return False
            return True

    def size_of(self, stream: Stream) -> int | None:
        """Returns the size in bytes of a stream that can seek; `None` if it can only be found by reading."""
        with self._lock:
            # Some streams' seek() returns nothing, and some cannot seek from their end.
            try:
                stream.seek(0, os.SEEK_END)
                size: object = stream.tell()
            except (OSError, ValueError, TypeError, AttributeError, NotImplementedError):
                return None
            if size == 0:
                stream.seek(0)
                return None if _read(stream, 1) else 0
            return size if isinstance(size, int) and size > 0 else None

    def read_at(self, stream: Stream, offset: int, length: int) -> bytes:
        """Reads at most `length` bytes from an offset; none at the end.

        Args:
            stream: The stream, or its copy.
            offset: In bytes from the start.
            length: In bytes.
        """
        with self._lock:
            stream.seek(offset)
            return _read(stream, length)

    def copy_some(self, stream: Stream) -> IO[bytes] | None:
        """Copies the next piece of a stream that cannot seek.

        Uploads call it in turns: the pieces that a cancelled upload has copied are there for the others.

        Returns:
            The copy, once it is complete.

        Raises:
            ValueError: If the stream does not give bytes, or failed before.
        """
        with self._lock:
            copy = self._open_copy()
            if not self._is_whole:
                self._is_broken = True  # until the piece is in the copy
                try:
                    piece = self._next_piece(stream)
                    _append(copy, piece)
                except _NotBytesError:
                    self._is_broken = False
                    raise
                self._is_whole, self._is_broken = not piece, False
            return self.whole_copy

    @property
    def whole_copy(self) -> IO[bytes] | None:
        """The copy, once it is complete: then the stream is no longer needed, and may be closed."""
        return self._copy if self._is_whole else None

    def _open_copy(self) -> IO[bytes]:
        if self._is_broken:
            raise ValueError(
                f"An upload that read this {self._kind} failed or was cancelled, and where the stream stands is "
                "unknown. Open it again, or give a path or bytes."
            )
        if self._copy is None:
            self._copy = temporary_copy()
        return self._copy

    def _next_piece(self, stream: Stream) -> bytes:
        if not isinstance(stream, httpx.Response):
            return _read(stream, COPIED_AT_ONCE)
        if self._pieces is None:
            self._pieces = stream.iter_bytes(COPIED_AT_ONCE)
        with _answer_not_read_before():
            return next(self._pieces, b"")

    async def copy_asynchronous(self, stream: Stream, worker: Worker) -> IO[bytes]:
        """Copies an asynchronous stream, in the event loop; other uploads of it wait, and then use the copy.

        Args:
            stream: The stream.
            worker: The thread in which to wait and to write.

        Returns:
            The copy.

        Raises:
            ValueError: If the stream does not give bytes, or failed before.
        """
        turn = ExitStack()

        def take_turn() -> IO[bytes]:
            # If the caller leaves while this waits, the turn is given back as soon as it comes.
            worker.cleanup.enter_context(turn)
            turn.enter_context(self._turn)
            return self._open_copy()

        copy = await worker.run(take_turn)
        if not self._is_whole:
            self._is_broken = True  # a cancelled read may have consumed bytes
            await _read_all(stream, lambda piece: worker.run(_append, copy, piece))
            self._is_whole, self._is_broken = True, False
        await worker.run(turn.close)
        return copy

    def __del__(self) -> None:
        if self._copy is not None:
            with suppress(OSError):
                self._copy.close()


class _Table:
    """The streams of this process that uploads have read, by their ids."""

    def __init__(self) -> None:
        # A finalizer may run at any line of any thread, this one included: it takes no lock, and uses only `_shared`.
        self._lock = threading.Lock()
        self._shared: dict[int, SharedStream] = {}
        self._held: deque[Stream] = deque()

    def shared(self, stream: Stream) -> SharedStream:
        with self._lock:
            return self._shared.get(id(stream)) or self._added(stream)

    def _added(self, stream: Stream) -> SharedStream:
        added = self._shared[id(stream)] = SharedStream(stream)
        try:
            weakref.finalize(stream, self._forget, id(stream)).atexit = False
        except TypeError:
            # Without weak references its end goes unnoticed, and another object may then get its id: keep it a while.
            self._held.append(stream)
            while len(self._held) > MOST_HELD:
                self._forget(id(self._held.popleft()))
        return added

    def _forget(self, key: int) -> None:
        self._shared.pop(key, None)


_table: Final = PerProcess(_Table)


def shared(stream: Stream) -> SharedStream:
    """Returns the state that all uploads of a stream share, which lives as long as the stream.

    Args:
        stream: The stream; the caller keeps it alive meanwhile.
    """
    return _table.get().shared(stream)


def temporary_copy() -> IO[bytes]:
    """Opens a file on disk that only its owner can read and that is deleted when it is closed."""
    return tempfile.TemporaryFile()


def _append(copy: IO[bytes], piece: bytes) -> None:
    copy.write(piece)
    copy.flush()  # a full disk must be noticed here, before more of the stream is read


def underlying(stream: Stream) -> Stream:
    """Returns the plain stream inside an asynchronous file of anyio or trio; any other stream unchanged."""
    wrapped = getattr(stream, "wrapped", None) if is_asynchronous(stream) else None
    return stream if wrapped is None or not callable(getattr(wrapped, "read", None)) else wrapped


def is_asynchronous(stream: Stream) -> bool:
    """Returns whether a stream is read in an event loop."""
    if isinstance(stream, httpx.Response):
        return not isinstance(stream.stream, httpx.SyncByteStream)
    return inspect.iscoroutinefunction(stream.read)


async def _read_all(stream: Stream, write: Callable[[bytes], Awaitable[object]]) -> None:
    if isinstance(stream, httpx.Response):
        await _read_answer(stream.aiter_bytes(COPIED_AT_ONCE), write)
        return
    if inspect.iscoroutinefunction(getattr(stream, "seek", None)):
        with suppress(OSError, ValueError):  # it cannot seek, and is read from its current position
            await stream.seek(0)
    while piece := _bytes_of(await cast("Awaitable[object]", _begun(stream, COPIED_AT_ONCE))):
        await write(piece)


async def _read_answer(pieces: AsyncIterator[bytes], write: Callable[[bytes], Awaitable[object]]) -> None:
    with _answer_not_read_before():
        try:
            async for piece in pieces:
                await write(piece)
        except BaseException:
            await abandon(pieces)
            raise


@contextmanager
def _answer_not_read_before() -> Generator[None]:
    try:
        yield
    except httpx.StreamError as error:
        raise ValueError(
            f"The httpx.Response of a File cannot be read any more ({type(error).__name__}). Read it while it is open, "
            "with response.read() or await response.aread(), before you give it."
        ) from error


def _yes() -> bool:
    return True


def _read(stream: Stream, length: int) -> bytes:
    return _bytes_of(_begun(stream, length))


def _begun(stream: Stream, length: int) -> object:
    """Returns what `read` returns: bytes, or a coroutine."""
    try:
        return stream.read(length)
    except TypeError as error:
        raise _NotBytesError(
            f"A File's stream must have a read(length) that returns bytes, and the read of this "
            f"{type(stream).__name__} failed: {error}. Give its content as bytes."
        ) from error


def _bytes_of(content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    if isinstance(content, (bytearray, memoryview)):
        return bytes(cast("bytearray | memoryview[int]", content))
    if inspect.iscoroutine(content):
        content.close()
    raise _NotBytesError(
        f"A File's stream must be binary and blocking: its read() gave {type(content).__name__}, not bytes. Open it in "
        "binary mode, as in open(path, 'rb'), or give its content as bytes."
    )
