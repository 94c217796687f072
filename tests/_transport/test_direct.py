"""Connections without a proxy: what they leave out of httpcore's work, and that they work without it, too."""

import errno
import functools
import gc
import math
import os
import select
import socket
import ssl
import struct
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import count
from typing import Any
from unittest import mock

import anyio
import httpcore
import pytest
import respx
from anyio.abc import ByteStream, SocketAttribute, SocketStream
from anyio.lowlevel import checkpoint
from httpcore._synchronization import AsyncShieldCancellation

from tests.support.tls import CERTIFICATE, secured
from wriftai_anyio import Client, NotFoundError
from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.causes import causes
from wriftai_anyio._transport import direct
from wriftai_anyio._transport.direct import Connection, DirectPool, Sockets
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio

ORIGIN = httpcore.Origin(b"http", b"localhost", 80)
REQUEST = httpcore.Request("GET", "http://localhost/", headers={"host": "localhost"})
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def connection(answers: int) -> Connection:
    """Makes a connection that has its answers ready: what it waits for is httpcore alone."""
    return Connection(ORIGIN, network_backend=httpcore.AsyncMockBackend([ANSWER] * answers))


async def fetch(connection: Connection) -> bytes:
    response = await connection.handle_async_request(REQUEST)
    content = await response.aread()
    await response.aclose()
    return content


async def turns_of_a_fetch(connection: Connection) -> int:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await checkpoint()
            turns += 1

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        await checkpoint()
        before = turns
        assert await fetch(connection) == b"{}"
        taken = turns - before
        group.cancel_scope.cancel()
    return taken


async def test_a_request_on_an_open_connection_takes_no_turn_of_the_event_loop_for_locks() -> None:
    ours = connection(2)
    assert await turns_of_a_fetch(ours) > 0
    assert await turns_of_a_fetch(ours) == 0


async def test_a_client_reaches_a_host_without_a_proxy_over_such_connections() -> None:
    with Sandbox() as sandbox:
        async with Client(sandbox.access_token, sandbox.base_url) as client:
            await client.authenticated_user.async_get()
            origin = httpcore.URL(sandbox.base_url).origin
            # By `type`: others' lazy objects, such as Django's settings, do not bear `isinstance`.
            connections = [each for each in gc.get_objects() if type(each) is Connection]
            assert [each.is_idle() for each in connections if each.can_handle_request(origin)] == [True]


def pool_of_numbered_connections() -> DirectPool:
    """Makes a pool whose connections answer with their number."""
    numbers = count(1)

    def connection_to(origin: httpcore.Origin) -> Connection:
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % next(numbers)
        return Connection(origin, keepalive_expiry=4.0, network_backend=httpcore.AsyncMockBackend([answer] * 3))

    return DirectPool(connection_to, 4.0)


@pytest.mark.parametrize(
    ("method", "settled_after", "taken"), [("POST", math.inf, b"2"), ("POST", 0.0, b"1"), ("GET", math.inf, b"1")]
)
async def test_a_post_takes_no_connection_whose_answer_has_just_ended_if_there_is_another(
    monkeypatch: pytest.MonkeyPatch, method: str, settled_after: float, taken: bytes
) -> None:
    monkeypatch.setattr(direct, "SETTLED", settled_after)
    pool = pool_of_numbered_connections()
    first, second = [await pool.handle_async_request(REQUEST) for _ in range(2)]
    for response in (second, first):
        await response.aread()
        await response.aclose()
    headers = [("host", "localhost"), ("content-length", "0")]
    again = await pool.handle_async_request(httpcore.Request(method, "http://localhost/", headers=headers))
    assert await again.aread() == taken
    await again.aclose()
    await pool.aclose()


async def test_a_request_enters_no_cancel_scope_for_connections_to_close_where_there_are_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entered: list[str] = []

    class Noted(AsyncShieldCancellation):
        def __enter__(self) -> "Noted":
            super().__enter__()
            entered.append(sys._getframe(1).f_code.co_name)
            return self

    monkeypatch.setattr("httpcore._async.connection_pool.AsyncShieldCancellation", Noted)
    pool = pool_of_numbered_connections()
    for _ in range(2):
        response = await pool.handle_async_request(REQUEST)
        assert await response.aread() == b"1"
        await response.aclose()
    assert entered == ["aclose"]
    await pool.aclose()


async def fetched(pool: DirectPool) -> bytes:
    response = await pool.handle_async_request(REQUEST)
    content = await response.aread()
    await response.aclose()
    return content


async def pool_of_idle_connections(number: int) -> DirectPool:
    pool = pool_of_numbered_connections()
    responses = [await pool.handle_async_request(REQUEST) for _ in range(number)]
    for response in responses:
        await response.aread()
        await response.aclose()
    return pool


async def test_a_connection_that_is_closed_or_has_expired_leaves_the_pool_though_another_is_used_again() -> None:
    pool = await pool_of_idle_connections(3)
    broken_off, expired, idle = pool.connections
    await (await pool.handle_async_request(REQUEST)).aclose()
    setattr(getattr(expired, "_connection", None), "_expire_at", -math.inf)  # noqa: B010
    assert (broken_off.is_closed(), expired.has_expired(), idle.is_idle()) == (True, True, True)
    assert await fetched(pool) == b"3"
    assert pool.connections == [idle]
    assert expired.is_closed()
    await pool.aclose()


async def test_connections_that_expire_during_a_long_request_are_closed_when_it_ends() -> None:
    pool = await pool_of_idle_connections(3)
    used, *idle = pool.connections
    held = await pool.handle_async_request(REQUEST)
    await held.aread()
    for each in idle:
        assert isinstance(each, Connection)
        each.expire()
    await held.aclose()
    assert pool.connections == [used]
    assert [each.is_closed() for each in idle] == [True, True]
    await pool.aclose()


@pytest.mark.parametrize("stray", [ANSWER, b"\r\n", b"null"], ids=["an answer", "a line", "a body"])
async def test_what_came_with_an_answer_and_belongs_to_none_is_not_the_answer_to_the_next_request(stray: bytes) -> None:
    answers = iter([ANSWER.replace(b"{}", b"{}" + stray), ANSWER.replace(b"{}", b"[]")])

    def connection_to(origin: httpcore.Origin) -> Connection:
        backend = httpcore.AsyncMockBackend([next(answers), ANSWER])
        return Connection(origin, keepalive_expiry=4.0, network_backend=backend)

    pool = DirectPool(connection_to, 4.0)
    assert [await fetched(pool), await fetched(pool)] == [b"{}", b"[]"]
    await pool.aclose()


async def test_another_kind_of_address_is_refused_also_where_a_connection_is_open() -> None:
    pool = pool_of_numbered_connections()
    assert await fetched(pool) == b"1"
    with pytest.raises(httpcore.UnsupportedProtocol):
        await pool.handle_async_request(httpcore.Request("GET", "ftp://localhost/"))
    await pool.aclose()


@pytest.mark.parametrize(("jump", "taken"), [(3600.0, b"2"), (5.0, b"2"), (3.0, b"1"), (-3600.0, b"1")])
async def test_a_connection_that_was_idle_while_the_machine_slept_is_not_used_again(
    monkeypatch: pytest.MonkeyPatch, jump: float, taken: bytes
) -> None:
    pool = pool_of_numbered_connections()
    assert await fetched(pool) == b"1"
    (before,) = pool.connections
    monkeypatch.setattr(system, "wall_time", lambda: time.time() + jump)  # while `time.monotonic` stood still
    assert [await fetched(pool), await fetched(pool)] == [taken, taken]
    assert before.is_closed() is (taken == b"2")
    await pool.aclose()


async def test_an_answer_that_comes_while_the_machine_sleeps_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of_numbered_connections()
    held = await pool.handle_async_request(REQUEST)
    monkeypatch.setattr(system, "wall_time", lambda: time.time() + 3600.0)
    assert await fetched(pool) == b"2"
    assert await held.aread() == b"1"
    await held.aclose()
    await pool.aclose()


async def test_requests_at_the_same_time_take_a_connection_each_also_where_httpcore_keeps_its_lock() -> None:
    pool = pool_of_numbered_connections()
    assert await fetched(pool) == b"1"
    (idle,) = pool.connections
    setattr(getattr(idle, "_connection", None), "_state_lock", anyio.Lock())  # noqa: B010
    contents: list[bytes] = []

    async def fetch() -> None:
        contents.append(await fetched(pool))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(fetch)
    assert sorted(contents) == [b"1", b"2", b"3"]
    await pool.aclose()


async def mocked(*_: object) -> httpcore.Response:
    return httpcore.Response(200, content=b"mocked")


class Wrapper:
    """A method that wraps another and passes for it in all respects, as those of wrapt do."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)

    def __get__(self, *_: object) -> Any:
        return mocked


@pytest.mark.parametrize("kind", [httpcore.AsyncConnectionPool, httpcore.AsyncHTTPConnection])
@pytest.mark.parametrize(
    "replacement",
    [
        pytest.param(lambda _: mocked, id="as respx does"),
        pytest.param(lambda original: functools.wraps(original)(mocked), id="as VCR does"),
        pytest.param(lambda _: mock.AsyncMock(side_effect=mocked), id="as `mock.patch` does"),
        pytest.param(lambda original: mock.AsyncMock(spec_set=original, side_effect=mocked), id="with a spec"),
        pytest.param(lambda original: mock.create_autospec(original, side_effect=mocked), id="with autospec"),
        pytest.param(lambda _: staticmethod(mocked), id="as a static method"),
        pytest.param(Wrapper, id="as wrapt does"),
    ],
)
async def test_whatever_replaces_a_method_of_httpcore_answers_also_where_a_connection_is_open(
    monkeypatch: pytest.MonkeyPatch, kind: type, replacement: Callable[[object], object]
) -> None:
    pool = pool_of_numbered_connections()
    assert await fetched(pool) == b"1"
    with monkeypatch.context() as patch:
        patch.setattr(kind, "handle_async_request", replacement(kind.handle_async_request))  # type: ignore[attr-defined]
        assert await fetched(pool) == b"mocked"
    assert await fetched(pool) == b"1"
    await pool.aclose()


async def test_a_mock_of_the_whole_pool_leaves_open_clients_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of_numbered_connections()
    assert await fetched(pool) == b"1"
    monkeypatch.setattr(httpcore, "AsyncConnectionPool", lambda: None)
    assert await fetched(pool) == b"1"
    await pool.aclose()


async def test_where_httpcore_was_not_imported_from_files_a_request_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("httpcore._async.connection_pool.__file__")
    monkeypatch.delattr("httpcore._async.connection.__file__")
    pool = pool_of_numbered_connections()
    assert [await fetched(pool), await fetched(pool)] == [b"1", b"1"]
    await pool.aclose()


async def test_respx_answers_a_client_that_has_connections_open() -> None:
    with Sandbox() as sandbox:
        async with Client(sandbox.access_token, sandbox.base_url) as client:
            user = await client.authenticated_user.async_get()
            with respx.mock(base_url=sandbox.base_url) as router:
                route = router.get("/user").respond(404)
                with pytest.raises(NotFoundError):
                    await client.authenticated_user.async_get()
                assert route.call_count == 1
            assert await client.authenticated_user.async_get() == user


@pytest.mark.parametrize("read", [True, False])
async def test_a_caller_that_is_cancelled_when_it_closes_an_answer_leaves_no_connection_in_use(*, read: bool) -> None:
    pool = pool_of_numbered_connections()
    await fetched(pool)
    (connection,) = pool.connections
    response = await pool.handle_async_request(REQUEST)
    if read:
        await response.aread()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await response.aclose()
    assert (connection.is_idle(), connection.is_closed()) == (read, not read)
    await pool.aclose()


async def test_connections_that_have_expired_are_closed() -> None:
    pool = DirectPool(
        lambda origin: Connection(
            origin, keepalive_expiry=0.0, network_backend=httpcore.AsyncMockBackend([ANSWER] * 2)
        ),
        0.0,
    )
    for _ in range(2):
        response = await pool.handle_async_request(REQUEST)
        await response.aread()
        (connection,) = pool.connections
        await response.aclose()
    assert connection.is_closed()
    await pool.aclose()


Serve = Callable[[SocketStream], Awaitable[None]]


@asynccontextmanager
async def opened(serve: Serve) -> AsyncGenerator[httpcore.AsyncNetworkStream]:
    """Connects to a server in the caller's event loop, which deals with one connection."""

    async def serve_one(connection: SocketStream) -> None:
        async with connection:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, ssl.SSLError):
                await serve(connection)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve_one)
        stream = await Sockets([]).connect_tcp("127.0.0.1", listener.extra(SocketAttribute.local_port), 5.0)
        yield stream
        await stream.aclose()
        tasks.cancel_scope.cancel()


async def silent(_: SocketStream) -> None:
    await anyio.sleep_forever()


async def echo(connection: ByteStream) -> None:
    async for received in connection:
        await connection.send(received)


async def echo_with_tls(connection: SocketStream) -> None:
    await echo(await secured(connection))


async def close(connection: SocketStream) -> None:
    await connection.aclose()


async def test_what_is_written_arrives_and_what_comes_is_read() -> None:
    async with opened(echo) as stream:
        await stream.write(b"")
        await stream.write(b"without a limit")
        assert await stream.read(100) == b"without a limit"
        await stream.write(b"with one", 5.0)
        assert await stream.read(100, 5.0) == b"with one"


async def test_the_same_over_tls() -> None:
    context = ssl.create_default_context(cafile=CERTIFICATE)
    async with opened(echo_with_tls) as stream:
        secure = await stream.start_tls(context, "127.0.0.1", 5.0)
        await secure.write(b"private", 5.0)
        assert await secure.read(100, 5.0) == b"private"
        assert isinstance(secure.get_extra_info("ssl_object"), ssl.SSLObject)


async def test_a_read_write_or_handshake_that_takes_too_long_says_which() -> None:
    async with opened(silent) as stream:
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(100, 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:  # asyncio's own would take in 20 MB within the time
        stream = await Sockets([]).connect_tcp("127.0.0.1", server.getsockname()[1], 5.0)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(b"more than any buffer" * 2**21, 0.01)
        await stream.aclose()
    async with opened(silent) as stream:
        with pytest.raises(httpcore.ConnectTimeout):
            await stream.start_tls(ssl.create_default_context(), "127.0.0.1", 0.01)


async def test_a_handshake_that_is_cancelled_leaves_no_socket_open() -> None:
    async with opened(silent) as stream:
        beneath = stream.get_extra_info("socket")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stream.start_tls, ssl.create_default_context(), "127.0.0.1", 5.0)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            while beneath.fileno() >= 0:  # asyncio closes it in its next turn
                await checkpoint()


async def test_a_server_that_speaks_no_tls_or_is_not_trusted_or_closes_is_a_failure_to_connect() -> None:
    for serve in (echo, echo_with_tls, close):
        async with opened(serve) as stream:
            with pytest.raises(httpcore.ConnectError):
                await stream.start_tls(ssl.create_default_context(), "127.0.0.1", 5.0)


async def test_a_port_that_nobody_listens_on_is_a_failure_to_connect() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(SocketAttribute.local_port)
    with pytest.raises(httpcore.ConnectError):
        await Sockets([]).connect_tcp("127.0.0.1", port, 5.0)


async def test_a_broken_tls_stream_is_an_error_of_the_connection() -> None:
    async def garbage(connection: SocketStream) -> None:
        secure = await secured(connection)
        await secure.send(await secure.receive())
        await connection.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        await anyio.sleep_forever()

    async with opened(garbage) as stream:
        secure = await stream.start_tls(ssl.create_default_context(cafile=CERTIFICATE), "127.0.0.1", 5.0)
        await secure.write(b"first", 5.0)
        assert await secure.read(100, 5.0) == b"first"
        with pytest.raises(httpcore.ReadError):
            await secure.read(100, 5.0)
        with pytest.raises(httpcore.WriteError):
            await secure.write(b"second", 5.0)


async def test_a_stream_that_was_closed_is_an_error_of_the_connection() -> None:
    async with opened(silent) as stream:
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await stream.read(100, 5.0)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"late", 5.0)
        assert stream.get_extra_info("is_readable") is True


@pytest.mark.parametrize("has_poll", [True, False])
async def test_a_server_that_has_closed_the_connection_is_noticed_without_reading(
    monkeypatch: pytest.MonkeyPatch, has_poll: bool
) -> None:
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    closes = anyio.Event()

    async def close_later(connection: SocketStream) -> None:
        await closes.wait()
        await connection.aclose()

    async with opened(close_later) as stream:
        assert stream.get_extra_info("is_readable") is False
        closes.set()
        with anyio.fail_after(5):
            while not stream.get_extra_info("is_readable"):
                await checkpoint()
        assert await stream.read(100, 5.0) == b""


async def test_a_stream_knows_its_addresses_and_its_socket() -> None:
    async with opened(silent) as stream:
        beneath = stream.get_extra_info("socket")
        assert stream.get_extra_info("client_addr") == beneath.getsockname()
        assert stream.get_extra_info("server_addr") == beneath.getpeername()
        assert stream.get_extra_info("ssl_object") is None
        assert stream.get_extra_info("something else") is None


async def test_a_request_asks_the_system_nothing_of_its_socket_but_whether_it_is_readable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    extra_info = direct.SocketStream.get_extra_info

    def noted(stream: direct.SocketStream, info: str) -> object:
        asked.append(info)
        with monkeypatch.context() as patch:
            patch.setattr(type(stream._stream), "extra", None)
            return extra_info(stream, info)

    with Sandbox() as sandbox:
        async with Client(sandbox.access_token, sandbox.base_url) as client:
            await client.authenticated_user.async_get()
            monkeypatch.setattr(direct.SocketStream, "get_extra_info", noted)
            await client.authenticated_user.async_get()
    assert set(asked) == {"is_readable"}


async def test_an_option_that_the_system_refuses_is_a_failure_to_connect_and_closes_the_connection() -> None:
    closed = anyio.Event()

    async def until_closed(connection: SocketStream) -> None:
        async with connection:
            with pytest.raises(anyio.EndOfStream):
                await connection.receive()
        closed.set()

    unknown = socket.SOL_SOCKET, 9999, 1
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, until_closed)
        with pytest.raises(httpcore.ConnectError):
            await Sockets([unknown]).connect_tcp("127.0.0.1", listener.extra(SocketAttribute.local_port), 5.0)
        with anyio.fail_after(5):
            await closed.wait()
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_a_connection_that_uvloop_has_closed_already_is_a_failure_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connect_tcp = anyio.connect_tcp

    async def connect_in_vain(host: str, port: int, *, local_host: str | None) -> SocketStream:
        stream = await connect_tcp(host, port, local_host=local_host)
        await anyio.aclose_forcefully(stream)
        await anyio.wait_all_tasks_blocked()
        return stream

    monkeypatch.setattr(anyio, "connect_tcp", connect_in_vain)
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(httpcore.ConnectError, match=os.strerror(errno.ECONNRESET)):
            await Sockets([]).connect_tcp("127.0.0.1", server.getsockname()[1], 5.0)


async def test_a_name_without_an_address_that_can_be_used_is_a_failure_to_connect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_ipv6 = socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (10, b"\x00\x50")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: [without_ipv6])
    with pytest.raises(httpcore.ConnectError, match=r"^six\.example has no address"):
        await Sockets([]).connect_tcp("six.example", 80, 5.0)


async def test_a_tls_connection_that_broke_while_it_was_written_to_says_why_when_it_is_read() -> None:
    async def reset(connection: SocketStream) -> None:
        await secured(connection)
        no_goodbye = struct.pack("ii", 1, 0)
        connection.extra(SocketAttribute.raw_socket).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)

    async with opened(reset) as stream:
        secure = await stream.start_tls(ssl.create_default_context(cafile=CERTIFICATE), "127.0.0.1", 5.0)
        with pytest.raises(httpcore.WriteError), anyio.fail_after(5):
            while True:
                await secure.write(b"more", 5.0)
        with pytest.raises(httpcore.ReadError) as broken:
            await secure.read(100, 5.0)
        broken.value.__cause__ = None  # so httpcore's pool raises it
        assert any(isinstance(cause, ConnectionError) and cause.strerror for cause in causes(broken.value))
