"""Downloads of files."""

import os
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import BASE_URL, TOKEN, Script, Spelling, client_of, threads_named
from tests.support.patience import AT_ONCE
from wriftai_anyio import APIConnectionError, APIResponseError, APIStatusError, Client, NotFoundError
from wriftai_anyio._files import download
from wriftai_anyio._files.atomic_file import PartialFile
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(100_000)
BLOCK_SIZE = 10_000
URL = "https://store.example/output?signature=s3cr3t"
"""Seconds."""


@pytest.fixture(autouse=True)
def small_blocks_and_no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "BLOCK_SIZE", BLOCK_SIZE)
    monkeypatch.setattr("wriftai_anyio._transport.retries.FIRST_BACKOFF", 0.0)


def client_for(sandbox: Sandbox, **options: Any) -> Client:
    return Client(sandbox.access_token, sandbox.base_url, **options)


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


class Broken(httpx.AsyncByteStream):
    """The body of an answer that breaks off."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), 4000):
            yield self._content[start : start + 4000]
        raise httpx.ReadError("cut")


class Host(httpx.AsyncBaseTransport):
    """Serves one file, and cuts answers short.

    Args:
        cut: Says how many bytes of an answer of so many come, or `None` for all.
        ranges: Whether it serves ranges.
        headers: The validators of the file.
    """

    def __init__(
        self,
        cut: Callable[[int], int | None],
        *,
        ranges: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._cut = cut
        self._ranges = ranges
        self.headers = {"etag": '"v1"'} if headers is None else dict(headers)
        self.content = CONTENT
        self.requests: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        start = self._start(request)
        body = self.content[start:]
        headers = {**self.headers, "content-length": str(len(body))}
        if start:
            headers["content-range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        length = self._cut(len(body))
        stream = httpx.ByteStream(body) if length is None else Broken(body[:length])
        return httpx.Response(206 if start else 200, headers=headers, stream=stream)

    def _start(self, request: httpx.Request) -> int:
        asked = request.headers.get("range")
        if not self._ranges or asked is None or request.headers["if-range"] not in self.headers.values():
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    @property
    def ranges(self) -> list[str | None]:
        """The ranges asked for so far."""
        return [request.headers.get("range") for request in self.requests]


def cut_at(*lengths: int) -> Callable[[int], int | None]:
    """Cuts the first answers after so many bytes each."""
    remaining = list(lengths)
    return lambda _: remaining.pop(0) if remaining else None


class Progress:
    def __init__(self) -> None:
        self.deltas: list[int] = []
        self.sizes: set[int | None] = set()

    def __call__(self, delta: int, size: int | None) -> None:
        self.deltas.append(delta)
        self.sizes.add(size)


def test_file_is_written_as_it_is(spelling: Spelling, sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_bytes(b"old")
    told = Progress()
    with client_for(sandbox, backend=spelling.backend) as client:
        written = spelling.call(client.files, "download", sandbox.add_file(CONTENT), str(path), on_progress=told)
    assert written == path
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == [path]
    assert sum(told.deltas) == len(CONTENT)
    assert len(told.deltas) > 1
    assert told.sizes == {len(CONTENT)}


async def test_empty_file_is_written(sandbox: Sandbox, tmp_path: Path) -> None:
    async with client_for(sandbox) as client:
        path = await client.files.async_download(sandbox.add_file(b""), tmp_path / "empty")
    assert path.read_bytes() == b""


def test_file_in_a_folder_gets_its_name_from_the_server(spelling: Spelling, tmp_path: Path) -> None:
    headers = {"content-disposition": 'attachment; filename="../.cat.png"'}
    paths = []
    for _ in range(2):
        with spelling.client(Script(httpx.Response(200, headers=headers, content=CONTENT))) as client:
            paths.append(spelling.call(client.files, "download", URL, tmp_path))
    assert paths == [tmp_path / "cat.png", tmp_path / "cat-2.png"]
    assert {path.read_bytes() for path in paths} == {CONTENT}
    assert sorted(files_in(tmp_path)) == sorted(paths)


async def test_file_in_a_folder_gets_its_name_from_its_address_and_type(tmp_path: Path) -> None:
    unnamed = httpx.Response(200, headers={"content-type": "image/png"}, content=CONTENT)
    path = await client_of(Script(unnamed)).files.async_download(URL, tmp_path)
    assert path == tmp_path / "output.png"


async def test_dropped_download_into_a_folder_keeps_its_name(tmp_path: Path) -> None:
    host = Host(cut_at(25_000), headers={"etag": '"v1"', "content-disposition": "attachment; filename=cat.png"})
    path = await client_of(host).files.async_download(URL, tmp_path)
    assert path == tmp_path / "cat.png"
    assert path.read_bytes() == CONTENT


def test_progress_of_a_blocking_call_is_told_in_its_own_thread(sandbox: Sandbox, tmp_path: Path) -> None:
    threads: set[int] = set()
    with client_for(sandbox) as client:
        client.files.download(
            sandbox.add_file(CONTENT), tmp_path / "x", on_progress=lambda *_: threads.add(threading.get_ident())
        )
    assert threads == {threading.get_ident()}


async def test_dropped_download_is_resumed_over_real_http(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail_next("half", times=3, path="/files/*")
    told = Progress()
    async with client_for(sandbox) as client:
        path = await client.files.async_download(sandbox.add_file(CONTENT), tmp_path / "x", on_progress=told)
    assert path.read_bytes() == CONTENT
    assert sum(told.deltas) == len(CONTENT)
    assert min(told.deltas) > 0
    asked = [request.headers.get("range") for request in sandbox.requests]
    assert asked == [None, "bytes=50000-", "bytes=75000-", "bytes=87500-"]


async def test_download_over_randomly_cut_connections_is_complete(tmp_path: Path) -> None:
    randomness = random.Random(7)
    for _ in range(25):
        cuts = [randomness.randint(1, 30_000) for _ in range(12)]
        told = Progress()
        client = client_of(Host(cut_at(*cuts)), max_retries=1)
        path = await client.files.async_download(URL, tmp_path / "x", on_progress=told)
        assert path.read_bytes() == CONTENT
        assert sum(told.deltas) == len(CONTENT)
        assert min(told.deltas) > 0


async def test_download_begins_anew_where_the_server_has_no_ranges(tmp_path: Path) -> None:
    host, told = Host(cut_at(25_000, 30_000), ranges=False), Progress()
    path = await client_of(host).files.async_download(URL, tmp_path / "x", on_progress=told)
    assert path.read_bytes() == CONTENT
    assert host.ranges == [None, "bytes=25000-", "bytes=30000-"]
    assert [delta for delta in told.deltas if delta < 0] == [-25_000, -30_000]
    assert sum(told.deltas) == len(CONTENT)


async def test_download_begins_anew_when_the_file_has_changed(tmp_path: Path) -> None:
    host = Host(cut_at(25_000))

    def change(delta: int, size: int | None) -> None:
        host.content, host.headers = CONTENT[::-1][:-1], {"etag": '"v2"'}

    path = await client_of(host).files.async_download(URL, tmp_path / "x", on_progress=change)
    assert path.read_bytes() == CONTENT[::-1][:-1]


PNG = {"etag": '"v1"', "content-type": "image/png"}
HTML = {"content-type": "text/html; charset=utf-8"}


def page(headers: Mapping[str, str]) -> httpx.Response:
    return httpx.Response(200, headers=headers, content=b"Please try again later.")


@pytest.mark.parametrize(
    ("known", "headers"),
    [
        (PNG, HTML),
        (PNG, {**HTML, "etag": '"page"'}),
        (PNG, {"content-type": "application/json"}),
        (PNG, {}),
        (PNG, {"content-type": "image/png"}),
        ({"content-type": "image/png"}, HTML),
        ({"content-type": "text/html"}, HTML),
        ({"etag": 'W/"v1"', "content-type": "text/csv"}, HTML),
        ({}, HTML),
    ],
)
async def test_page_of_a_gateway_in_place_of_the_rest_is_not_the_file(
    tmp_path: Path, known: Mapping[str, str], headers: Mapping[str, str]
) -> None:
    first = httpx.Response(200, headers={**known, "content-length": "100000"}, stream=Broken(CONTENT[:25_000]))
    whole_file = httpx.Response(200, headers=known, content=CONTENT)
    path, told = tmp_path / "x", Progress()
    script = Script(first, page(headers), page(headers), whole_file)
    await client_of(script, max_retries=3).files.async_download(URL, path, on_progress=told)
    assert path.read_bytes() == CONTENT
    assert sum(told.deltas) == len(CONTENT)
    assert len({request.headers.get("range") for request in script.requests[1:]}) == 1
    first = httpx.Response(200, headers={**known, "content-length": "100000"}, stream=Broken(CONTENT[:25_000]))
    with pytest.raises(APIResponseError, match="something else than the file") as raised:
        await client_of(Script(first, forever=page(headers)), max_retries=2).files.async_download(URL, path)
    assert "s3cr3t" not in f"{raised.value} {raised.value.response.request.url}"
    assert path.read_bytes() == CONTENT
    assert files_in(tmp_path) == [path]


@pytest.mark.parametrize(
    ("known", "headers"),
    [
        (PNG, {"etag": '"v2"', "content-type": "image/png"}),
        (PNG, {"etag": '"v2"', "content-type": "image/jpeg"}),
        (PNG, {"last-modified": "Wed, 21 Oct 2015 07:28:00 GMT", "content-type": "image/PNG"}),
        ({**PNG, **HTML}, {"etag": '"v2"', "content-type": "text/html"}),
        (PNG, {"etag": '"v1"', "content-type": "text/html"}),
        ({}, {"etag": '"v2"'}),
    ],
)
async def test_file_that_has_changed_is_told_from_a_page(
    tmp_path: Path, known: Mapping[str, str], headers: Mapping[str, str]
) -> None:
    first = httpx.Response(200, headers={**known, "content-length": "100000"}, stream=Broken(CONTENT[:25_000]))
    script = Script(first, httpx.Response(200, headers=headers, content=CONTENT[::-1][:-1]))
    path = await client_of(script).files.async_download(URL, tmp_path / "x")
    assert path.read_bytes() == CONTENT[::-1][:-1]


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({"etag": '"v1"', "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, '"v1"'),
        ({"etag": 'W/"v1"', "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT"}, "Wed, 21 Oct 2015 07:28:00 GMT"),
        ({"etag": 'W/"v1"'}, None),
        ({}, None),
    ],
)
async def test_download_is_resumed_only_if_the_server_can_tell_that_the_file_is_the_same(
    tmp_path: Path, headers: Mapping[str, str], validator: str | None
) -> None:
    host = Host(cut_at(25_000), headers=headers)
    path = await client_of(host).files.async_download(URL, tmp_path / "x")
    assert path.read_bytes() == CONTENT
    assert host.requests[1].headers.get("if-range") == validator
    assert host.ranges == [None, "bytes=25000-" if validator else None]


async def test_download_without_progress_ends_after_max_retries(tmp_path: Path) -> None:
    host = Host(cut_at(25_000, 0, 0, 0))
    with pytest.raises(APIConnectionError) as raised:
        await client_of(host, max_retries=2).files.async_download(URL, tmp_path / "x")
    assert len(host.requests) == 3
    assert "s3cr3t" not in f"{raised.value} {raised.value.request.url}"
    assert files_in(tmp_path) == []


async def test_server_that_always_breaks_off_at_the_same_place_does_not_hold_it_forever(tmp_path: Path) -> None:
    host = Host(lambda _: 25_000, ranges=False)
    with pytest.raises(APIConnectionError):
        await client_of(host, max_retries=2).files.async_download(URL, tmp_path / "x")
    assert len(host.requests) == 3


async def test_answer_shorter_than_it_says_is_no_success(tmp_path: Path) -> None:
    short = httpx.Response(200, headers={"content-length": "9"}, stream=httpx.ByteStream(b"12345678"))
    with pytest.raises(APIConnectionError, match="8 of 9 bytes"):
        await client_of(Script(short), max_retries=0).files.async_download(URL, tmp_path / "x")
    assert files_in(tmp_path) == []


async def test_size_that_is_not_told_is_none(tmp_path: Path) -> None:
    told = Progress()
    unknown = httpx.Response(200, stream=httpx.ByteStream(b"12345678"))
    await client_of(Script(unknown)).files.async_download(URL, tmp_path / "x", on_progress=told)
    assert (told.deltas, told.sizes) == ([8], {None})


@pytest.mark.parametrize("given", [None, "bytes 5-99999/100000", "bytes 25000-99999/100001", "rows 25000-99999/100000"])
async def test_other_range_than_asked_for_is_refused(tmp_path: Path, given: str | None) -> None:
    headers = {} if given is None else {"content-range": given}
    first = httpx.Response(200, headers={"content-length": "100000", "etag": '"v1"'}, stream=Broken(CONTENT[:25_000]))
    with pytest.raises(APIResponseError, match="another range") as raised:
        await client_of(Script(first, httpx.Response(206, headers=headers))).files.async_download(URL, tmp_path / "x")
    assert files_in(tmp_path) == []
    assert "s3cr3t" not in str(raised.value.response.request.url)


async def test_range_that_was_not_asked_for_is_refused(tmp_path: Path) -> None:
    part = httpx.Response(206, headers={"content-range": "bytes 0-9/100000"}, content=CONTENT[:10])
    url = f"{BASE_URL}/files/1"
    with pytest.raises(APIResponseError, match="another range") as raised:
        await client_of(Script(part)).files.async_download(url, tmp_path / "x")
    assert files_in(tmp_path) == []
    assert "authorization" not in raised.value.response.request.headers


@pytest.mark.parametrize(("kind", "quote"), [("etag", '"'), ("last-modified", "")])
async def test_rest_of_another_file_is_not_put_behind_the_beginning_of_this_one(
    tmp_path: Path, kind: str, quote: str
) -> None:
    first = httpx.Response(
        200, headers={kind: f"{quote}v1{quote}", "content-length": "100000"}, stream=Broken(bytes(25_000))
    )
    headers = {kind: f"{quote}v2{quote}", "content-range": "bytes 25000-99999/100000"}
    script = Script(
        first, httpx.Response(206, headers=headers, content=CONTENT[25_000:]), httpx.Response(200, content=CONTENT)
    )
    told = Progress()
    path = await client_of(script).files.async_download(URL, tmp_path / "x", on_progress=told)
    assert path.read_bytes() == CONTENT
    assert sum(told.deltas) == len(CONTENT)
    assert [request.headers.get("range") for request in script.requests] == [None, "bytes=25000-", None]


async def test_range_that_cannot_be_had_is_asked_for_once(tmp_path: Path) -> None:
    first = httpx.Response(200, headers={"etag": '"v1"'}, stream=Broken(CONTENT))
    script = Script(first, httpx.Response(416), httpx.Response(200, content=CONTENT))
    path = await client_of(script, max_retries=1).files.async_download(URL, tmp_path / "x")
    assert path.read_bytes() == CONTENT
    assert [request.headers.get("range") for request in script.requests] == [None, "bytes=100000-", None]


async def test_refusal_leaves_what_was_there(sandbox: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"old")
    url = sandbox.add_file(CONTENT)
    sandbox.fail_next(404, path="/files/*")
    async with client_for(sandbox) as client:
        with pytest.raises(NotFoundError) as raised:
            await client.files.async_download(url, path)
    assert "signature" not in f"{raised.value} {raised.value.request.url}"
    assert path.read_bytes() == b"old"
    assert files_in(tmp_path) == [path]


async def test_busy_server_is_asked_again(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.fail_next(503, times=2, path="/files/*")
    async with client_for(sandbox) as client:
        path = await client.files.async_download(sandbox.add_file(CONTENT), tmp_path / "x")
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "url", ["", "output.png", "/output.png", "ftp://host/x", "file:///etc/passwd", "https://", "http://host:65536/x", 5]
)
async def test_what_is_no_web_address_is_refused(tmp_path: Path, url: Any) -> None:
    with pytest.raises(ValueError, match="url must be a web address"):
        await client_of(Script()).files.async_download(url, tmp_path / "x")


async def test_path_that_cannot_be_written_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    client = client_of(Script())
    with pytest.raises(FileNotFoundError, match="no such folder"):
        await client.files.async_download(URL, tmp_path / "none" / "x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
async def test_pipe_or_device_at_the_path_is_refused_and_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(FileExistsError, match="device or a pipe"):
        await client_of(Script()).files.async_download(URL, tmp_path / "x")
    assert (tmp_path / "x").is_fifo()


async def test_link_at_the_path_is_replaced_and_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"old")
    inside = tmp_path / "inside"
    inside.mkdir()
    link = inside / "x"
    link.symlink_to(outside)
    await client_of(Host(cut_at())).files.async_download(URL, link)
    assert outside.read_bytes() == b"old"
    assert not link.is_symlink()


async def test_cancelled_download_ends_at_once_and_leaves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    url = sandbox.add_file(os.urandom(20_000_000))
    threads = threads_named("wriftai_anyio files")
    began = 0.0
    async with client_for(sandbox) as client, anyio.create_task_group() as tasks:

        def on_progress(delta: int, size: int | None) -> None:
            nonlocal began
            began = began or time.perf_counter()
            tasks.cancel_scope.cancel()

        await client.files.async_download(url, tmp_path / "x", on_progress=on_progress)
    assert time.perf_counter() - began < AT_ONCE
    assert files_in(tmp_path) == []
    assert threads_named("wriftai_anyio files") <= threads


async def test_full_disk_ends_the_download_and_leaves_nothing(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writers: list[int] = []

    def no_space(self: PartialFile, block: object) -> int:
        writers.append(threading.get_ident())
        raise OSError("no space left")

    monkeypatch.setattr(PartialFile, "write", no_space)
    async with client_for(sandbox) as client:
        with pytest.raises(OSError, match="no space left"):
            await client.files.async_download(sandbox.add_file(CONTENT), tmp_path / "x")
    assert files_in(tmp_path) == []
    assert writers
    assert threading.get_ident() not in writers


async def test_error_of_the_callback_ends_the_download(sandbox: Sandbox, tmp_path: Path) -> None:
    def on_progress(delta: int, size: int | None) -> None:
        raise LookupError("no bar")

    async with client_for(sandbox) as client:
        with pytest.raises(LookupError, match="no bar"):
            await client.files.async_download(sandbox.add_file(CONTENT), tmp_path / "x", on_progress=on_progress)
    assert files_in(tmp_path) == []


def redirect(location: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"location": location})


def whole() -> httpx.Response:
    return httpx.Response(200, content=CONTENT)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(tmp_path: Path, status: int) -> None:
    script = Script(redirect("/moved?signature=2", status), redirect("https://cdn.example/x"), whole())
    path = await client_of(script).files.async_download(URL, tmp_path / "x")
    assert path.read_bytes() == CONTENT
    urls = [str(request.url) for request in script.requests]
    assert urls == [URL, "https://store.example/moved?signature=2", "https://cdn.example/x"]
    assert [request.headers["host"] for request in script.requests] == ["store.example"] * 2 + ["cdn.example"]


async def test_token_and_headers_go_to_the_apis_own_origin_alone(tmp_path: Path) -> None:
    script = Script(
        redirect("https://api.example:8443/x"),
        redirect("https://api.example.evil/x"),
        redirect("https://api.example/x"),
        whole(),
    )
    client = client_of(script, headers={"x-team": "ours"})
    await client.files.async_download("https://api.example/v1/files/1", tmp_path / "x")
    assert {request.headers["accept-encoding"] for request in script.requests} == {"identity"}
    tokens = ["authorization" in request.headers for request in script.requests]
    assert tokens == [True, False, False, True]
    assert ["x-team" in request.headers for request in script.requests] == tokens
    assert script.requests[0].headers["authorization"].startswith(f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://store.example/x", "plain HTTP"),
        ("ftp://store.example/x", "no web address"),
        ("https://store.example:x/", "no web address"),
    ],
)
async def test_redirect_that_leads_astray_is_not_followed(tmp_path: Path, location: str, reason: str) -> None:
    script = Script(redirect(location))
    with pytest.raises(APIResponseError, match=reason) as raised:
        await client_of(script).files.async_download(URL, tmp_path / "x")
    assert len(script.requests) == 1
    assert "s3cr3t" not in str(raised.value)


async def test_redirects_in_a_circle_end(tmp_path: Path) -> None:
    script = Script(forever=redirect(URL))
    with pytest.raises(APIResponseError, match="more than 10"):
        await client_of(script).files.async_download(URL, tmp_path / "x")
    assert len(script.requests) == 11


async def test_answer_without_a_file_is_no_success(tmp_path: Path) -> None:
    with pytest.raises(APIResponseError, match="answered 304"):
        await client_of(Script(httpx.Response(304))).files.async_download(URL, tmp_path / "x")
    with pytest.raises(APIStatusError):
        await client_of(Script(httpx.Response(410))).files.async_download(URL, tmp_path / "x")
