"""Streams as they come: many uploads of one, and those that are no ordinary file."""

import codecs
import gc
import io
import os
import tarfile
import tempfile
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import pytest

from tests.support.clients import TOKEN, Spelling
from tests.support.patience import AT_ONCE, PATIENCE, leave_when, until_async
from wriftai_anyio import Client, File
from wriftai_anyio._files import multipart, streams
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio

PART_SIZE = 1000
CONTENT = b"".join(b"%04d" % number for number in range(600))
UPLOADS = 5


@pytest.fixture(scope="module")
def store_sandbox() -> Iterator[Sandbox]:
    with Sandbox(setup_time=0.0, part_size=PART_SIZE, access_token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(store_sandbox: Sandbox) -> Iterator[Sandbox]:
    store_sandbox.reset()
    yield store_sandbox
    store_sandbox.reset()


@pytest.fixture(autouse=True)
def small_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "CHUNK_SIZE", 300)
    monkeypatch.setattr(streams, "COPIED_AT_ONCE", 700)


def client_for(sandbox: Sandbox, **options: Any) -> Client:
    return Client(sandbox.access_token, sandbox.base_url, **options)


def stored(url: str) -> bytes:
    return httpx.get(url, verify=False).content


class OneReader:
    """A stream that sees whether two use it at once, and that lets others run in the middle of a read."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self._reading = threading.Lock()

    def read(self, length: int) -> bytes:
        assert self._reading.acquire(blocking=False), "two read at once"
        time.sleep(0.0005)
        piece = self._content.read(length)
        self._reading.release()
        return piece


class Seekable(OneReader):
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()


class SeekReturnsNothing(OneReader):
    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()


class SeekWithoutEnd(OneReader):
    def seek(self, offset: int) -> None:
        self._content.seek(offset)


class SaysItCannotSeek(Seekable):
    def seekable(self) -> bool:
        return False


class CannotSeek(OneReader):
    def seek(self, offset: int) -> None:
        raise io.UnsupportedOperation("seek")


class GivesOtherBytes(OneReader):
    def read(self, length: int) -> Any:
        return bytearray(super().read(length))


class Slotted:
    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def read(self, length: int) -> bytes:
        return self._content.read(length)


class Asynchronous:
    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)
        self._reading = False

    async def read(self, length: int) -> bytes:
        assert not self._reading, "two read at once"
        self._reading = True
        await anyio.sleep(0.0005)
        self._reading = False
        return self._content.read(length)


class AsynchronousWithSeek(Asynchronous):
    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._content.seek(9)

    async def seek(self, offset: int) -> None:
        self._content.seek(offset)


def opened(content: bytes) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(content)
    return file


def close(stream: Any) -> None:
    getattr(stream, "close", lambda: None)()


MAKERS: list[Callable[[bytes], Any]] = [
    *(io.BytesIO, opened, Seekable, SeekReturnsNothing, SeekWithoutEnd, OneReader, SaysItCannotSeek, CannotSeek),
    *(GivesOtherBytes, Slotted, Asynchronous, AsynchronousWithSeek),
]


@pytest.mark.parametrize("make", MAKERS)
async def test_one_stream_in_many_inputs_arrives_whole_each_time(
    sandbox: Sandbox, make: Callable[[bytes], Any]
) -> None:
    stream = make(CONTENT)
    files: Any = [File(stream) for _ in range(UPLOADS)]
    async with client_for(sandbox) as client:
        created = await client.predictions.async_create({"input": files}, "sandbox/echo", wait=True)
    close(stream)
    output: Any = created["output"]
    assert {stored(url) for url in output} == {CONTENT}


@pytest.mark.parametrize("make", [io.BytesIO, OneReader, Asynchronous])
def test_both_spellings_upload_one_stream_several_times(
    spelling: Spelling, sandbox: Sandbox, make: Callable[[bytes], Any]
) -> None:
    given = {"input": [File(make(CONTENT))] + [File(stream) for stream in [make(CONTENT)] * 2]}
    with client_for(sandbox, backend=spelling.backend) as client:
        output = spelling.call(client.predictions, "create", given, "sandbox/echo", wait=True)["output"]
    assert {stored(url) for url in output} == {CONTENT}


@pytest.mark.parametrize("make", [opened, Seekable, SeekWithoutEnd, OneReader, Asynchronous])
def test_one_stream_in_several_threads_and_clients_arrives_whole_each_time(
    sandbox: Sandbox, make: Callable[[bytes], Any]
) -> None:
    stream = make(CONTENT)
    file = File(stream)
    urls: list[str] = []

    def upload(backend: str) -> None:
        with client_for(sandbox, backend=backend) as client:
            urls.extend(str(client.files.upload(file)["download_url"]) for _ in range(2))

    threads = [threading.Thread(target=upload, args=(backend,)) for backend in ("asyncio", "trio", "asyncio")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    close(stream)
    assert len(urls) == 6
    assert {stored(url) for url in urls} == {CONTENT}


async def test_stream_that_can_only_be_read_may_be_uploaded_again_later(sandbox: Sandbox) -> None:
    stream = OneReader(CONTENT)
    async with client_for(sandbox) as client:
        for _ in range(2):
            uploaded = await client.files.async_upload(File(stream))
            assert stored(uploaded["download_url"]) == CONTENT


async def test_stream_that_is_closed_after_its_first_upload_is_uploaded_from_its_copy(sandbox: Sandbox) -> None:
    class ClosedAtItsEnd(io.BufferedIOBase):
        def __init__(self) -> None:
            self._content = io.BytesIO(CONTENT)

        def read(self, length: int | None = -1) -> bytes:
            piece = self._content.read(length)
            if not piece:
                self.close()
            return piece

    file = File(ClosedAtItsEnd())
    async with client_for(sandbox) as client:
        urls = [(await client.files.async_upload(file))["download_url"] for _ in range(2)]
    assert [stored(url) for url in urls] == [CONTENT, CONTENT]


async def test_copy_of_a_stream_is_closed_when_the_stream_ends(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies: list[Any] = []

    def watched() -> Any:
        copies.append(tempfile.TemporaryFile())  # noqa: SIM115
        return copies[-1]

    monkeypatch.setattr(streams, "temporary_copy", watched)
    stream = OneReader(CONTENT)
    ended = weakref.ref(stream)
    async with client_for(sandbox) as client:
        await client.files.async_upload(File(stream))
        assert not copies[0].closed
        del stream
        gc.collect()
    assert ended() is None
    assert copies[0].closed


async def test_streams_that_cannot_tell_their_end_are_not_held_for_ever(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MOST_HELD", 2)
    ended: list[int] = []

    class Counted(Slotted):
        __slots__ = ("number",)

        def __init__(self, number: int) -> None:
            super().__init__(b"x")
            self.number = number

        def __del__(self) -> None:
            ended.append(self.number)

    async with client_for(sandbox) as client:
        for number in range(4):
            await client.files.async_upload(File(Counted(number)))
    gc.collect()
    assert ended == [0, 1]


async def test_upload_that_is_cancelled_while_it_copies_takes_nothing_from_the_next(sandbox: Sandbox) -> None:
    hanging, go_on = threading.Event(), threading.Event()

    class Hanging(OneReader):
        def read(self, length: int) -> bytes:
            if not hanging.is_set():
                hanging.set()
                assert go_on.wait(PATIENCE)
            return super().read(length)

    file = File(Hanging(CONTENT))
    async with client_for(sandbox) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.files.async_upload, file)
            await until_async(hanging.is_set)
            tasks.cancel_scope.cancel()
        go_on.set()
        uploaded = await client.files.async_upload(file)
    assert stored(uploaded["download_url"]) == CONTENT


async def test_asynchronous_stream_whose_copying_was_cancelled_is_refused(sandbox: Sandbox) -> None:
    class Hanging(Asynchronous):
        hangs = True
        hung = False

        async def read(self, length: int) -> bytes:
            piece = await super().read(length)
            if self.hangs:
                self.hung = True
                await anyio.sleep_forever()
            return piece

    stream = Hanging(CONTENT)
    async with client_for(sandbox) as client:
        await leave_when(lambda: stream.hung, lambda: client.files.async_upload(File(stream)))
        stream.hangs = False
        with pytest.raises(ValueError, match=r"read this Hanging failed or was cancelled.*Open it again"):
            await client.files.async_upload(File(stream))
    assert sandbox.requests == []


async def test_waiting_for_another_upload_of_an_asynchronous_stream_can_be_cancelled(sandbox: Sandbox) -> None:
    go_on = anyio.Event()

    class Slow(Asynchronous):
        async def read(self, length: int) -> bytes:
            await go_on.wait()
            return await super().read(length)

    file = File(Slow(CONTENT))
    urls: list[str] = []

    async def upload(client: Client) -> None:
        urls.append((await client.files.async_upload(file))["download_url"])

    async with client_for(sandbox) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(upload, client)
        await anyio.sleep(0.05)
        began = time.perf_counter()
        with anyio.move_on_after(0.01):
            await upload(client)
        assert time.perf_counter() - began < AT_ONCE
        tasks.start_soon(upload, client)
        go_on.set()
    assert [stored(url) for url in urls] == [CONTENT, CONTENT]


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="there is no /proc here")
def test_file_that_states_no_size_is_copied_first(spelling: Spelling, sandbox: Sandbox) -> None:
    path = Path("/proc/self/limits")
    with client_for(sandbox, backend=spelling.backend) as client:
        url = spelling.call(client.files, "upload", File(path))["download_url"]
        with path.open("rb") as stream:
            again = spelling.call(client.files, "upload", File(stream))["download_url"]
    assert stored(url) == stored(again) == path.read_bytes() != b""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
async def test_named_pipe_is_copied_first(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(CONTENT,), daemon=True).start()
    async with client_for(sandbox) as client:
        uploaded = await client.files.async_upload(File(path))
    assert stored(uploaded["download_url"]) == CONTENT


async def test_asynchronous_file_of_anyio_is_uploaded_from_its_start(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(CONTENT)
    async with client_for(sandbox) as client, await anyio.open_file(path, "rb") as stream:
        await stream.read(100)
        file = File(stream)
        assert file.mime_type == "image/png"
        urls = [(await client.files.async_upload(file))["download_url"] for _ in range(2)]
    assert [stored(url) for url in urls] == [CONTENT, CONTENT]


class Body(httpx.AsyncByteStream, httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(CONTENT), 999):
            yield CONTENT[start : start + 999]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 999):
            await anyio.lowlevel.checkpoint()
            yield CONTENT[start : start + 999]


class SyncBody(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        return iter(Body())


class AsyncBody(httpx.AsyncByteStream):
    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(Body())


@pytest.mark.parametrize("stream", [SyncBody, AsyncBody, None])
def test_answer_of_httpx_is_uploaded(spelling: Spelling, sandbox: Sandbox, stream: Any) -> None:
    headers = {"content-type": "text/csv; charset=utf-8"}
    body = {"content": CONTENT} if stream is None else {"stream": stream()}
    file = File(httpx.Response(200, headers=headers, **body))
    assert file.mime_type == "text/csv"
    with client_for(sandbox, backend=spelling.backend) as client:
        urls = [spelling.call(client.files, "upload", file)["download_url"] for _ in range(2)]
    assert [stored(url) for url in urls] == [CONTENT, CONTENT]


@pytest.mark.parametrize("stream", [SyncBody, AsyncBody])
async def test_answer_of_httpx_that_was_consumed_is_refused_with_what_to_do(sandbox: Sandbox, stream: Any) -> None:
    response = httpx.Response(200, stream=stream())
    if stream is SyncBody:
        list(response.iter_raw())
    else:
        assert [piece async for piece in response.aiter_raw()]
    async with client_for(sandbox) as client:
        for message in (r"cannot be read any more.*response\.read\(\)", "Open it again"):
            with pytest.raises(ValueError, match=message):
                await client.files.async_upload(File(response))
    assert sandbox.requests == []


async def test_closed_stream_is_refused_with_what_to_do(sandbox: Sandbox) -> None:
    stream = io.BytesIO(CONTENT)
    stream.close()
    async with client_for(sandbox) as client:
        with pytest.raises(ValueError, match="must stay open until the upload has ended"):
            await client.files.async_upload(File(stream))


async def test_stream_that_fails_while_it_is_copied_is_not_taken_for_whole(sandbox: Sandbox) -> None:
    class Failing(OneReader):
        fails = True

        def read(self, length: int) -> bytes:
            if self.fails:
                self.fails = False
                raise OSError("unplugged")
            return b""

    stream = Failing(b"")
    async with client_for(sandbox) as client:
        with pytest.raises(OSError, match="unplugged"):
            await client.files.async_upload(File(stream))
        with pytest.raises(ValueError, match="Open it again"):
            await client.files.async_upload(File(stream))
    assert sandbox.requests == []


async def test_stream_that_has_nothing_yet_can_be_uploaded_when_it_has(sandbox: Sandbox) -> None:
    class Late(OneReader):
        ready = False

        def read(self, length: int) -> Any:
            return super().read(length) if self.ready else None

    stream = Late(CONTENT)
    async with client_for(sandbox) as client:
        with pytest.raises(ValueError, match="gave NoneType"):
            await client.files.async_upload(File(stream))
        stream.ready = True
        uploaded = await client.files.async_upload(File(stream))
    assert stored(uploaded["download_url"]) == CONTENT


class SeekFails(io.BytesIO):
    def seek(self, offset: int, whence: int = 0) -> int:
        raise RuntimeError("forwards only")


class SeekableFails(OneReader):
    def seekable(self) -> bool:
        raise AttributeError("seekable")


class NamedInBytes:
    def __init__(self, path: Path) -> None:
        self._path = os.fsencode(path)

    def __fspath__(self) -> bytes:
        return self._path


def member_of_an_archive(path: Path, mode: Literal["r:gz", "r|gz"]) -> Any:
    with tarfile.open(path, "w:gz") as writing:
        entry = tarfile.TarInfo("x")
        entry.size = len(CONTENT)
        writing.addfile(entry, io.BytesIO(CONTENT))
    archive = tarfile.open(path, mode)  # noqa: SIM115 -- its member is read later
    return archive.extractfile(next(iter(archive)))


@pytest.mark.parametrize(
    "content",
    [
        lambda _: SeekFails(CONTENT),
        lambda _: SeekableFails(CONTENT),
        lambda folder: member_of_an_archive(folder / "archive", "r:gz"),
        lambda folder: member_of_an_archive(folder / "archive", "r|gz"),
        lambda folder: NamedInBytes(folder / "file"),
    ],
)
async def test_what_cannot_seek_in_its_own_way_is_read(
    sandbox: Sandbox, tmp_path: Path, content: Callable[[Path], Any]
) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    async with client_for(sandbox) as client:
        uploaded = await client.files.async_upload(File(content(tmp_path)))
    assert stored(uploaded["download_url"]) == CONTENT


async def test_stream_whose_read_takes_no_length_is_refused_by_name(sandbox: Sandbox) -> None:
    class Whole:
        def read(self) -> bytes:
            return CONTENT

    class AsyncWhole:
        async def read(self) -> bytes:
            return CONTENT

    async with client_for(sandbox) as client:
        for stream in (Whole(), AsyncWhole()):
            with pytest.raises(ValueError, match=rf"must have a read\(length\).* this {type(stream).__name__} failed"):
                await client.files.async_upload(File(stream))  # type: ignore[arg-type]


def test_file_that_is_open_for_writing_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with (
        (tmp_path / "x").open("wb") as stream,
        pytest.raises(ValueError, match=r"BufferedWriter, which is not open for"),
    ):
        File(stream)


def test_text_streams_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    reader, writer = codecs.getreader("utf-8"), codecs.getwriter("utf-8")
    with path.open() as plain, path.open("rb") as binary:
        coded = reader(binary)
        opened = codecs.StreamReaderWriter(binary, reader, writer)  # what `codecs.open` returns
        with tempfile.NamedTemporaryFile("w+") as named, tempfile.SpooledTemporaryFile(mode="w+") as spooled:
            for stream in (plain, coded, opened, named, spooled, io.StringIO()):
                with pytest.raises(ValueError, match=rf"not {type(stream).__name__}, a text stream: open it in binary"):
                    File(stream)  # type: ignore[arg-type]
    with tempfile.NamedTemporaryFile() as named, tempfile.SpooledTemporaryFile() as spooled:
        assert File(named)
        assert File(spooled)


async def test_asynchronous_text_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    async with await anyio.open_file(tmp_path / "x") as stream:
        with pytest.raises(ValueError, match="a text stream"):
            File(stream)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [("a.png", r"Path\(…\)"), (bytearray(b"x"), r"bytes\(…\)"), ([b"x"], "join its pieces"), (5, "not int")],
)
def test_other_content_is_refused_with_what_to_do(wrong: Any, advice: str) -> None:
    with pytest.raises(ValueError, match=advice):
        File(wrong)
