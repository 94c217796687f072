"""What stores answer: headers that are not ASCII, and more than anyone wants to read."""

import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import Script, client_of, in_virtual_time
from wriftai_anyio import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    File,
    PermissionDeniedError,
    WriftAIError,
)
from wriftai_anyio._files.object_store import LONGEST_EXPLANATION, MOST_SAID

pytestmark = pytest.mark.anyio

URL = "https://store.example/output?signature=s3cr3t"
CONTENT = b"0123456789"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._transport.retries.FIRST_BACKOFF", 0.0)


class Cut(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield CONTENT[:5]
        raise httpx.ReadError("cut")


class Endless(httpx.AsyncByteStream):
    def __init__(self, chunk: bytes = b"x" * 10_000) -> None:
        self._chunk = chunk
        self.given = 0
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await anyio.sleep(1.0)
            self.given += len(self._chunk)
            yield self._chunk

    async def aclose(self) -> None:
        self.closed = True


def created(*urls: str) -> httpx.Response:
    return httpx.Response(200, json={"id": "u1", "urls": urls, "part_size": 10})


def completed() -> httpx.Response:
    return httpx.Response(200, json={"download_url": URL})


def raw(status: int, *headers: tuple[bytes, bytes], **body: Any) -> httpx.Response:
    return httpx.Response(status, headers=list(headers), **body)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"ETag", b'"caf\xe9"'),
        (b"ETag", b'"caf\xc3\xa9"'),
        (b"ETag", b'"\x80\xff"'),
        (b"Last-Modified", b"Mi, 21 Okt 2015, fr\xfch"),
    ],
)
async def test_validator_is_sent_back_byte_for_byte(tmp_path: Path, name: bytes, value: bytes) -> None:
    size = (b"content-length", b"10")
    rest = raw(206, (name, value), (b"content-range", b"bytes 5-9/10"), content=CONTENT[5:])
    script = Script(raw(200, (name, value), size, stream=Cut()), rest)
    path = await client_of(script).files.async_download(URL, tmp_path / "x")
    assert path.read_bytes() == CONTENT
    assert (b"if-range", value) in script.requests[1].headers.raw


async def test_validator_that_differs_in_one_byte_is_that_of_another_file(tmp_path: Path) -> None:
    size = (b"content-length", b"10")
    script = Script(
        raw(200, (b"etag", b'"\xe9"'), size, stream=Cut()),
        raw(206, (b"etag", b'"\xe8"'), (b"content-range", b"bytes 5-9/10"), content=b"other"),
        raw(200, content=CONTENT),
    )
    path = await client_of(script).files.async_download(URL, tmp_path / "x")
    assert path.read_bytes() == CONTENT


async def test_error_after_such_a_validator_is_one_of_ours(tmp_path: Path) -> None:
    script = Script(raw(200, (b"etag", b'"\xe9"'), stream=Cut()), forever=httpx.ReadError("reset"))
    with pytest.raises(APIConnectionError) as raised:
        await client_of(script, max_retries=1).files.async_download(URL, tmp_path / "x")
    assert (b"if-range", b'"\xe9"') in raised.value.request.headers.raw


@pytest.mark.parametrize(
    ("location", "path"),
    [
        (b"/caf\xe9", b"/caf%E9"),
        (b"/caf\xc3\xa9", b"/caf%C3%A9"),
        (b"/\xff?x=\xfe", b"/%FF?x=%FE"),
        (b"https://store.example/caf\xe9", b"/caf%E9"),
    ],
)
async def test_location_leads_where_its_bytes_say(tmp_path: Path, location: bytes, path: bytes) -> None:
    moved = raw(302, (b"location", location), (b"x-note", b"\xe9"))
    script = Script(moved, raw(200, content=CONTENT))
    await client_of(script).files.async_download(URL, tmp_path / "x")
    assert script.requests[1].url.raw_path == path


@pytest.mark.parametrize(
    "location", [b"https://\xe9/", b"https://\xff.example/", b"//\xed\xa0\x80/", b"https://xn--\xe9/"]
)
async def test_location_that_names_no_host_ends_in_one_of_our_errors(tmp_path: Path, location: bytes) -> None:
    script = Script(raw(302, (b"location", location)), forever=httpx.ConnectError("no such host"))
    with pytest.raises(WriftAIError):
        await client_of(script, max_retries=0).files.async_download(URL, tmp_path / "x")


@pytest.mark.parametrize("host", [b"a" * 64, b"a..b", b".", b"a" * 300])
async def test_location_whose_host_cannot_be_resolved_is_not_followed(tmp_path: Path, host: bytes) -> None:
    with pytest.raises(APIResponseError, match="leads to no web address"):
        await client_of(Script(raw(302, (b"location", b"https://%s/" % host)))).files.async_download(
            URL, tmp_path / "x"
        )


async def test_refusal_with_headers_that_are_not_ascii_keeps_them(tmp_path: Path) -> None:
    headers = [(b"content-disposition", b"x; filename=\xe9"), (b"x-amz-id-2", b"\xff\x80"), (b"etag", b"\xe9")]
    with pytest.raises(PermissionDeniedError) as raised:
        await client_of(Script(raw(403, *headers))).files.async_download(URL, tmp_path / "x")
    assert set(headers) <= set(raised.value.response.headers.raw)


@pytest.mark.parametrize(
    ("etag", "sent"),
    [(b'"caf\xe9"', '"café"'), (b'"caf\xc3\xa9"', '"café"'), (b'W/"\xff"', 'W/"ÿ"'), (b'"plain"', '"plain"')],
)
async def test_etag_of_a_part_is_told_to_the_api(etag: bytes, sent: str) -> None:
    script = Script(created(URL), raw(200, (b"ETag", etag), (b"x-note", b"\x80")), completed())
    await client_of(script).files.async_upload(File(CONTENT))
    assert httpx.Response(200, content=script.bodies[2]).json() == {"etags": [sent]}


EXPIRED = b"<Code>AccessDenied</Code><Message>Request has expired &amp; is void</Message>"
SAID_BY_STORES = [
    (403, EXPIRED, "403: AccessDenied: Request has expired & is void. If the URL is presigned, it may have expired."),
    (413, b"<Code>EntityTooLarge</Code>", "413: EntityTooLarge."),
    (400, b"<Code>x</Code><Message>not signed as s3cr3t+sign</Message>", "400: Bad Request. If the URL is"),
    (409, b"<Code>x</Code><Message>not signed as s3cr3t%2Bsign</Message>", "409: Conflict."),
    (404, b"<html>" + bytes(100_000), "404: Not Found. If the URL is"),
    (409, b"<Code>" + b"x" * 301 + b"</Code><Message>\xff</Message>", "409: \ufffd."),
]


@pytest.mark.parametrize("kind", ["part", "download"])
@pytest.mark.parametrize(("status", "said", "shown"), SAID_BY_STORES)
async def test_refusal_says_what_the_store_says_and_no_secret(
    tmp_path: Path, kind: str, status: int, said: bytes, shown: str
) -> None:
    url = "https://store.example/x?flag=x&signature=s3cr3t%2Bsign"
    refused = raw(status, content=b'<?xml version="1.0"?><Error>' + said + b"</Error>")
    script = Script(refused) if kind == "download" else Script(created(url), refused)
    files = client_of(script).files
    with pytest.raises(APIStatusError) as raised:
        await (files.async_download(url, tmp_path / "x") if kind == "download" else files.async_upload(File(CONTENT)))
    assert f"was answered {shown}" in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    assert (raised.value.code == "AccessDenied") == (said == EXPIRED)
    assert not any(os.scandir(tmp_path))


async def test_refusal_in_an_encoding_that_was_not_asked_for_is_not_decoded() -> None:
    bomb = gzip.compress(bytes(10_000_000))
    refused = raw(403, (b"content-encoding", b"gzip"), content=b"")
    refused.stream = httpx.ByteStream(bomb)
    with pytest.raises(PermissionDeniedError) as raised:
        await client_of(Script(created(URL), refused)).files.async_upload(File(CONTENT))
    assert raised.value.response.content == b""


async def test_download_in_an_encoding_that_was_not_asked_for_is_kept_as_it_is(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    answer = raw(200, (b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(bomb)), content=b"")
    answer.stream = httpx.ByteStream(bomb)
    path = await client_of(Script(answer)).files.async_download(URL, tmp_path / "x")
    assert path.read_bytes() == bomb


async def test_range_of_absurd_length_is_refused(tmp_path: Path) -> None:
    first = raw(200, (b"etag", b'"1"'), stream=Cut())
    absurd = raw(206, (b"etag", b'"1"'), (b"content-range", b"bytes %s-9/10" % (b"5" * 5000)))
    with pytest.raises(APIResponseError, match="another range"):
        await client_of(Script(first, absurd)).files.async_download(URL, tmp_path / "x")


class TestInVirtualTime:
    @pytest.fixture
    def anyio_backend(self, anyio_backend: str) -> tuple[str, dict[str, Any]]:
        return in_virtual_time(anyio_backend)

    async def test_endless_refusal_is_read_no_further_than_its_beginning(self) -> None:
        endless = Endless()
        with pytest.raises(PermissionDeniedError) as raised:
            await client_of(Script(created(URL), raw(403, stream=endless))).files.async_upload(File(CONTENT))
        assert len(raised.value.response.content) == MOST_SAID
        assert endless.given < MOST_SAID + 20_000
        assert endless.closed

    async def test_a_store_that_never_says_why_it_refuses_a_download_is_not_awaited_for_long(
        self, tmp_path: Path
    ) -> None:
        endless, began = Endless(b""), anyio.current_time()
        with pytest.raises(PermissionDeniedError):
            await client_of(Script(raw(403, stream=endless))).files.async_download(URL, tmp_path / "x")
        assert anyio.current_time() - began < LONGEST_EXPLANATION + 1
        assert endless.closed

    async def test_part_is_stored_whatever_comes_after_the_head_of_its_answer(self) -> None:
        slow = Endless(b"x")
        etag = (b"etag", b'"1"')
        for stream in (Cut(), slow):
            script = Script(created(URL), raw(200, etag, stream=stream), completed())
            await client_of(script, timeout=2.0).files.async_upload(File(CONTENT))
            assert script.bodies[2] == b'{"etags":["\\"1\\""]}'
        assert slow.given < 10
