"""Serving over standard input and output, or over HTTP on loopback."""

import hmac
import os
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from anyio import CancelScope, create_task_group, open_signal_receiver
from mcp.server import Server

from wriftai_anyio import Client

from ._guards import Guards
from ._server import build_server

TOKEN_VARIABLE: Final = "WRIFTAI_MCP_TOKEN"  # noqa: S105 -- the name of a variable
HOST: Final = "127.0.0.1"

_App = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


async def serve_stdio(client: Client, guards: Guards, models: Sequence[str] = ()) -> None:
    """Serve one agent over standard input and output, until it closes them.

    What it has under way then is cancelled, also on WriftAI. SIGTERM ends it likewise, and the process with it.

    Args:
        client: Makes the requests.
        guards: What the agent may do at most.
        models: References of the models that are offered as tools of their own.

    Raises:
        WriftAIError: If the API does not tell the schema of one of the models.
    """
    server = await build_server(client, guards, models)
    try:
        await _serve_stdio(server, client)
    except Exception as error:
        # An agent that was killed reads no more answers, and the SDK's writer then raises in a group.
        if not all(isinstance(part, BrokenPipeError) for part in _parts(error)):
            raise


def _parts(error: BaseException) -> list[BaseException]:
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())  # of a group, which Python 3.10 does not know
    return [part for each in inner for part in _parts(each)] if inner else [error]


async def _serve_stdio(server: Server[Any], client: Client) -> None:
    from mcp.server.stdio import stdio_server

    async with stdio_server() as (messages, answers):
        stopped = False
        async with create_task_group() as tasks:

            async def stop() -> None:
                nonlocal stopped
                with open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                    async for _ in signals:
                        stopped = True
                        tasks.cancel_scope.cancel()

            if sys.platform != "win32":
                tasks.start_soon(stop)
            await server.run(messages, answers, server.create_initialization_options())
            tasks.cancel_scope.cancel()
        if stopped:
            with CancelScope(shield=True):
                await client.aclose()
            # The SDK reads standard input in a thread that nothing ends but its sender, who may not.
            os._exit(0)


async def serve_http(
    client: Client,
    guards: Guards,
    models: Sequence[str] = (),
    *,
    port: int = 0,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve agents over streamable HTTP on this machine's loopback address, until it is cancelled or interrupted.

    Every request must carry a bearer token: that of the variable `WRIFTAI_MCP_TOKEN`, or a random one. It runs on
    asyncio, since uvicorn does.

    Args:
        client: Makes the requests.
        guards: What agents may do at most, all together.
        models: References of the models that are offered as tools of their own.
        port: The port; 0 for a free one.
        announce: Is called with the lines that say how to reach it.

    Raises:
        WriftAIError: If the API does not tell the schema of one of the models.
        OSError: If the port is in use.
    """
    import socket

    import uvicorn

    server = await build_server(client, guards, models)
    token = os.environ.get(TOKEN_VARIABLE)
    app = _Guarded(server.streamable_http_app(host=HOST), token or secrets.token_urlsafe(32))
    with socket.create_server((HOST, port)) as listener:
        announce(f"http://{HOST}:{listener.getsockname()[1]}/mcp")
        if not token:
            announce(f"Authorization: Bearer {app.token}")
        config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
        await uvicorn.Server(config).serve(sockets=[listener])


class _Guarded:
    """An ASGI application that wants a bearer token from every request."""

    def __init__(self, app: _App, token: str) -> None:
        self._app = app
        self.token = token

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        if scope["type"] == "http" and not self._is_authorized(scope):
            headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)

    def _is_authorized(self, scope: MutableMapping[str, Any]) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return hmac.compare_digest(given, f"Bearer {self.token}".encode())
