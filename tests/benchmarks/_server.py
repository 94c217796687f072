"""The least server that answers a prediction, in a process of its own, so that the clients are what is measured."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from tests.support.tls import CERTIFICATE, server_context

PREDICTION: Final = {
    "id": "pred1",
    "url": "https://api.wrift.ai/v1/predictions/pred1",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:01Z",
    "status": "succeeded",
    "setup_time": "PT0.1S",
    "execution_time": "PT0.9S",
    "model": {"owner": "me", "name": "upper", "version_number": 1},
    "input": {"text": "hello"},
    "output": "HELLO",
    "error": None,
}
BODY: Final = json.dumps(PREDICTION).encode()
_ANSWER = (
    b"HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class _Connection(asyncio.Protocol):
    """Answers every head of a request; the requests have no bodies."""

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.WriteTransport):
            raise TypeError(f"{transport!r} cannot write")
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *heads, self._received = (self._received + data).split(b"\r\n\r\n")
        self._transport.write(_ANSWER * len(heads))


async def _serve(scheme: str) -> None:
    tls = server_context() if scheme == "https" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def prediction_server(scheme: str = "http") -> Iterator[str]:
    """Runs the server in a process of its own and gives its base URL.

    While one with TLS runs, the clients of this process, and of those that it starts, trust its certificate.
    """
    with server_process(__name__, scheme) as address, pytest.MonkeyPatch.context() as environment:
        if scheme == "https":
            environment.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        yield address.replace("http:", f"{scheme}:")


@contextmanager
def server_process(module: str, *arguments: str) -> Iterator[str]:
    """Runs a module that prints its port and serves, in a process of its own, and gives its base URL."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout is None:
                raise AssertionError("stdout is a pipe")
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:]))
