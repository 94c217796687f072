"""Connections without a proxy: what they leave out of httpcore's work, and that they work without it, too."""

import gc
import math
from itertools import count

import anyio
import httpcore
import pytest
from anyio.lowlevel import checkpoint

from wriftai_anyio import Client
from wriftai_anyio._transport import direct
from wriftai_anyio._transport.direct import Connection, Pool
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


def pool_of_numbered_connections() -> Pool:
    """Makes a pool whose connections answer with their number."""
    numbers = count(1)

    def connection_to(origin: httpcore.Origin) -> Connection:
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % next(numbers)
        return Connection(origin, keepalive_expiry=4.0, network_backend=httpcore.AsyncMockBackend([answer] * 3))

    return Pool(connection_to, 4.0)


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
