"""The preparation of the network, which the first call of a client waits for."""

import json
import logging
import os
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import ByteStream, Listener, SocketAttribute, SocketStream
from anyio.streams.tls import TLSListener

from tests.support.clients import ID, prediction
from tests.support.patience import PATIENCE
from wriftai_anyio import APIConnectionError, Client
from wriftai_anyio._transport.network import Network

CERTIFICATE = Path(__file__).with_name("certificate.pem")
"""For 127.0.0.1, signed by itself, with its key; of no use to anybody else."""


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
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


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
