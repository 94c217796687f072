"""What errors of connections say: words of the network, and none of the event loop's machinery."""

import errno
import os
import socket
import struct
from typing import Any

import httpx
import pytest
from anyio import (
    BrokenResourceError,
    Event,
    create_task_group,
    fail_after,
    get_cancelled_exc_class,
    wait_all_tasks_blocked,
)
from anyio.abc import SocketAttribute, SocketStream

from tests.support.clients import ID
from tests.support.patience import PATIENCE
from tests.support.raw_server import raw_server
from wriftai_anyio import APIConnectionError, APITimeoutError, Client, CreateOutcomeUnknown, NetworkSettingsError
from wriftai_anyio._transport.failures import PROXY, SettingsFault, connection_error, out_of_descriptors

RESET = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))


def request(**extensions: object) -> httpx.Request:
    timeout = {"connect": 1.5, "read": 60.0, "write": 20.0, "pool": 5.0}
    return httpx.Request("GET", "http://host/path", extensions={"timeout": timeout, **extensions})


def raised(error: BaseException, *, cause: BaseException | None = None, context: BaseException | None = None) -> Any:
    error.__cause__, error.__context__ = cause, context
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (httpx.ConnectTimeout(""), "ConnectTimeout: timed out after 1.5 s of connecting"),
        (httpx.ReadTimeout("Cancelled via cancel scope 7f by <Task>"), "timed out after 60 s of waiting"),
        (httpx.WriteTimeout(""), "WriteTimeout: timed out after 20 s of sending"),
        (raised(httpx.ReadError(""), cause=BrokenResourceError(), context=IndexError("pop from an empty deque")), ""),
        (raised(httpx.ReadError(""), cause=raised(BrokenResourceError(), cause=RESET)), "Connection reset by peer"),
        (raised(httpx.ReadError(""), cause=ConnectionResetError("by the test")), "connection reset"),
        (raised(httpx.ConnectError("all failed"), cause=RESET, context=OSError(1, "other")), "Connection reset"),
        (
            raised(httpx.ConnectError(""), cause=OSError(errno.ECONNREFUSED, "Connect call failed")),
            "Connection refused",
        ),
        (raised(httpx.ConnectError(""), cause=RuntimeError("Exceptions from Trio nursery")), ""),
        (httpx.RemoteProtocolError("illegal header line: bytearray(b's3cr3t')"), "(RemoteProtocolError: illegal"),
        (httpx.RemoteProtocolError("Server disconnected"), "RemoteProtocolError: Server disconnected"),
        (raised(httpx.ConnectError(""), cause=socket.gaierror(-2, "Name or service not known")), "not known"),
    ],
)
def test_an_error_says_the_cause(error: httpx.RequestError, said: str) -> None:
    text = str(connection_error(request(), error))
    assert said in text
    for machinery in ("cancel scope", "deque", "nursery", "<Task", "s3cr3t"):
        assert machinery not in text


def test_an_attempt_that_took_too_long_says_how_long() -> None:
    assert "timed out after 61.5 s" in str(connection_error(request(), None))


@pytest.mark.parametrize("error", [httpx.ConnectError("refused"), httpx.ProxyError("502 Bad Gateway")])
def test_a_proxy_that_is_down_or_refuses_is_named(error: httpx.RequestError) -> None:
    made = connection_error(request(**{PROXY: "http://proxy:3128 (HTTPS_PROXY)"}), error)
    assert "on host over the proxy http://proxy:3128 (HTTPS_PROXY) was not answered" in str(made)
    assert "Check the proxy" in str(made)
    assert not made.request_sent


def test_the_pool_of_a_users_transport_is_not_the_server() -> None:
    made = connection_error(request(), httpx.PoolTimeout(""))
    assert not isinstance(made, APITimeoutError)
    assert "pool" in str(made)
    assert not made.request_sent


def test_a_fault_of_the_environment_is_an_error_of_its_own() -> None:
    made = connection_error(request(), SettingsFault("SSL_CERT_FILE names '/x'"))
    assert isinstance(made, NetworkSettingsError)
    assert "SSL_CERT_FILE names '/x'" in str(made)
    assert not made.request_sent


def test_a_want_of_descriptors_is_found_behind_other_causes() -> None:
    assert out_of_descriptors(raised(httpx.ConnectError(""), context=OSError(errno.EMFILE, "")))
    assert not out_of_descriptors(raised(httpx.ConnectError(""), context=RESET))


@pytest.mark.anyio
async def test_a_connection_that_is_reset_is_called_so() -> None:
    async def reset(connection: SocketStream, _: bytes) -> None:
        raw = connection.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise EOFError

    with fail_after(PATIENCE):
        async with raw_server(reset) as url, Client("t", url, max_retries=0) as client:
            with pytest.raises(APIConnectionError, match=r"ReadError: [Cc]onnection reset") as caught:
                await client.predictions.async_get(ID)
    assert not isinstance(caught.value.__cause__, get_cancelled_exc_class())


@pytest.mark.anyio
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"], ids=["silent", "half a body"])
@pytest.mark.parametrize("create", [False, True], ids=["get", "create"])
async def test_a_call_whose_client_is_closed_meanwhile_says_so(sent: bytes, create: bool) -> None:
    received = Event()

    async def stall(connection: SocketStream, _: bytes) -> None:
        await connection.send(sent)
        received.set()
        await connection.receive()

    async def call(client: Client) -> None:
        with pytest.raises(CreateOutcomeUnknown if create else APIConnectionError) as caught:
            if create:
                await client.predictions.async_create({"input": {}}, "me/x")
            else:
                await client.predictions.async_get(ID)
        assert "was not answered: the client was closed meanwhile. The server may have seen it." in str(caught.value)
        assert "Check the network" not in str(caught.value)

    with fail_after(PATIENCE):
        async with raw_server(stall) as url, Client("t", url, max_retries=0) as client, create_task_group() as tasks:
            tasks.start_soon(call, client)
            await received.wait()
            await wait_all_tasks_blocked()
            await client.aclose()
