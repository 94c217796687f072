"""The calls that an upload is made of."""

from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import Script, Spelling, client_of, in_virtual_time
from wriftai_anyio import APIConnectionError, APIResponseError, APITimeoutError, File, UnprocessableEntityError
from wriftai_anyio._files.multipart import Part, cut

pytestmark = pytest.mark.anyio

URL = "https://store.example/bucket/1?signature=s3cr3t"


def stored() -> httpx.Response:
    return httpx.Response(200, headers={"etag": '"1"'})


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._transport.retries.FIRST_BACKOFF", 0.0)


def created(*urls: str, part_size: int = 10) -> httpx.Response:
    return httpx.Response(201, json={"id": "u1", "urls": list(urls), "part_size": part_size, "expires": "soon"})


def test_create_returns_the_upload_as_it_came(spelling: Spelling) -> None:
    script = Script(created(URL, URL))
    with client_of(script, backend=spelling.backend) as client:
        upload = spelling.call(client.uploads, "create", {"size": 20, "mime_type": "text/plain"})
    assert upload == {"id": "u1", "urls": [URL, URL], "part_size": 10, "expires": "soon"}
    assert script.paths == ["POST /uploads"]
    assert script.bodies == [b'{"size":20,"mime_type":"text/plain"}']


def test_complete_sends_the_etags_and_returns_the_url(spelling: Spelling) -> None:
    script = Script(httpx.Response(200, json={"download_url": URL}))
    with client_of(script, backend=spelling.backend) as client:
        result = spelling.call(client.uploads, "complete", "u/1", {"etags": ['"a"', '"b"']})
    assert result == {"download_url": URL}
    assert script.requests[0].url.raw_path == b"/v1/uploads/u%2F1/complete"
    assert script.bodies == [b'{"etags":["\\"a\\"","\\"b\\""]}']


@pytest.mark.parametrize("size", [-1, 1.5, "1", True])
async def test_size_that_cannot_be_one_is_refused_before_anything_is_sent(size: Any) -> None:
    script = Script()
    with pytest.raises(ValueError, match="size must be"):
        await client_of(script).uploads.async_create({"size": size, "mime_type": "text/plain"})
    assert script.requests == []


async def test_params_that_cannot_be_some_are_refused_before_anything_is_sent() -> None:
    script = Script()
    wrong: Any = {"mime_type": "text/plain"}
    with pytest.raises(ValueError, match="size must be"):
        await client_of(script).uploads.async_create(wrong)
    wrong = ['"etag"']
    with pytest.raises(ValueError, match="params must be a mapping"):
        await client_of(script).uploads.async_complete("u1", wrong)
    assert script.requests == []


async def test_id_that_cannot_be_one_is_refused_before_anything_is_sent() -> None:
    script = Script()
    with pytest.raises(ValueError, match="upload_id"):
        await client_of(script).uploads.async_complete("..", {"etags": []})
    assert script.requests == []


@pytest.mark.parametrize(
    "wrong",
    [
        created(URL),
        created(URL, URL, URL),
        created(URL, URL, part_size=0),
        created(URL, "ftp://store.example/"),
        httpx.Response(200, json={"id": "u1", "urls": [URL, 2], "part_size": 10}),
        httpx.Response(200, json={"id": "u1", "urls": None, "part_size": 10}),
        httpx.Response(200, json=[]),
        *(httpx.Response(200, json={"id": bad, "urls": [URL] * 2, "part_size": 10}) for bad in ("..", "\0", "x" * 600)),
    ],
    ids=[
        *("too few parts", "too many parts", "no part size", "no web address", "no text", "no urls", "a list"),
        *("dots", "control character", "too long"),
    ],
)
async def test_answer_that_is_no_upload_of_this_size_is_refused(wrong: httpx.Response) -> None:
    with pytest.raises(APIResponseError) as raised:
        await client_of(Script(wrong)).uploads.async_create({"size": 20, "mime_type": "text/plain"})
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize("urls", [[], [URL]])
async def test_empty_file_may_have_one_part_or_none(urls: list[str]) -> None:
    client = client_of(Script(created(*urls, part_size=0)))
    upload = await client.uploads.async_create({"size": 0, "mime_type": "text/plain"})
    assert upload["urls"] == urls


async def test_completion_without_a_url_is_refused() -> None:
    client = client_of(Script(httpx.Response(200, json={"download_url": None})))
    with pytest.raises(APIResponseError, match="no `download_url`"):
        await client.uploads.async_complete("u1", {"etags": []})


async def test_completion_whose_url_is_no_whole_address_is_returned_as_it_came() -> None:
    client = client_of(Script(httpx.Response(200, json={"download_url": "/files/1"})))
    assert await client.uploads.async_complete("u1", {"etags": []}) == {"download_url": "/files/1"}


async def test_refusal_of_an_upload_is_the_apis_error() -> None:
    client = client_of(Script(httpx.Response(422, json={"detail": "too large"})))
    with pytest.raises(UnprocessableEntityError, match="too large"):
        await client.files.async_upload(File(b"x"))


@pytest.mark.parametrize("gateway", [{}, {"etag": ""}, {"content-type": "text/html"}], ids=str)
async def test_success_without_an_etag_is_sent_again_like_a_failure(gateway: dict[str, str], no_pause: None) -> None:
    page = httpx.Response(200, headers=gateway, content=b"<html>")
    script = Script(created(URL, URL), stored(), page, stored(), httpx.Response(200, json={"download_url": URL}))
    told: list[int] = []
    await client_of(script).files.async_upload(File(b"x" * 20), lambda delta, _: told.append(delta))
    assert script.bodies[1:] == [b"x" * 10] * 3 + [b'{"etags":["\\"1\\"","\\"1\\""]}']
    assert sum(told) == 20


async def test_success_that_never_has_an_etag_is_not_completed(no_pause: None) -> None:
    script = Script(created(URL), forever=httpx.Response(200, content=b"<html>"))
    with pytest.raises(APIResponseError, match="answered 200, but without an ETag") as raised:
        await client_of(script, max_retries=2).files.async_upload(File(b"x" * 10))
    assert script.bodies[1:] == [b"x" * 10] * 3
    assert "s3cr3t" not in f"{raised.value} {raised.value.response.request.url}"


async def test_redirect_of_a_part_is_not_followed() -> None:
    script = Script(created(URL), httpx.Response(307, headers={"location": URL}))
    with pytest.raises(APIResponseError, match="answered 307"):
        await client_of(script).files.async_upload(File(b"x" * 10))


async def test_progress_is_whole_also_if_the_store_answers_before_it_asks_for_the_end() -> None:
    class Hasty(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/uploads"):
                return created(URL)
            return httpx.Response(200, headers={"etag": '"1"'}, json={"download_url": URL})

    told: list[int] = []
    await client_of(Hasty()).files.async_upload(File(b"0123456789"), lambda delta, _: told.append(delta))
    assert told == [10]


async def test_presigned_url_on_the_apis_own_host_gets_no_token() -> None:
    url = "https://api.example/store/1?signature=s3cr3t"
    script = Script(created(url), stored(), httpx.Response(200, json={"download_url": url}))
    await client_of(script).files.async_upload(File(b"x" * 10))
    assert ["authorization" in request.headers for request in script.requests] == [True, False, True]


def test_parts_are_cut_one_after_another() -> None:
    assert cut(25, 10, ["a", "b", "c"]) == [Part("a", 0, 10), Part("b", 10, 10), Part("c", 20, 5)]
    assert cut(7, 7, ["a"]) == [Part("a", 0, 7)]
    assert cut(0, 0, ["a"]) == [Part("a", 0, 0)]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._files.multipart.CHUNK_SIZE", 1)


class SlowStore(httpx.AsyncBaseTransport):
    """Takes a second and a half for each byte, and never answers if it is told so."""

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self.received = b""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/uploads"):
            return created(URL)
        if request.method == "POST":
            return httpx.Response(200, json={"download_url": URL})
        assert isinstance(request.stream, httpx.AsyncByteStream)
        async for chunk in request.stream:
            await anyio.sleep(1.5)
            self.received += chunk
        if not self._answers:
            await anyio.sleep_forever()
        return stored()


async def slowly(request: httpx.Request) -> httpx.Response:
    """Takes a part over a line of 2,000 bytes a second."""
    assert isinstance(request.stream, httpx.AsyncByteStream)
    async for chunk in request.stream:
        await anyio.sleep(len(chunk) / 2_000)
    return stored()


class TestInVirtualTime:
    @pytest.fixture
    def anyio_backend(self, anyio_backend: str) -> tuple[str, dict[str, Any]]:
        return in_virtual_time(anyio_backend)

    async def test_part_may_take_longer_than_the_timeout_as_long_as_it_goes_on(self, small_chunks: None) -> None:
        store = SlowStore(answers=True)
        await client_of(store, timeout=1.0).files.async_upload(File(b"0123456789"))
        assert store.received == b"0123456789"

    async def test_line_too_slow_for_a_chunk_in_the_timeout_gets_smaller_ones(self) -> None:
        script = Script(
            created(URL, part_size=300_000),
            *(slowly, slowly),
            httpx.Response(200, json={"download_url": URL}),
            reads_body=False,
        )
        told: list[int] = []
        await client_of(script).files.async_upload(File(bytes(300_000)), lambda delta, _: told.append(delta))
        assert sum(told) == 300_000

    @pytest.mark.parametrize("lost", [httpx.ReadError("reset by peer"), httpx.Response(503)], ids=["dropped", "503"])
    async def test_completion_whose_answer_is_lost_is_asked_for_again(self, lost: httpx.Response | Exception) -> None:
        script = Script(created(URL), stored(), lost, httpx.Response(200, json={"download_url": URL}))
        uploaded = await client_of(script).files.async_upload(File(b"0123456789"))
        assert uploaded == {"download_url": URL}
        assert script.paths[2:] == ["POST /uploads/u1/complete"] * 2
        assert script.bodies[2] == script.bodies[3]

    async def test_part_that_is_not_answered_times_out(self, small_chunks: None) -> None:
        client = client_of(SlowStore(answers=False), timeout=1.0, max_retries=0)
        with pytest.raises(APITimeoutError) as raised:
            await client.files.async_upload(File(b"0123456789"))
        assert isinstance(raised.value, APIConnectionError)
        assert "s3cr3t" not in f"{raised.value} {raised.value.request.url}"
