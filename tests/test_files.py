"""Uploads of files, by themselves and in a prediction's input."""

import io
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import anyio
import httpx
import pytest

from tests.support.clients import TOKEN, Spelling, client_of, threads_named
from tests.support.patience import AT_ONCE, PATIENCE, leave_when, until_async
from wriftai_anyio import APIConnectionError, Client, File, InternalServerError, PermissionDeniedError
from wriftai_anyio._files import multipart
from wriftai_anyio.predictions import CreatePredictionParams
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio

PART_SIZE = 1000
CONTENT = os.urandom(3 * PART_SIZE + 1)
"""Seconds."""


@pytest.fixture(scope="module")
def store_sandbox() -> Iterator[Sandbox]:
    with Sandbox(setup_time=0.0, part_size=PART_SIZE, access_token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(store_sandbox: Sandbox) -> Iterator[Sandbox]:
    store_sandbox.reset()
    yield store_sandbox
    store_sandbox.reset()


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> int:
    """Makes the chunks so small that a part has many of them."""
    monkeypatch.setattr(multipart, "CHUNK_SIZE", 100)
    return 100


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._transport.retries.FIRST_BACKOFF", 0.0)


def client_for(sandbox: Sandbox, **options: Any) -> Client:
    return Client(sandbox.access_token, sandbox.base_url, **options)


def upload(spelling: Spelling, client: Client, *args: object) -> str:
    """Uploads in the given spelling and returns the URL of the file."""
    try:
        return str(spelling.call(client.files, "upload", *args)["download_url"])
    finally:
        client.close()


def stored(url: str) -> bytes:
    return httpx.get(url, verify=False).content  # the authorities take 0.02 s


def paths(sandbox: Sandbox) -> list[str]:
    return [request.path for request in sandbox.requests]


def is_completed(sandbox: Sandbox) -> bool:
    return any(path.endswith("/complete") for path in paths(sandbox))


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._content.readinto(memoryview(buffer)[:7])


def as_bytes(_: Path) -> bytes:
    return CONTENT


def as_path(folder: Path) -> Path:
    path = folder / "content"
    path.write_bytes(CONTENT)
    return path


def as_stream(_: Path) -> IO[bytes]:
    stream = io.BytesIO(CONTENT)
    stream.seek(17)
    return stream


def as_pipe(_: Path) -> Any:
    return Pipe(CONTENT)


@pytest.mark.parametrize("make", [as_bytes, as_path, as_stream, as_pipe])
def test_file_arrives_as_it_is(
    spelling: Spelling, sandbox: Sandbox, tmp_path: Path, small_chunks: int, make: Callable[[Path], Any]
) -> None:
    client = client_for(sandbox, backend=spelling.backend)
    assert stored(upload(spelling, client, File(make(tmp_path)))) == CONTENT


@pytest.mark.parametrize("size", [0, 1, PART_SIZE - 1, PART_SIZE, 2 * PART_SIZE])
async def test_file_of_any_size_arrives(sandbox: Sandbox, size: int) -> None:
    async with client_for(sandbox) as client:
        uploaded = await client.files.async_upload(File(CONTENT[:size]))
    assert stored(uploaded["download_url"]) == CONTENT[:size]


def test_progress_sums_up_to_the_size(spelling: Spelling, sandbox: Sandbox, small_chunks: int) -> None:
    told: list[tuple[int, int, int]] = []

    def on_progress(delta: int, size: int) -> None:
        told.append((delta, size, threading.get_ident()))

    upload(spelling, client_for(sandbox, backend=spelling.backend), File(CONTENT), on_progress)
    assert sum(delta for delta, _, _ in told) == len(CONTENT)
    assert {size for _, size, _ in told} == {len(CONTENT)}
    assert len(told) > 4
    assert {thread for _, _, thread in told} == {threading.get_ident()}


async def test_progress_may_be_a_coroutine_function(sandbox: Sandbox) -> None:
    told: list[int] = []

    async def on_progress(delta: int, size: int) -> None:
        await anyio.lowlevel.checkpoint()
        told.append(delta)

    async with client_for(sandbox) as client:
        await client.files.async_upload(File(CONTENT), on_progress)
    assert sum(told) == len(CONTENT)


async def test_store_gets_neither_the_token_nor_the_clients_headers(sandbox: Sandbox) -> None:
    headers = {"x-team": "secret", "user-agent": "mine/1"}
    async with client_for(sandbox, headers=headers) as client:
        await client.files.async_upload(File(CONTENT, "text/plain"))
    puts = [request for request in sandbox.requests if request.method == "PUT"]
    assert sorted(int(put.headers["content-length"]) for put in puts) == [1, PART_SIZE, PART_SIZE, PART_SIZE]
    for put in puts:
        assert {"authorization", "x-team"}.isdisjoint(put.headers)
        assert (put.headers["user-agent"], put.headers["content-type"]) == ("mine/1", "text/plain")


@pytest.mark.parametrize("fault", [503, 500, 408, "drop", "drop_after"])
async def test_part_that_fails_is_sent_again_by_itself(sandbox: Sandbox, fault: Any) -> None:
    sandbox.fail_next(fault, method="PUT", path="/store/*/1")
    told: list[int] = []
    async with client_for(sandbox) as client:
        uploaded = await client.files.async_upload(File(CONTENT), lambda delta, _: told.append(delta))
    assert stored(uploaded["download_url"]) == CONTENT
    assert sorted(path[-2:] for path in paths(sandbox) if path.startswith("/store/")) == ["/0", "/1", "/1", "/2", "/3"]
    assert sum(told) == len(CONTENT)
    assert max(told) <= PART_SIZE


async def test_progress_of_a_part_that_is_sent_again_is_taken_back(sandbox: Sandbox) -> None:
    sandbox.fail_next("drop_after", method="PUT", path="/store/*/0")
    told: list[int] = []
    async with client_for(sandbox) as client:
        await client.files.async_upload(File(CONTENT[:PART_SIZE]), lambda delta, _: told.append(delta))
    assert told == [PART_SIZE, -PART_SIZE, PART_SIZE]


async def test_part_is_sent_no_more_often_than_max_retries_says(sandbox: Sandbox) -> None:
    sandbox.fail_next(503, times=5, method="PUT")
    async with client_for(sandbox, max_retries=1) as client:
        with pytest.raises(InternalServerError):
            await client.files.async_upload(File(b"x"))
    assert sum(path.startswith("/store/") for path in paths(sandbox)) == 2


async def test_refusal_of_a_part_is_one_plain_error_that_hides_the_presigned_url(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.fail_next(503, times=4, method="PUT")
    sandbox.fail_next(403, times=8, method="PUT", body={"message": "expired"})
    async with client_for(sandbox) as client:
        with pytest.raises(PermissionDeniedError) as raised:
            await client.files.async_upload(File(CONTENT))
    error = raised.value
    shown = f"{error} {error!r} {error.request!r} {error.request.url} {error.response!r} {caplog.text}"
    assert "signature=" not in shown
    assert "retrying the part" in caplog.text
    assert "it may have expired" in str(error)
    assert error.response.json() == {"message": "expired"}
    assert not is_completed(sandbox)


async def test_lost_connection_is_one_plain_error_that_hides_the_presigned_url(sandbox: Sandbox) -> None:
    sandbox.fail_next("drop", times=4, method="PUT")
    async with client_for(sandbox, max_retries=0) as client:
        with pytest.raises(APIConnectionError) as raised:
            await client.files.async_upload(File(CONTENT))
    error = raised.value
    assert isinstance(error.__cause__, httpx.RequestError)
    assert "signature=" not in f"{error} {error!r} {error.request.url} {error.__cause__.request.url}"


async def test_error_of_the_callback_ends_the_upload(sandbox: Sandbox) -> None:
    def on_progress(delta: int, size: int) -> None:
        raise LookupError("no bar")

    async with client_for(sandbox) as client:
        with pytest.raises(LookupError, match="no bar"):
            await client.files.async_upload(File(CONTENT), on_progress)
    assert not is_completed(sandbox)


@pytest.mark.parametrize(
    "wrong", ["content.txt", io.StringIO("text"), None, 5], ids=["text", "text stream", "nothing", "number"]
)
def test_content_that_is_no_file_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="content must be bytes, a path"):
        File(wrong)


@pytest.mark.parametrize("wrong", ["", "text", "text/", "text/plain\r\nx: y", "text/plain\n"])
def test_mime_type_that_cannot_be_one_is_refused(wrong: str) -> None:
    if wrong:
        with pytest.raises(ValueError, match="mime_type"):
            File(b"", wrong)
    else:
        assert File(b"", wrong).mime_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [
        ("cat.png", "image/png"),
        ("notes.txt", "text/plain"),
        ("archive.tar.gz", "application/octet-stream"),
        ("README", "application/octet-stream"),
    ],
)
def test_mime_type_is_guessed_from_the_name(tmp_path: Path, name: str, mime_type: str) -> None:
    path = tmp_path / name
    path.touch()
    assert File(path).mime_type == mime_type
    with path.open("rb") as stream:
        assert File(stream).mime_type == mime_type
    assert File(path, "image/webp").mime_type == "image/webp"


def test_mime_type_of_what_has_no_name_is_the_default() -> None:
    with tempfile.TemporaryFile() as stream:
        assert File(stream).mime_type == "application/octet-stream"
    assert File(b"").mime_type == "application/octet-stream"


async def test_missing_file_and_folder_are_refused_before_anything_is_sent(sandbox: Sandbox, tmp_path: Path) -> None:
    async with client_for(sandbox) as client:
        with pytest.raises(FileNotFoundError):
            await client.files.async_upload(File(tmp_path / "none"))
        with pytest.raises(IsADirectoryError, match="folder"):
            await client.files.async_upload(File(tmp_path))
        with pytest.raises(ValueError, match="must be a File"):
            await client.files.async_upload(tmp_path)  # type: ignore[arg-type]
    assert sandbox.requests == []


class TextInDisguise(io.BytesIO):
    def read(self, size: int | None = -1) -> Any:
        return super().read(size).decode()


class NothingYet(Pipe):
    def readinto(self, buffer: Any) -> Any:
        return None


@pytest.mark.parametrize("stream", [TextInDisguise(b"text"), NothingYet(b"")], ids=["text", "non-blocking"])
async def test_stream_that_gives_no_bytes_is_refused(sandbox: Sandbox, stream: Any) -> None:
    async with client_for(sandbox) as client:
        with pytest.raises(ValueError, match="must be binary and blocking"):
            await client.files.async_upload(File(stream))
    assert not is_completed(sandbox)


@pytest.mark.parametrize("change", [b"", CONTENT[:-1], CONTENT + b"x"], ids=["emptied", "shorter", "longer"])
async def test_file_that_changes_size_is_not_completed(
    sandbox: Sandbox, tmp_path: Path, small_chunks: int, change: bytes
) -> None:
    path = as_path(tmp_path)

    def on_progress(delta: int, size: int) -> None:
        path.write_bytes(change)

    async with client_for(sandbox) as client:
        with pytest.raises(OSError, match="changed while it was uploaded"):
            await client.files.async_upload(File(path), on_progress)
    assert not is_completed(sandbox)


def test_stream_is_read_in_one_other_thread_and_left_open(spelling: Spelling, sandbox: Sandbox) -> None:
    readers: set[int] = set()

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            readers.add(threading.get_ident())
            return super().read(size)

    stream = Watched(CONTENT)
    upload(spelling, client_for(sandbox, backend=spelling.backend), File(stream))
    assert len(readers) == 1
    assert threading.get_ident() not in readers
    assert not stream.closed


async def test_little_is_read_before_the_store_takes_it(sandbox: Sandbox, small_chunks: int) -> None:
    content = os.urandom(30 * PART_SIZE)
    read = 0

    class Watched(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal read
            chunk = super().read(size)
            read += len(chunk)
            return chunk

    class Stalled(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                urls = [f"https://store.example/{number}" for number in range(30)]
                return httpx.Response(200, json={"id": "u", "urls": urls, "part_size": PART_SIZE})
            assert isinstance(request.stream, httpx.AsyncByteStream)
            async for _ in request.stream:
                await anyio.sleep_forever()
            raise AssertionError

    client = client_of(Stalled())
    began = time.monotonic()
    await leave_when(
        lambda: read and time.monotonic() - began > 0.1, lambda: client.files.async_upload(File(Watched(content)))
    )
    assert 0 < read <= 2 * small_chunks * multipart.PARTS_AT_ONCE


def descriptors_of(path: Path) -> int:
    return sum(os.path.realpath(descriptor) == str(path) for descriptor in Path("/dev/fd").iterdir())


async def stalled_upload(sandbox: Sandbox, client: Client, file: File) -> float:
    """Cancels an upload whose parts are under way; returns how long that took to end it, in seconds."""
    sandbox.fail_next("stall", times=8, method="PUT")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.files.async_upload, file)
        await until_async(lambda: any(path.startswith("/store/") for path in paths(sandbox)))
        cancelled = time.perf_counter()
        tasks.cancel_scope.cancel()
    return time.perf_counter() - cancelled


async def test_cancelled_upload_ends_at_once_and_leaves_nothing_open(sandbox: Sandbox, tmp_path: Path) -> None:
    path = as_path(tmp_path)
    threads = threads_named("wriftai_anyio files")
    async with client_for(sandbox) as client:
        assert await stalled_upload(sandbox, client, File(path)) < AT_ONCE
    assert threads_named("wriftai_anyio files") <= threads
    assert descriptors_of(path) == 0
    assert not is_completed(sandbox)


async def test_upload_of_a_stream_that_hangs_can_be_cancelled(sandbox: Sandbox) -> None:
    threads = threads_named("wriftai_anyio files")
    hanging, go_on = threading.Event(), threading.Event()

    class Hanging(Pipe):
        def readinto(self, buffer: Any) -> int:
            hanging.set()
            assert go_on.wait(PATIENCE)
            return 0

    async with client_for(sandbox) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.files.async_upload, File(Hanging(b"")))
        await until_async(hanging.is_set)
        began = time.perf_counter()
        tasks.cancel_scope.cancel()
    assert time.perf_counter() - began < AT_ONCE
    (thread,) = threads_named("wriftai_anyio files") - threads
    go_on.set()
    await until_async(lambda: not thread.is_alive())


async def test_spool_is_on_disk_and_is_closed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    spools: list[IO[bytes]] = []
    temporary_file = tempfile.TemporaryFile

    def watched(**options: Any) -> IO[bytes]:
        spools.append(temporary_file(**options))
        return spools[-1]

    monkeypatch.setattr("tempfile.TemporaryFile", watched)
    async with client_for(sandbox) as client:
        await client.files.async_upload(File(Pipe(CONTENT)))
    (spool,) = spools
    assert spool.closed


def test_files_in_an_input_are_uploaded_and_sent_as_their_urls(spelling: Spelling, sandbox: Sandbox) -> None:
    twice = File(CONTENT)
    given: dict[str, Any] = {"input": {"image": twice, "more": [{"again": twice}, (File(b""), 1)], "text": "x"}}
    with client_for(sandbox, backend=spelling.backend) as client:
        output = spelling.call(client.predictions, "create", given, "sandbox/echo", wait=True)["output"]
    assert stored(output["image"]) == CONTENT
    assert output["more"][0]["again"] == output["image"]
    assert stored(output["more"][1][0]) == b""
    assert (output["more"][1][1], output["text"]) == (1, "x")
    assert paths(sandbox).count("/v1/uploads") == 2
    assert given["input"]["image"] is twice
    assert given["input"]["more"][0] == {"again": twice}


async def test_file_may_be_the_whole_input(sandbox: Sandbox) -> None:
    async with client_for(sandbox) as client:
        created = await client.predictions.async_create({"input": File(CONTENT)}, "sandbox/echo", wait=True)
    assert stored(str(created["output"])) == CONTENT


def test_files_in_the_input_of_a_stream_are_uploaded_first(spelling: Spelling, sandbox: Sandbox) -> None:
    given = {"input": {"image": File(CONTENT)}}
    with client_for(sandbox, backend=spelling.backend) as client:
        created = spelling.call(client.predictions, "create", given, "sandbox/echo", stream=True)
        followed = spelling.call(client.predictions, "stream", created["id"])
        events = spelling.call(client.predictions, "create_stream", given, "sandbox/echo")
    for last in (followed[-1], events[-1]):
        assert last["event"] == "done"
        assert stored(last["data"]["output"]["image"]) == CONTENT
    assert paths(sandbox).count("/v1/uploads") == 2
    assert isinstance(given["input"]["image"], File)


async def test_nothing_is_uploaded_for_a_create_stream_that_is_never_read(sandbox: Sandbox) -> None:
    async with client_for(sandbox) as client:
        async with client.predictions.async_create_stream({"input": File(CONTENT)}, "sandbox/echo"):
            pass
    assert sandbox.requests == []


async def test_file_that_is_missing_ends_a_create_stream_before_it_creates(sandbox: Sandbox, tmp_path: Path) -> None:
    async with client_for(sandbox) as client:
        stream = client.predictions.async_create_stream({"input": File(tmp_path / "none")}, "sandbox/echo")
        with pytest.raises(FileNotFoundError):
            await anext(stream)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert sandbox.requests == []


async def test_nothing_is_uploaded_for_a_create_that_cannot_be_right(sandbox: Sandbox) -> None:
    circle: list[Any] = [File(b"x")]
    circle.append(circle)
    async with client_for(sandbox) as client:
        with pytest.raises(ValueError, match="model must be"):
            await client.predictions.async_create({"input": File(b"x")}, "echo")
        with pytest.raises(ValueError, match="contains itself"):
            await client.predictions.async_create({"input": circle}, "sandbox/echo")
    assert sandbox.requests == []


async def test_nothing_is_created_if_a_file_is_missing(sandbox: Sandbox, tmp_path: Path) -> None:
    given: CreatePredictionParams = {"input": [File(CONTENT), File(tmp_path / "none")]}
    async with client_for(sandbox) as client:
        with pytest.raises(FileNotFoundError):
            await client.predictions.async_create(given, "sandbox/echo")
    assert sandbox.predictions == []
