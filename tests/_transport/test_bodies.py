"""The bodies of answers, which are left to us unless they are compressed, and which others may look at afterwards."""

import gzip
import json
from inspect import isasyncgen

import httpx
import pytest
import respx

from tests.support.clients import BASE_URL, ID, prediction
from wriftai_anyio import APIResponseError, Client
from wriftai_anyio._transport.bodies import PlainBody, body_of, read_whole
from wriftai_anyio._transport.pools import Connections

pytestmark = pytest.mark.anyio

VALUE = prediction(input={"text": "käse"})
PATH = f"/predictions/{ID}"
BODY = json.dumps(VALUE, ensure_ascii=False).encode()


class Arriving(httpx.AsyncByteStream):
    def __init__(self, *chunks: bytes) -> None:
        self._chunks = list(chunks)

    def __aiter__(self) -> "Arriving":
        return self

    async def __anext__(self) -> bytes:
        if not self._chunks:
            raise StopAsyncIteration
        return self._chunks.pop(0)


def answer(*chunks: bytes, status: int = 200, encoding: str | None = None) -> httpx.Response:
    request = httpx.Request("GET", BASE_URL)
    headers = {"content-encoding": encoding} if encoding else {}
    return httpx.Response(status, headers=headers, stream=Arriving(*chunks), request=request)


@pytest.mark.parametrize("chunks", [(BODY,), (BODY[:5], b"", BODY[5:]), (b"",), ()])
async def test_the_body_of_a_success_is_joined_and_can_still_be_read(chunks: tuple[bytes, ...]) -> None:
    response = answer(*chunks)
    await read_whole(response)
    assert body_of(response) == b"".join(chunks) == response.read() == response.content == await response.aread()
    assert body_of(response) == response.content
    assert response.text == b"".join(chunks).decode()


async def test_the_body_of_a_success_is_not_read_twice() -> None:
    response = answer(BODY)
    await read_whole(response)
    assert isinstance(response.stream, PlainBody)
    with pytest.raises(httpx.ResponseNotRead):
        _ = response.content


async def test_a_compressed_body_is_decompressed() -> None:
    response = answer(gzip.compress(BODY), encoding="gzip")
    await read_whole(response)
    assert body_of(response) == response.content == BODY


async def test_a_body_that_is_not_what_its_encoding_says_fails_where_it_is_read() -> None:
    with pytest.raises(httpx.DecodingError):
        await read_whole(answer(BODY, encoding="gzip"))


async def test_the_body_of_a_refusal_is_read() -> None:
    response = answer(BODY, status=404)
    await read_whole(response)
    assert body_of(response) == response.content == BODY


@pytest.mark.parametrize("status", [204, 304])
async def test_a_body_that_http_does_not_allow_is_left_unread_and_the_answer_has_none(status: int) -> None:
    response = answer(b"null", status=status)
    response.headers["content-length"] = "4"
    await read_whole(response)
    assert body_of(response) == b""
    assert response.read() == b""


async def test_an_error_about_a_success_shows_its_body(respx_mock: respx.MockRouter) -> None:
    respx_mock.get(f"{BASE_URL}{PATH}").mock(httpx.Response(200, stream=Arriving(b"<html>")))
    async with Client("t", BASE_URL) as client:
        with pytest.raises(APIResponseError) as caught:
            await client.predictions.async_get(ID)
    assert (caught.value.response.content, caught.value.response.text) == (b"<html>", "<html>")


async def test_a_fake_of_httpx_knows_the_answers_that_it_gave(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(f"{BASE_URL}{PATH}").respond(json=VALUE)
    async with Client("t", BASE_URL) as client:
        assert (await client.predictions.async_get(ID))["input"] == VALUE["input"]
    assert route.calls.last.response.json() == VALUE


async def test_a_transport_of_the_user_may_still_read_the_answers_that_it_gave() -> None:
    given: list[httpx.Response] = []

    class Keeping(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
            given.append(answer(BODY))
            return given[-1]

    async with Client("t", BASE_URL, transport=Keeping()) as client:
        assert (await client.predictions.async_get(ID))["input"] == VALUE["input"]
    assert [json.loads(response.read()) for response in given] == [response.json() for response in given] == [VALUE]


@pytest.mark.parametrize("chunks", [[BODY], [BODY[:9], BODY[9:]]])
async def test_a_body_that_a_fake_gives_piece_by_piece_is_read(chunks: list[bytes]) -> None:
    given = httpx.MockTransport(lambda _: httpx.Response(200, content=iter(chunks)))
    async with Client("t", BASE_URL, transport=given) as client:
        assert (await client.predictions.async_get(ID))["input"] == VALUE["input"]


async def test_a_body_in_memory_holds_no_place_and_leaves_no_generator_that_is_not_finished() -> None:
    compressed = httpx.Headers({"content-encoding": "gzip"})
    given = httpx.MockTransport(
        lambda _: httpx.Response(200, headers=compressed, stream=httpx.ByteStream(gzip.compress(BODY)))
    )
    connections = Connections(lambda: given, 1, shared=True)
    request = httpx.Request("GET", BASE_URL)
    first, second = [await connections.send(await connections.enter(), request) for _ in range(2)]
    assert isinstance(first.stream, httpx.AsyncByteStream)
    chunks = aiter(first.stream)
    assert gzip.decompress(await anext(chunks)) == BODY
    assert not isasyncgen(chunks)  # of one that is dropped now, trio would warn
    await read_whole(second)
    assert body_of(second) == second.content == BODY
