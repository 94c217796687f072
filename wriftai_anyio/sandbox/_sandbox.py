"""The sandbox as its users see it."""

import sys
from collections.abc import Mapping, MutableMapping
from concurrent.futures import Future
from dataclasses import dataclass
from socket import socket
from threading import Thread
from types import TracebackType
from typing import Any, Final

import anyio
import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token

from wriftai_anyio.sandbox._app import build_app
from wriftai_anyio.sandbox._built_in_models import built_in_models
from wriftai_anyio.sandbox._faults import API_PREFIX, Fault, FaultKind, FaultPlan
from wriftai_anyio.sandbox._limits import Limiter, RateLimits
from wriftai_anyio.sandbox._models import Model, ModelFunction, Models
from wriftai_anyio.sandbox._prediction_routes import PredictionRoutes
from wriftai_anyio.sandbox._predictions import PredictionStore
from wriftai_anyio.sandbox._requests import RecordedRequest, RequestLog
from wriftai_anyio.sandbox._runner import Runner
from wriftai_anyio.sandbox._server import SandboxServer, listen
from wriftai_anyio.sandbox._settings import Settings

if sys.version_info >= (3, 11):
    from typing import Self
else:
    from typing_extensions import Self

START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


@dataclass(frozen=True)
class _Running:
    server: SandboxServer
    token: EventLoopToken


class Sandbox:
    """A local stand-in for the WriftAI API, served over real HTTP on loopback by a thread of its own.

    Use it as a context manager, or with `start` and `stop`. It has the models ``sandbox/echo`` (returns its
    input), ``sandbox/word-count`` (counts the words of ``text``), ``sandbox/sleep`` (sleeps for ``seconds``)
    and ``sandbox/fail`` (fails with ``message`` and ``detail``), and those that you register.

    Args:
        models: Further models by ``owner/name``: functions that take the input, or `Model`.
        port: The port on loopback; 0 for a free one.
        access_token: The token that it wants from its clients.
        rate_limits: The rate limits; without, there are none, and no headers about them.
        hold: Whether it honours ``Prefer: wait``; otherwise a create is answered at once.
        max_hold: The longest that it holds a connection, in seconds.
        setup_time: How long a prediction is pending and starting, in seconds.
        cancel_time: How long after a cancel its prediction ends, in seconds.
        time_scale: How many times as fast its own time passes: divides the durations above and those of its
            models, but neither the seconds that a client asks to be held nor the rate limits.

    Raises:
        ValueError: Where a duration is negative, the time scale not positive, or a model's name wrong.
    """

    def __init__(
        self,
        models: Mapping[str, ModelFunction | Model] | None = None,
        *,
        port: int = 0,
        access_token: str = "sandbox-token",  # noqa: S107 - opens nothing but the sandbox
        rate_limits: RateLimits | None = None,
        hold: bool = True,
        max_hold: float = 60.0,
        setup_time: float = 0.02,
        cancel_time: float = 0.02,
        time_scale: float = 1.0,
    ) -> None:
        if min(max_hold, setup_time, cancel_time) < 0:
            raise ValueError("durations must not be negative")
        if time_scale <= 0:
            raise ValueError("time_scale must be positive")
        self._settings = Settings(
            hold=hold,
            max_hold=max_hold / time_scale,
            setup_time=setup_time / time_scale,
            cancel_time=cancel_time / time_scale,
            time_scale=time_scale,
        )
        self._port = port
        self._access_token = access_token
        self._models = Models(built_in_models(self._settings.scaled), models or {})
        self._first_models = self._models.copy()
        self._limiter = None if rate_limits is None else Limiter(rate_limits)
        self._predictions = PredictionStore()
        self._requests = RequestLog()
        self._faults = FaultPlan()
        self._base_url: str | None = None
        self._thread: Thread | None = None
        self._running: _Running | None = None

    def __repr__(self) -> str:
        return f"<Sandbox {self._base_url or 'not running'}>"

    @property
    def base_url(self) -> str:
        """The base URL of the API, such as ``http://127.0.0.1:4321/v1``.

        Raises:
            RuntimeError: Before it has been started for the first time.
        """
        if self._base_url is None:
            raise RuntimeError("the sandbox has not been started")
        return self._base_url

    @property
    def access_token(self) -> str:
        """The token that it wants from its clients."""
        return self._access_token

    @property
    def models(self) -> MutableMapping[str, ModelFunction | Model]:
        """The models by ``owner/name``; add a function or a `Model` at any time."""
        return self._models

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, oldest first (the last 100,000 of them)."""
        return self._requests.snapshot()

    @property
    def predictions(self) -> list[dict[str, Any]]:
        """The predictions so far as the API shows them, oldest first."""
        return self._predictions.snapshot()

    def start(self) -> None:
        """Start serving; returns once requests are answered.

        Raises:
            OSError: Where the port is in use.
            RuntimeError: Where it runs already, or cannot start.
        """
        if self._running is not None:
            raise RuntimeError("the sandbox is running already")
        listener = listen(self._port)
        self._base_url = f"http://127.0.0.1:{listener.getsockname()[1]}{API_PREFIX}"
        ready: Future[_Running] = Future()
        self._thread = Thread(target=self._run, args=(listener, ready), name="wriftai-sandbox", daemon=True)
        self._thread.start()
        self._running = ready.result(START_SECONDS)

    def stop(self) -> None:
        """Stop serving: drops all connections and ends all predictions; harmless where it does not run.

        Raises:
            RuntimeError: Where it does not stop in time.
        """
        running, thread = self._running, self._thread
        if running is None or thread is None:
            return
        anyio.from_thread.run_sync(running.server.stop, token=running.token)
        thread.join(STOP_SECONDS)
        if thread.is_alive():
            raise RuntimeError("the sandbox did not stop")
        self._running = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def fail_next(
        self,
        kind: int | FaultKind,
        *,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        delay: float = 0.0,
    ) -> None:
        """Let the next requests go wrong.

        Args:
            kind: An HTTP status, which is answered without anything being done, or one of ``"drop"`` (the
                connection is closed and nothing done), ``"drop_after"`` (all is done, then the connection
                closed without an answer), ``"half"`` (all is done, then the head and half of the body are
                sent), ``"stall"`` (nothing is done and never answered), ``"stall_after"`` (all is done but
                never answered), ``"html"`` (200 with HTML), ``"garbage"`` (200 with broken JSON), ``"shape"``
                (200 with JSON of a wrong shape) and ``"delay"`` (nothing goes wrong, only later).
            times: How many requests.
            method: Only requests of this method.
            path: Only requests whose path matches this shell pattern, such as ``/predictions/*``.
            headers: Further headers of the answer.
            body: The body of the answer: text and bytes as they are, all else as JSON.
            delay: Seconds that pass before it happens.

        Raises:
            ValueError: Where the kind is unknown or ``times`` less than 1.
        """
        self._faults.add(Fault(kind, method, path, headers or {}, body, delay), times)

    def reset(self) -> None:
        """Empty it: no predictions, requests or faults, the first models, and full rate limits."""
        if self._running is None:
            self._clear()
        else:
            anyio.from_thread.run_sync(self._clear, token=self._running.token)

    def _clear(self) -> None:
        self._predictions.clear()
        self._requests.clear()
        self._faults.clear()
        self._models.clear()
        self._models.update(self._first_models)
        if self._limiter is not None:
            self._limiter.clear()

    def _run(self, listener: socket, ready: Future[_Running]) -> None:
        try:
            anyio.run(self._serve, listener, ready)
        finally:
            listener.close()
            if not ready.done():
                ready.set_exception(RuntimeError("the sandbox could not start"))

    async def _serve(self, listener: socket, ready: Future[_Running]) -> None:
        async with anyio.create_task_group() as tasks:
            runner = Runner(tasks, self._predictions, self._settings)
            routes = PredictionRoutes(self._predictions, self._models, runner, self._settings).routes()
            app = build_app(routes, self._access_token, self._requests, self._faults, self._limiter)
            server = SandboxServer(app, lambda: ready.set_result(_Running(server, current_token())))
            await server.serve(sockets=[listener])
            tasks.cancel_scope.cancel()
