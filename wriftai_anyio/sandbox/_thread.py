"""The thread of a sandbox, which opens and closes its sockets."""

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from socket import socket
from threading import Thread
from typing import Final

import anyio
import anyio.from_thread
import httpx
from anyio.lowlevel import EventLoopToken, current_token

from ._app import build_app
from ._runner import Runner
from ._server import SandboxServer, listen
from ._settings import API_PREFIX
from ._state import State
from ._webhooks import POSTS_AT_ONCE, TIMEOUT_SECONDS, WebhookSender

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


class ServerThread:
    """A server that is ready once this is created, until it is stopped.

    Args:
        state: The state that it serves.
        port: The port of the API on loopback; 0 for a free one. The store always takes a free one.

    Raises:
        OSError: If the port is in use.
        RuntimeError: If it cannot start.
    """

    def __init__(self, state: State, port: int) -> None:
        with ExitStack() as opened:
            listeners = [opened.enter_context(listen(number)) for number in (port, 0)]
            opened.pop_all()
        origin, state.files.origin = map(_origin, listeners)
        self.base_url = f"{origin}{API_PREFIX}"
        ready: Future[tuple[SandboxServer, EventLoopToken]] = Future()
        self._thread = Thread(target=_run, args=(state, listeners, ready), name="wriftai-sandbox", daemon=True)
        self._thread.start()
        self._server, self._token = ready.result(START_SECONDS)

    def call(self, function: Callable[[], None]) -> None:
        """Call a function on the event loop, and return when it has returned."""
        anyio.from_thread.run_sync(function, token=self._token)

    def stop(self) -> None:
        """Drop all connections and end the thread.

        Raises:
            RuntimeError: If it does not end in time.
        """
        self.call(self._server.stop)
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise RuntimeError("the sandbox did not stop")


def _origin(listener: socket) -> str:
    port: int = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def _run(state: State, listeners: list[socket], ready: Future[tuple[SandboxServer, EventLoopToken]]) -> None:
    try:
        anyio.run(_serve, state, listeners, ready)
    finally:
        for listener in listeners:
            listener.close()
        if not ready.done():
            ready.set_exception(RuntimeError("the sandbox could not start"))


def _webhook_client() -> httpx.AsyncClient:
    # Receivers under test have self-signed certificates, and loading those of the authorities is slow.
    return httpx.AsyncClient(
        verify=False,  # noqa: S501
        trust_env=False,
        timeout=httpx.Timeout(TIMEOUT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=POSTS_AT_ONCE),
    )


async def _serve(state: State, listeners: list[socket], ready: Future[tuple[SandboxServer, EventLoopToken]]) -> None:
    async with _webhook_client() as http, anyio.create_task_group() as tasks:
        sender = WebhookSender(http, state.settings)
        app = build_app(state, Runner(tasks, state.predictions, state.settings, sender))
        server = SandboxServer(app, lambda: ready.set_result((server, current_token())))
        await server.serve(sockets=listeners)
        tasks.cancel_scope.cancel()
