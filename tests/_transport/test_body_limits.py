"""Bodies of answers: bounded as they come and decoded, and decoded without keeping others waiting."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, Script, client_of, prediction
from wriftai_anyio import APIConnectionError, APIResponseError, CreateOutcomeUnknown
from wriftai_anyio._transport.bodies import DECODED_AT_ONCE, Decoder

pytestmark = pytest.mark.anyio

LARGEST = 4 * DECODED_AT_ONCE


class Chunks(httpx.AsyncByteStream):
    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks
        self.given = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            await anyio.lowlevel.checkpoint()
            self.given += 1
            yield chunk


def raw_deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "DEFLATE": raw_deflate,
}


async def got(coding: str | None, *chunks: bytes, method: str = "async_get", **options: Any) -> Any:
    headers = {} if coding is None else {"content-encoding": coding}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=Chunks(*chunks)))
    call = getattr(client_of(script, max_retries=0, max_response_size=LARGEST, **options).predictions, method)
    return await call(*([ID] if method == "async_get" else [{"input": 1}, "o/n"]))


@pytest.mark.parametrize("coding", PACKED)
@pytest.mark.parametrize("cut", [1, 7, 10**6])
async def test_an_encoded_body_is_decoded_however_it_is_cut(coding: str, cut: int) -> None:
    packed = PACKED[coding](json.dumps(prediction()).encode())
    chunks = [packed[start : start + cut] for start in range(0, len(packed), cut)]
    assert (await got(coding, *chunks))["id"] == ID


async def test_a_large_body_is_decoded_whole() -> None:
    output = "".join(map(str, range(DECODED_AT_ONCE // 4)))
    packed = gzip.compress(json.dumps(prediction(output=output)).encode())
    assert (await got("gzip", packed))["output"] == output


@pytest.mark.parametrize("coding", ["gzip, gzip", "gzip,gzip", "br", "deflate, identity", "x" * 500])
async def test_an_encoding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with pytest.raises(APIResponseError, match="content encoding") as caught:
        await got(coding, b"whatever")
    assert len(str(caught.value)) < 500


async def test_what_is_not_encoded_as_it_says_is_a_broken_answer() -> None:
    with pytest.raises(APIConnectionError, match="DecodingError"):
        await got("gzip", b"not gzip")


@pytest.mark.parametrize("coding", [None, "gzip", "deflate"])
async def test_a_body_that_is_too_large_is_refused_and_tells_the_id(coding: str | None) -> None:
    body = json.dumps({**prediction(), "output": "x" * LARGEST}).encode()
    packed = body if coding is None else PACKED[coding](body)
    with pytest.raises(APIResponseError, match="max_response_size"):
        await got(coding, packed)
    with pytest.raises(CreateOutcomeUnknown, match="max_response_size") as caught:
        await got(coding, packed, method="async_create")
    assert caught.value.prediction_id == ID


async def test_no_more_is_read_than_is_taken() -> None:
    chunks = Chunks(*[bytes(DECODED_AT_ONCE)] * 20)
    client = client_of(Script(httpx.Response(200, stream=chunks)), max_response_size=LARGEST)
    with pytest.raises(APIResponseError, match="max_response_size"):
        await client.predictions.async_get(ID)
    assert chunks.given <= LARGEST // DECODED_AT_ONCE + 1


async def test_others_have_their_turn_while_a_body_is_decoded() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take_turns)
        with pytest.raises(APIResponseError):
            await got("gzip", gzip.compress(bytes(20 * LARGEST)))
        tasks.cancel_scope.cancel()
    assert turns >= LARGEST // DECODED_AT_ONCE - 1


def test_a_piece_is_never_large() -> None:
    decoder = Decoder("gzip")
    decoder.feed(gzip.compress(bytes(10 * DECODED_AT_ONCE)))
    assert [len(piece) for piece in iter(decoder.next_piece, b"")] == [DECODED_AT_ONCE] * 10
