"""Faults over real HTTP: what is sent again, which error it becomes, and how often the server creates."""

import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from anyio.abc import SocketStream

from tests.support.clients import TOKEN, prediction
from tests.support.raw_server import http, raw_server
from wriftai_anyio import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    Client,
    CreateOutcomeUnknown,
    InternalServerError,
    RateLimitError,
    WriftAIError,
)
from wriftai_anyio._version import __version__
from wriftai_anyio.predictions import CreatePredictionParams
from wriftai_anyio.sandbox import FaultKind, Sandbox

pytestmark = pytest.mark.anyio

MODEL = "sandbox/echo"
PARAMS: CreatePredictionParams = {"input": "hello"}
STALLS: set[FaultKind | int] = {"stall", "stall_after"}


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._transport.retries.FIRST_BACKOFF", 0.01)


@asynccontextmanager
async def connected(
    sandbox: Sandbox, fault: FaultKind | int | None = None, *, max_retries: int = 2
) -> AsyncIterator[Client]:
    timeout = 0.4 if fault in STALLS else 5
    async with Client(TOKEN, sandbox.base_url, timeout=timeout, max_retries=max_retries) as client:
        yield client


def requests(sandbox: Sandbox, method: str) -> int:
    return sum(request.method == method for request in sandbox.requests)


PASSING: dict[FaultKind | int, type[WriftAIError]] = {
    "drop": APIConnectionError,
    "drop_after": APIConnectionError,
    "half": APIConnectionError,
    "stall": APITimeoutError,
    "stall_after": APITimeoutError,
    408: APIStatusError,
    500: InternalServerError,
    502: InternalServerError,
    503: InternalServerError,
    504: InternalServerError,
}
WRONG: list[FaultKind] = ["html", "garbage", "shape"]


@pytest.mark.parametrize("fault", PASSING)
async def test_a_passing_fault_is_retried_and_the_call_succeeds(sandbox: Sandbox, fault: FaultKind | int) -> None:
    sandbox.fail_next(fault)
    async with connected(sandbox, fault) as client:
        assert (await client.predictions.async_list()).items == []
    assert requests(sandbox, "GET") == 2


@pytest.mark.parametrize("fault", PASSING)
async def test_a_lasting_fault_becomes_its_error(sandbox: Sandbox, fault: FaultKind | int) -> None:
    sandbox.fail_next(fault, times=2)
    async with connected(sandbox, fault, max_retries=1) as client:
        with pytest.raises(PASSING[fault]):
            await client.predictions.async_list()
    assert requests(sandbox, "GET") == 2


@pytest.mark.parametrize("fault", WRONG)
async def test_an_answer_that_is_not_as_promised_is_an_error_of_its_own(sandbox: Sandbox, fault: FaultKind) -> None:
    sandbox.fail_next(fault)
    async with connected(sandbox) as client:
        with pytest.raises(APIResponseError):
            await client.predictions.async_list()
    assert requests(sandbox, "GET") == 1


async def check_that_it_is_sent_once(sandbox: Sandbox, fault: FaultKind | int, *, wait: bool) -> None:
    sandbox.fail_next(fault, method="POST")
    async with connected(sandbox, fault) as client:
        with pytest.raises(CreateOutcomeUnknown):
            await client.predictions.async_create(PARAMS, MODEL, wait=wait)
    assert requests(sandbox, "POST") == 1
    assert len(sandbox.predictions) == (fault in {"drop_after", "half", "stall_after"})


@pytest.mark.parametrize("fault", [*PASSING, *WRONG])
async def test_a_create_that_may_have_been_taken_is_sent_once(sandbox: Sandbox, fault: FaultKind | int) -> None:
    await check_that_it_is_sent_once(sandbox, fault, wait=False)


@pytest.mark.parametrize("fault", ["drop", "drop_after", "half", 408, 500, 504, *WRONG])
async def test_a_held_create_that_may_have_been_taken_is_sent_once(sandbox: Sandbox, fault: FaultKind | int) -> None:
    await check_that_it_is_sent_once(sandbox, fault, wait=True)


async def test_a_create_over_the_rate_limit_is_made_once(sandbox: Sandbox) -> None:
    sandbox.fail_next(429, times=3, headers={"Retry-After": "0"})
    async with connected(sandbox) as client:
        await client.predictions.async_create(PARAMS, MODEL)
    assert (requests(sandbox, "POST"), len(sandbox.predictions)) == (4, 1)


async def test_a_rate_limit_without_retries_is_its_error(sandbox: Sandbox) -> None:
    sandbox.fail_next(429)
    async with connected(sandbox, max_retries=0) as client:
        with pytest.raises(RateLimitError):
            await client.predictions.async_create(PARAMS, MODEL)
    assert sandbox.predictions == []


async def test_a_gateway_that_answers_html_is_retried_and_told_by_its_status(sandbox: Sandbox) -> None:
    sandbox.fail_next(502, times=2, body="<h1>Bad gateway</h1>", headers={"Content-Type": "text/html"})
    async with connected(sandbox, max_retries=1) as client:
        with pytest.raises(InternalServerError, match="answered 502: Bad Gateway"):
            await client.predictions.async_list()


async def test_a_refused_connection_is_tried_again_and_surely_did_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    async with Client(TOKEN, f"http://127.0.0.1:{port}/v1") as client:
        with pytest.raises(APIConnectionError, match="The server did nothing") as caught:
            await client.predictions.async_create(PARAMS, MODEL)
    assert caught.value.request_sent is False


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_never_carries_the_token_to_another_host(sandbox: Sandbox, code: int) -> None:
    with Sandbox() as elsewhere:
        for _ in range(2):
            sandbox.fail_next(code, headers={"Location": f"{elsewhere.base_url}/predictions"})
        async with connected(sandbox) as client:
            with pytest.raises(APIResponseError, match="redirect"):
                await client.predictions.async_list()
            with pytest.raises(APIResponseError, match="redirect"):
                await client.predictions.async_create(PARAMS, MODEL)
        assert elsewhere.requests == []
    assert len(sandbox.requests) == 2


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_within_the_api_is_followed(sandbox: Sandbox, code: int) -> None:
    sandbox.fail_next(code, headers={"Location": "/v1/predictions?page_size=5"})
    async with connected(sandbox) as client:
        assert (await client.predictions.async_list()).items == []
    assert [request.query["page_size"] for request in sandbox.requests[1:]] == ["5"]


@pytest.mark.parametrize(("code", "created"), [(302, 0), (307, 1), (308, 1)])
async def test_a_create_that_is_redirected_goes_out_again_only_where_it_stays_one(
    sandbox: Sandbox, code: int, created: int
) -> None:
    sandbox.fail_next(code, headers={"Location": f"{sandbox.base_url}/predictions"})
    async with connected(sandbox) as client:
        if created:
            prediction = await client.predictions.async_create(PARAMS, MODEL, wait=True)
            assert prediction["input"] == PARAMS["input"]
        else:
            with pytest.raises(APIResponseError, match="redirect"):
                await client.predictions.async_create(PARAMS, MODEL)
    assert len(sandbox.predictions) == created


async def test_redirects_in_a_circle_end(sandbox: Sandbox) -> None:
    sandbox.fail_next(307, times=9, headers={"Location": "predictions?again"})
    async with connected(sandbox) as client:
        with pytest.raises(APIResponseError, match="redirect"):
            await client.predictions.async_list()
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000,
        http(b"not gzip", "Content-Encoding: gzip"),
        b"",
    ],
    ids=["another protocol", "two lengths", "no chunk", "too short", "endless head", "no gzip", "nothing"],
)
async def test_what_is_no_http_is_a_connection_error(garbage: bytes) -> None:
    seen = 0

    async def respond(connection: SocketStream, _: bytes) -> None:
        nonlocal seen
        seen += 1
        await connection.send(garbage)
        raise EOFError

    async with raw_server(respond) as url, Client(TOKEN, url, timeout=2) as client:
        with pytest.raises(APIConnectionError):
            await client.predictions.async_list()
        with pytest.raises(CreateOutcomeUnknown):
            await client.predictions.async_create(PARAMS, MODEL)
    assert seen == 4


async def test_creates_survive_a_server_that_closes_idle_connections_without_a_word() -> None:
    creates = 0

    async def respond(connection: SocketStream, _: bytes) -> None:
        nonlocal creates
        creates += 1
        await connection.send(http(httpx.Response(200, json=prediction("pending")).content, status="201 Created"))
        raise EOFError

    async with raw_server(respond) as url, Client(TOKEN, url) as client:
        for _ in range(5):
            await client.predictions.async_create(PARAMS, MODEL)
    assert creates == 5


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 4\r\n\r\nnull", b"Transfer-Encoding: chunked\r\n\r\n4\r\nnull\r\n0\r\n\r\n"]
)
async def test_a_body_after_204_is_not_taken_for_the_answer_to_the_next_request(framing: bytes) -> None:
    creates = 0

    async def respond(connection: SocketStream, head: bytes) -> None:
        nonlocal creates
        if b"/cancel" in head:
            await connection.send(b"HTTP/1.1 204 No Content\r\n" + framing)
            return
        creates += 1
        await connection.send(http(httpx.Response(200, json=prediction("pending")).content, status="201 Created"))

    async with raw_server(respond) as url, Client(TOKEN, url) as client:
        for _ in range(2):
            created = await client.predictions.async_create(PARAMS, MODEL)
            await client.predictions.async_cancel(created["id"])
    assert creates == 2


async def test_no_create_goes_out_when_a_server_is_about_to_close_its_idle_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connections: list[SocketStream] = []
    monotonic, passed = time.monotonic, 0.0

    async def respond(connection: SocketStream, _: bytes) -> None:
        connections.append(connection)
        await connection.send(http(httpx.Response(200, json=prediction("pending")).content, status="201 Created"))

    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed)
    async with raw_server(respond) as url, Client(TOKEN, url) as client:
        for pause in (0.0, 3.0, 4.8):
            passed += pause
            await client.predictions.async_create(PARAMS, MODEL)
    first, second, third = connections
    assert first is second
    assert second is not third


async def test_the_server_sees_host_token_and_agent_once() -> None:
    heads: list[list[bytes]] = []

    async def respond(connection: SocketStream, head: bytes) -> None:
        heads.append(sorted(head.split(b"\r\n")[1:], key=bytes.lower))
        await connection.send(http(httpx.Response(200, json=prediction("pending")).content))

    async with raw_server(respond) as url, Client(TOKEN, url) as client:
        await client.predictions.async_create(PARAMS, MODEL)
        host = url.partition("//")[2]
    names = [line.partition(b":")[0].lower() for line in heads[0]]
    assert len(set(names)) == len(names)
    assert {f"host: {host}", f"authorization: bearer {TOKEN}", f"user-agent: wriftai-anyio/{__version__}"} <= {
        line.decode().lower() for line in heads[0]
    }
