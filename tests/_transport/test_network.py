"""The preparation of the network, which the first call of a client waits for."""

import json
import logging
import os
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio import fail_after
from anyio.abc import ByteStream, Listener, SocketAttribute, SocketStream
from anyio.streams.tls import TLSListener

from tests.support.clients import ID, client_of, prediction
from tests.support.patience import PATIENCE
from tests.support.tls import CERTIFICATE, server_context
from wriftai_anyio import APIConnectionError, Client, CreateOutcomeUnknown, NetworkSettingsError
from wriftai_anyio._transport.network import GivenTransport, Network


@pytest.fixture
def stalled_preparation(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets no preparation end before the test does; the event says that one has begun."""
    begun, end = threading.Event(), threading.Event()

    def prepare(_: Network, scheme: str) -> None:
        begun.set()
        end.wait(PATIENCE)

    monkeypatch.setattr(Network, "prepare", prepare)
    yield begun
    end.set()


@pytest.mark.anyio
async def test_a_first_call_can_be_left_while_the_network_is_prepared(stalled_preparation: threading.Event) -> None:
    async with Client("t", "http://127.0.0.1:9") as client:
        with anyio.fail_after(PATIENCE):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.predictions.async_get, "pred1")
                await anyio.to_thread.run_sync(stalled_preparation.wait, PATIENCE)
                tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_a_create_whose_host_cannot_be_looked_up_for_want_of_a_thread_was_not_sent_and_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts: list[httpx.Request] = []

    async def fail(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        raise RuntimeError("can't start new thread")  # as of the thread in which the event loop looks it up

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fail)
    async with Client("t", "http://127.0.0.1:9", max_retries=1) as client:
        with anyio.fail_after(PATIENCE), pytest.raises(APIConnectionError, match="can't start new thread") as caught:
            await client.predictions.async_create({"input": {}}, "o/n")
    assert not caught.value.request_sent
    assert len(attempts) == 2


async def answer_with_a_prediction(connection: ByteStream) -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        async with connection:
            await connection.receive()
            body = json.dumps(prediction()).encode()
            await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Answers requests with a prediction, over loopback, and yields the address."""
    listener: Listener[Any] = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)
    if tls is not None:
        listener = TLSListener(listener, tls, standard_compatible=False)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, answer_with_a_prediction)
        with anyio.fail_after(PATIENCE):
            yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


@pytest.fixture
def tls() -> ssl.SSLContext:
    """Serves TLS with a certificate that nobody vouches for but itself."""
    return server_context()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Notes each time that authorities are read, and what the environment says then."""
    noted: list[str | None] = []
    create = httpx.create_ssl_context

    def note() -> ssl.SSLContext:
        noted.append(os.environ.get("SSL_CERT_FILE"))
        return create()

    monkeypatch.setattr(httpx, "create_ssl_context", note)
    return noted


async def status_from(base_url: str) -> str:
    async with Client("t", base_url, max_retries=0) as client:
        return (await client.predictions.async_get(ID))["status"]


@pytest.mark.anyio
async def test_the_authorities_are_those_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext
) -> None:
    async with serving(tls) as base_url:
        with pytest.raises(APIConnectionError, match=r"(?i)certificate.*The server did nothing"):
            await status_from(base_url)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert await status_from(base_url) == "succeeded"


@pytest.mark.anyio
async def test_all_clients_read_the_authorities_once(
    monkeypatch: pytest.MonkeyPatch, tls: ssl.SSLContext, reads: list[str | None], tmp_path: Path
) -> None:
    named = tmp_path / "authorities.pem"
    named.write_bytes(CERTIFICATE.read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    async with serving(tls) as base_url, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(status_from, base_url)
    assert reads == [str(named)]


@pytest.mark.anyio
async def test_without_tls_no_authorities_are_read(reads: list[str | None]) -> None:
    async with serving() as base_url:
        assert await status_from(base_url) == "succeeded"
    assert reads == []


async def answer_as_proxy(connection: SocketStream) -> None:
    async with connection:
        head = await connection.receive()
        assert head.startswith(b"GET http://store.example/x?signature=s3cr3t ")
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfile")


@pytest.mark.anyio
async def test_no_library_logs_a_query_of_ours_when_it_goes_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}")
    async with listener, anyio.create_task_group() as tasks, Client("t", "http://api.example") as client:
        tasks.start_soon(listener.serve, answer_as_proxy)
        with anyio.fail_after(PATIENCE):
            path = await client.files.async_download("http://store.example/x?signature=s3cr3t", tmp_path / "x")
        tasks.cancel_scope.cancel()
    assert path.read_bytes() == b"file"
    assert "receive_response_headers.complete" in caplog.text
    assert "s3cr3t" not in caplog.text


class Given(httpx.AsyncBaseTransport):
    """A user's transport that does something with each request before it answers it."""

    def __init__(self, use: Callable[[httpx.Request], object]) -> None:
        self._use = use

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        done = self._use(request)
        if isinstance(done, Awaitable):
            await done
        return httpx.Response(200, json=prediction())


def change(request: httpx.Request) -> None:
    request.headers["x-key"] = "s3cr3t"
    request.url = request.url.copy_with(query=b"key=s3cr3t")
    request.extensions = {}


@pytest.mark.anyio
class TestGivenTransports:
    @pytest.mark.parametrize("read", [lambda request: request.content, lambda request: request.read()])
    async def test_it_has_the_content_of_each_request_at_once(self, read: Callable[[httpx.Request], bytes]) -> None:
        contents: list[bytes] = []
        async with client_of(Given(lambda request: contents.append(read(request)))) as client:
            await client.predictions.async_create({"input": 1}, "o/n")
            await client.predictions.async_get(ID)
        assert contents == [b'{"model":"o/n","input":1}', b""]

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_calls_in_a_loop_notice_a_deadline_though_it_answers_at_once(self, method: str) -> None:
        answered = 0

        def count(_: httpx.Request) -> None:
            nonlocal answered
            answered += 1
            assert answered < 5_000, "no deadline was noticed"

        async with client_of(Given(count)) as client:
            with anyio.move_on_after(0.05) as scope:
                while True:
                    await (client.predictions.async_get(ID) if method == "GET" else client.predictions.async_cancel(ID))
        assert scope.cancelled_caught

    async def test_what_it_changes_of_a_request_shows_in_no_error(self) -> None:
        def fail(request: httpx.Request) -> None:
            change(request)
            raise httpx.ReadError("x")

        async with client_of(Given(fail), max_retries=0) as client:
            with pytest.raises(APIConnectionError) as caught:
                await client.predictions.async_get(ID)
        assert "s3cr3t" not in f"{caught.value} {caught.value.request.headers} {caught.value.request.url}"

    async def test_a_request_whose_extensions_it_replaces_waits_for_a_place_in_its_pool(self) -> None:
        full = [httpx.PoolTimeout("")] * 2

        def find_no_place(request: httpx.Request) -> None:
            change(request)
            if full:
                raise full.pop()

        with fail_after(PATIENCE):
            async with client_of(Given(find_no_place)) as client:
                assert (await client.predictions.async_get(ID))["id"] == ID

    @pytest.mark.parametrize("error", [ConnectionResetError("r"), TimeoutError("t"), OSError("o")])
    async def test_errors_of_the_system_are_those_of_a_connection(self, error: OSError) -> None:
        def fail(request: httpx.Request) -> None:
            request.read()
            raise error

        async with client_of(Given(fail), max_retries=0) as client:
            with pytest.raises(APIConnectionError):
                await client.predictions.async_get(ID)
            with pytest.raises(CreateOutcomeUnknown):
                await client.predictions.async_create({"input": 1}, "o/n")

    async def test_errors_of_its_own_task_group_are_those_in_it(self) -> None:
        async def fail() -> None:
            raise httpx.ReadError("broken")

        async def send(_: httpx.Request) -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail)

        async with client_of(Given(send), max_retries=0) as client:
            with pytest.raises(APIConnectionError, match="ReadError: broken"):
                await client.predictions.async_get(ID)

    @pytest.mark.parametrize("error", [ValueError("v"), RuntimeError("r")])
    async def test_other_errors_are_its_own(self, error: Exception) -> None:
        def fail(_: httpx.Request) -> None:
            raise error

        async with client_of(Given(fail)) as client:
            with pytest.raises(type(error), match=str(error)):
                await client.predictions.async_get(ID)

    async def test_it_is_closed_with_the_client(self) -> None:
        closed: list[bool] = []

        class Closing(Given):
            async def aclose(self) -> None:
                closed.append(True)

        await GivenTransport(Closing(change)).aclose()
        assert closed == [True]


@pytest.mark.anyio
async def test_a_python_without_the_codec_for_names_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> httpx.Response:
        raise LookupError("unknown encoding: idna")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fail)
    async with Client("t", "http://localhost:9", max_retries=0) as client:
        with pytest.raises(NetworkSettingsError, match=r"lacks its module 'encodings\.idna'"):
            await client.predictions.async_get(ID)
