"""An HTTP server of a few lines that answers as no proper one would, or faster than one."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import anyio
from anyio.abc import SocketAttribute, SocketStream

Respond: TypeAlias = Callable[[SocketStream, bytes], Awaitable[None]]
"""Takes a connection and a request's head, and answers; the connection is closed when it raises `EOFError`."""


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """Makes an answer."""
    head = "".join(f"{header}\r\n" for header in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return head.encode() + b"\r\n" + body


@asynccontextmanager
async def raw_server(respond: Respond) -> AsyncGenerator[str]:
    """Serves in the caller's event loop; gives the base URL."""

    async def serve(connection: SocketStream) -> None:
        async with connection:
            try:
                while True:
                    await respond(connection, await _request(connection))
            except (EOFError, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        tasks.cancel_scope.cancel()


async def _request(connection: SocketStream) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += await connection.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.partition(b":")[2]):
                body += await connection.receive()
    return head
