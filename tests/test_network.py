"""The preparation of the network, which the first call of a client waits for."""

import logging
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream

from wriftai_anyio import Client
from wriftai_anyio._network import Network


@pytest.fixture
def stalled_preparation(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lets no preparation end before the test does; the event says that one has begun."""
    begun, end = threading.Event(), threading.Event()

    def prepare(_: Network) -> None:
        begun.set()
        end.wait(10)

    monkeypatch.setattr(Network, "prepare", prepare)
    yield begun
    end.set()


@pytest.mark.anyio
async def test_a_first_call_can_be_left_while_the_network_is_prepared(stalled_preparation: threading.Event) -> None:
    async with Client("t", "http://127.0.0.1:9") as client:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.predictions.async_get, "pred1")
                await anyio.to_thread.run_sync(stalled_preparation.wait, 5)
                tasks.cancel_scope.cancel()


def test_the_tls_settings_are_read_once_for_calls_that_come_together(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[ssl.SSLContext] = []
    create = httpx.create_ssl_context

    def note() -> ssl.SSLContext:
        read.append(create())
        return read[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", note)
    network = Network()
    threads = [threading.Thread(target=network.prepare) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(read) == 1


async def answer_as_proxy(connection: SocketStream) -> None:
    async with connection:
        head = await connection.receive()
        assert head.startswith(b"GET http://store.example/x?signature=s3cr3t ")
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfile")


@pytest.mark.anyio
async def test_httpx_logs_no_query_of_ours_when_it_goes_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}")
    async with listener, anyio.create_task_group() as tasks, Client("t", "http://api.example") as client:
        tasks.start_soon(listener.serve, answer_as_proxy)
        with anyio.fail_after(5):
            path = await client.files.async_download("http://store.example/x?signature=s3cr3t", tmp_path / "x")
        tasks.cancel_scope.cancel()
    assert path.read_bytes() == b"file"
    assert "HTTP Request: GET http://store.example/x " in caplog.text
    assert "s3cr3t" not in caplog.text
