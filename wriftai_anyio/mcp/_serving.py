"""Serving over standard input and output, or over HTTP on loopback."""

import importlib.util
import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, create_task_group, open_signal_receiver
from mcp.server import Server

from wriftai_anyio import Client

from ._guards import Guards
from ._http import ASGIApp, Guarded
from ._server import build_server

if TYPE_CHECKING:
    from socket import socket

TOKEN_VARIABLE: Final = "WRIFTAI_MCP_TOKEN"  # noqa: S105 -- the name of a variable
HOST: Final = "127.0.0.1"


async def serve_stdio(client: Client, guards: Guards, models: Sequence[str] = ()) -> None:
    """Serve one agent over standard input and output, until it closes them.

    Calls still under way are then cancelled, on WriftAI too. SIGTERM does the same, and ends the process.

    Args:
        client: Makes the requests.
        guards: The limits for the agent.
        models: References of models to offer as separate tools.

    Raises:
        WriftAIError: If the API does not return the schema of one of the models.
    """
    server = await build_server(client, guards, models)
    try:
        await _serve_stdio(server, client)
    except Exception as error:
        # A killed agent reads no more answers, and the SDK's writer then raises errors in a group.
        if not all(isinstance(part, BrokenPipeError) for part in _parts(error)):
            raise
        # Since Python 3.13, finalizers of the SDK's streams print broken pipes for data that nobody reads.
        sys.unraisablehook = partial(_pass_broken_pipes_over, sys.unraisablehook)


def _pass_broken_pipes_over(
    hook: "Callable[[sys.UnraisableHookArgs], object]", error: "sys.UnraisableHookArgs"
) -> None:
    if not isinstance(error.exc_value, BrokenPipeError):
        hook(error)


def _parts(error: BaseException) -> list[BaseException]:
    inner: Sequence[BaseException] = getattr(error, "exceptions", ())  # of a group; Python 3.10 has no type for it
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
            # The SDK reads standard input in a thread that ends only when the agent closes it, which may never happen.
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

    Every request must carry a bearer token: the value of the variable `WRIFTAI_MCP_TOKEN`, or a random one. If an
    agent disconnects, its call and the call's prediction are cancelled. On trio, the package `hypercorn` must be
    installed.

    Args:
        client: Makes the requests.
        guards: The limits for all agents together.
        models: References of models to offer as separate tools.
        port: The port; 0 for a free one.
        announce: Called with the lines that say how to connect.

    Raises:
        WriftAIError: If the API does not return the schema of one of the models.
        OSError: If the port is in use.
        ImportError: On trio, if `hypercorn` is not installed.
    """
    import socket

    run = _on_trio if _runs_on_trio() else _on_asyncio
    server = await build_server(client, guards, models)
    token = os.environ.get(TOKEN_VARIABLE)
    app = Guarded(server.streamable_http_app(host=HOST), token or secrets.token_urlsafe(32))
    with socket.create_server((HOST, port)) as listener:
        announce(f"http://{HOST}:{listener.getsockname()[1]}/mcp")
        if not token:
            announce(f"Authorization: Bearer {app.token}")
        await run(app, listener)


def _runs_on_trio() -> bool:
    trio = sys.modules.get("trio")
    return trio is not None and trio.lowlevel.in_trio_run()


async def _on_asyncio(app: ASGIApp, listener: "socket") -> None:
    import uvicorn

    config = uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=1)
    await uvicorn.Server(config).serve(sockets=[listener])


async def _on_trio(app: ASGIApp, listener: "socket") -> None:
    """Serves with Hypercorn, since uvicorn runs on asyncio alone."""
    if importlib.util.find_spec("hypercorn") is None:
        raise ImportError("MCP over HTTP on trio needs Hypercorn: pip install hypercorn")
    # Imported by name, so that type checkers do not need a package that few people install.
    hypercorn: Any = importlib.import_module("hypercorn.trio")
    config = hypercorn.Config()
    # Hypercorn closes the descriptor that it is given, so it gets a duplicate.
    config.bind = [f"fd://{os.dup(listener.fileno())}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 1
    with open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:

        async def stopped() -> None:
            async for _ in signals:
                return

        await hypercorn.serve(app, config, shutdown_trigger=stopped)
