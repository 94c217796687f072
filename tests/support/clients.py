"""What the tests of the core share: answers without a network, time without waiting, callers of each kind."""

import asyncio
import functools
import itertools
import selectors
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar

import anyio
import httpx
from trio._core import _run as scheduler
from trio.testing import MockClock

from wriftai_anyio import Client
from wriftai_anyio._blocking.backends import BACKENDS
from wriftai_anyio.predictions import AsyncWaitOptions, WaitOptions

T = TypeVar("T")

TOKEN = "s3cr3t-t0k3n"
BASE_URL = "https://api.example/v1"
ID = "5b6f1c3e-0000-4000-8000-000000000001"

Answer: TypeAlias = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


def prediction(status: str = "succeeded", **fields: object) -> dict[str, object]:
    """Returns a prediction as today's servers send it: without `url`."""
    return {
        "id": ID,
        "created_at": "2026-05-01T12:00:00Z",
        "status": status,
        "updated_at": "2026-05-01T12:00:01Z",
        "setup_time": None,
        "execution_time": None,
        "model": {"owner": "sandbox", "name": "echo", "version_number": 1},
        "input": "hello",
        "output": "hello" if status == "succeeded" else None,
        "error": None,
        **fields,
    }


def answer(status: str = "succeeded", code: int = 200, **fields: object) -> httpx.Response:
    """Returns an answer that tells of a prediction."""
    return httpx.Response(code, json=prediction(status, **fields))


class Script(httpx.AsyncBaseTransport):
    """Answers requests with what the script says, in order; notes them.

    Args:
        *answers: Answers, errors to raise, or functions of the request.
        forever: What all requests after those get.
        reads_body: Whether the server sees the request before it answers.
    """

    def __init__(self, *answers: Answer, forever: Answer | None = None, reads_body: bool = True) -> None:
        self._answers = list(answers)
        self._forever = forever
        self._reads_body = reads_body
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []
        self.arrived = threading.Event()

    def go_on_with(self, *answers: Answer, forever: Answer | None = None) -> None:
        """Forgets the requests so far, and answers from here on with what another script says."""
        self._answers, self._forever = list(answers), forever
        self.requests.clear()
        self.bodies.clear()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.arrived.set()
        if self._reads_body:
            self.bodies.append(await request.aread())
        given = self._answers.pop(0) if self._answers else self._forever
        if given is None:
            raise AssertionError(f"{request.method} {request.url} was not expected")
        if isinstance(given, Exception):
            raise given.with_traceback(None)  # else it grows with each request
        if callable(given):
            made = given(request)
            return made if isinstance(made, httpx.Response) else await made
        return httpx.Response(given.status_code, headers=given.headers, stream=given.stream)

    @property
    def paths(self) -> list[str]:
        """The requests so far, as "METHOD /path"."""
        return [f"{request.method} {request.url.path.removeprefix('/v1')}" for request in self.requests]


_accounts = itertools.count()


def client_of(transport: httpx.AsyncBaseTransport, **options: Any) -> Client:
    """Makes a client whose requests all go to a transport, of an account (and so a pace) of its own."""
    return Client(f"{TOKEN}-{next(_accounts)}", BASE_URL, transport=transport, **options)


def run_on(backend: str, function: Callable[..., Awaitable[T]], *args: object) -> T:
    """Runs a coroutine function on an event loop of a kind that a client takes."""
    kind = BACKENDS[backend]
    return anyio.run(function, *args, backend=kind.name, backend_options=kind.options)


async def never(_: httpx.Request) -> httpx.Response:
    """Stalls."""
    await anyio.sleep_forever()
    raise AssertionError


def threads_named(name: str) -> set[threading.Thread]:
    """Returns the threads of this name that run."""
    return {thread for thread in threading.enumerate() if thread.name == name}


class _VirtualSelector(selectors.DefaultSelector):
    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio event loop whose clock jumps to the next timer when there is nothing else to do."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _VirtualSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


def in_virtual_time(backend: str) -> tuple[str, dict[str, Any]]:
    """Returns what the fixture `anyio_backend` must be for a test in virtual time."""
    if backend == "asyncio":
        return backend, {"loop_factory": VirtualTimeLoop}
    # trio runs the tasks that are ready in an order of chance, on purpose. In 3 of 700 orders, a test's bound did not
    # hold; so the order is the same in each run here, and is left to chance in the tests in real time.
    vars(scheduler)["_ALLOW_DETERMINISTIC_SCHEDULING"] = True
    scheduler._r.seed(1)
    return backend, {"clock": MockClock(autojump_threshold=0)}


class Spelling:
    """Calls the methods of a resource in one of their two spellings, on one of the two backends."""

    def __init__(self, name: str) -> None:
        kind, _, self.backend = name.partition("-")
        self.blocking = kind == "blocking"

    def client(self, transport: httpx.AsyncBaseTransport, **options: Any) -> Client:
        """Makes a client whose blocking calls run on this spelling's backend."""
        return client_of(transport, backend=self.backend, **options)

    def call(self, resource: object, name: str, *args: object, **kwargs: object) -> Any:
        """Calls a method of a resource and returns its result, or the items that it iterates over."""
        if self.blocking:
            return _listed(getattr(resource, name)(*args, **kwargs))
        method = functools.partial(getattr(resource, f"async_{name}"), *args, **kwargs)
        return anyio.run(_outcome, method, backend=self.backend)

    def options(self, on_poll: Callable[[Any], None] | None = None, **options: Any) -> WaitOptions | AsyncWaitOptions:
        """Makes wait options, with a callback that is called in either spelling; polls without a pause."""
        options.setdefault("poll_interval", 0.0)
        if self.blocking:
            return WaitOptions(on_poll=on_poll, **options)
        if on_poll is None:
            return AsyncWaitOptions(**options)

        async def async_on_poll(latest: object) -> None:
            await anyio.lowlevel.checkpoint()
            on_poll(latest)

        return AsyncWaitOptions(on_poll=async_on_poll, **options)


def _listed(result: object) -> object:
    return list(result) if isinstance(result, Iterable) and not isinstance(result, Mapping) else result


async def _outcome(method: Callable[[], Any]) -> object:
    result = method()
    if hasattr(result, "__aiter__"):
        return [item async for item in result]
    return await result
