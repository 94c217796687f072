"""The blocking twins: their signatures, their threads, and what must not reach the portal."""

import asyncio
import contextvars
import errno
import gc
import inspect
import re
import sys
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import httpx
import pytest
import trio
from anyio.lowlevel import current_token

from tests.support.clients import ID, Script, answer, client_of, never, run_on
from tests.support.patience import AT_ONCE, PATIENCE, until
from wriftai_anyio import Client
from wriftai_anyio._resources.base import Resource
from wriftai_anyio.predictions import AsyncWaitOptions, WaitOptions


def resources() -> list[object]:
    client = client_of(Script())
    return [client._api, *(value for value in vars(client).values() if isinstance(value, Resource))]


def twins() -> Iterator[tuple[Any, str]]:
    """Finds each twin of a coroutine method: what has it, and its name."""
    for resource in resources():
        for name in dir(type(resource)):
            if name.startswith("async_"):
                yield resource, name.removeprefix("async_")


def in_blocking_terms(annotation: object) -> str:
    text = re.sub(r"Awaitable\[(\w+)\]", r"\1", inspect.formatannotation(annotation))
    blocking = re.sub(r"\b(Abstract)?Async(?=[A-Z])", r"\1", text)
    return " | ".join(dict.fromkeys(blocking.split(" | ")))


def default_in_blocking_terms(value: object) -> object:
    if isinstance(value, AsyncWaitOptions):
        return WaitOptions(**{**vars(value), "on_poll": None})
    return value


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def portal_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "wriftai_anyio portal"]


@contextmanager
def in_a_thread(function: Callable[[], object]) -> Iterator[Callable[[], BaseException | None]]:
    """Runs a function in a thread; gives what waits for its end and returns what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def outcome() -> BaseException | None:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "the call did not end"
        return raised[0] if raised else None

    yield outcome
    outcome()


GIVEN: dict[str, object] = {"params": {"input": 1}, "inputs": [{"input": 1}]}
"""Arguments of twins that are not a string."""


def call(twin: Callable[..., Any]) -> None:
    required = [each for each in inspect.signature(twin).parameters.values() if each.default is each.empty]
    result = twin(*[GIVEN.get(each.name, "o/n") for each in required])
    if hasattr(result, "__enter__"):
        result.__enter__()
    if isinstance(result, Iterator):
        next(result)


class TestParity:
    def test_the_resources_are_found(self) -> None:
        found = {(type(resource).__name__, name) for resource, name in twins()}
        assert {("API", "request"), ("Predictions", "create")} <= found

    def test_twins_have_the_signatures_of_their_coroutines(self) -> None:
        for resource, name in twins():
            twin = inspect.signature(getattr(type(resource), name), eval_str=True)
            coroutine = inspect.signature(getattr(type(resource), f"async_{name}"), eval_str=True)
            assert [(each.name, each.kind, each.default) for each in twin.parameters.values()] == [
                (each.name, each.kind, default_in_blocking_terms(each.default))
                for each in coroutine.parameters.values()
            ], name
            assert {key: inspect.formatannotation(each.annotation) for key, each in twin.parameters.items()} == {
                key: in_blocking_terms(each.annotation) for key, each in coroutine.parameters.items()
            }, name
            returned = inspect.formatannotation(twin.return_annotation)
            assert returned == in_blocking_terms(coroutine.return_annotation), name

    def test_twins_have_the_docstrings_of_their_coroutines_in_blocking_terms(self) -> None:
        for resource, name in twins():
            first_line, _, rest = (inspect.getdoc(getattr(resource, name)) or "").partition("\n")
            of_coroutine, _, _ = (inspect.getdoc(getattr(resource, f"async_{name}")) or "").partition("\n")
            assert first_line == of_coroutine.replace("async_", ""), name
            assert first_line.endswith("."), name
            assert not re.search(r"\bawait |\basync |\basync_|\bAsync[A-Z]", rest), name

    def test_twins_inside_an_event_loop_name_their_coroutines(self, backend: str) -> None:
        async def call_all() -> None:
            for resource, name in twins():
                with pytest.raises(RuntimeError, match=r"`(await|async with|async for … in) …async_\w+\(…\)"):
                    call(getattr(resource, name))

        run_on(backend, call_all)


class TestThreads:
    def test_the_event_loop_is_of_the_kind_asked_for(self, backend: str) -> None:
        def respond(_: httpx.Request) -> httpx.Response:
            native = current_token().native_token
            assert type(native).__module__.partition(".")[0] == backend
            return answer()

        client_of(Script(respond), backend=backend).predictions.get(ID)

    def test_no_thread_runs_before_the_first_call(self) -> None:
        before = set(portal_threads())
        client_of(Script()).close()
        assert set(portal_threads()) <= before  # a thread of an earlier test may end meanwhile

    def test_calls_from_eight_threads_at_once_get_their_own_answers(self, backend: str) -> None:
        async def respond(request: httpx.Request) -> httpx.Response:
            await anyio.sleep(0.001)
            name = request.url.path.rpartition("/")[2]
            return answer(id=name, output=name)

        client = client_of(Script(forever=respond), backend=backend)
        with client, ThreadPoolExecutor(8) as threads:
            outputs = list(threads.map(lambda n: client.predictions.get(f"id-{n}")["output"], range(400)))
        assert outputs == [f"id-{n}" for n in range(400)]
        assert not any(thread.name.startswith("wriftai_anyio worker") for thread in threading.enumerate())

    def test_close_ends_the_thread_and_may_be_called_twice(self, backend: str) -> None:
        before = set(portal_threads())
        client = client_of(Script(answer()), backend=backend)
        client.predictions.get(ID)
        (thread,) = set(portal_threads()) - before
        client.close()
        assert not thread.is_alive()
        client.close()

    @pytest.mark.parametrize("ending", ["close", "aclose"])
    def test_a_closed_client_says_so(self, backend: str, ending: str) -> None:
        client = client_of(Script(answer()), backend=backend)
        client.predictions.get(ID)
        if ending == "close":
            client.close()
        else:
            run_on(backend, client.aclose)
        with pytest.raises(RuntimeError, match="closed"):
            client.predictions.get(ID)
        with pytest.raises(RuntimeError, match="closed"):
            run_on(backend, client.predictions.async_get, ID)

    def test_the_thread_ends_when_the_client_is_collected(self, backend: str) -> None:
        before = set(portal_threads())
        client = client_of(Script(answer()), backend=backend)
        client.predictions.get(ID)
        (thread,) = set(portal_threads()) - before
        del client
        gc.collect()
        until(lambda: not thread.is_alive())

    def test_a_client_is_not_collected_while_one_of_its_resources_is_used(self, backend: str) -> None:
        async def respond(_: httpx.Request) -> httpx.Response:
            gc.collect()
            await anyio.sleep(0.01)
            return answer()

        assert client_of(Script(respond), backend=backend).predictions.get(ID)["output"] == "hello"

    def test_close_ends_the_calls_under_way(self, backend: str) -> None:
        script = Script(never)
        client = client_of(script, backend=backend)
        with in_a_thread(lambda: client.predictions.get(ID)) as outcome:
            assert script.arrived.wait(PATIENCE)
            began = time.monotonic()
            client.close()
            assert time.monotonic() - began < AT_ONCE
            error = outcome()
        assert isinstance(error, RuntimeError)
        assert "closed during this call" in str(error)

    def test_close_waits_for_what_cancel_on_exit_still_has_to_do(self, backend: str) -> None:
        cancelled = []

        async def respond(request: httpx.Request) -> httpx.Response:
            if request.method == "POST":
                await anyio.sleep(0.05)
                cancelled.append(request.url.path)
                return httpx.Response(202)
            return answer("started")

        script = Script(forever=respond)
        client = client_of(script, backend=backend)
        options = WaitOptions(0.01, lambda _: None, cancel_on_exit=True)
        with in_a_thread(lambda: client.predictions.wait(ID, options)):
            assert script.arrived.wait(PATIENCE)
            client.close()
        assert cancelled == [f"/v1/predictions/{ID}/cancel"]

    def test_closing_does_not_call_back_a_caller_that_is_busy(self, backend: str) -> None:
        busy, free = threading.Event(), threading.Event()

        def on_poll(_: object) -> None:
            busy.set()
            assert free.wait(PATIENCE)

        client = client_of(Script(forever=answer("started")), backend=backend)
        with in_a_thread(lambda: client.predictions.wait(ID, WaitOptions(0.0, on_poll))) as outcome:
            assert busy.wait(PATIENCE)
            client.close()
            free.set()
            error = outcome()
        assert isinstance(error, RuntimeError)
        assert "closed" in str(error)


class TestWorkerThreads:
    @pytest.mark.parametrize("method", ["get", "wait"])
    def test_a_worker_thread_of_anyio_may_call(self, backend: str, method: str) -> None:
        async def main() -> str:
            client = client_of(Script(answer()), backend=backend)
            found = await anyio.to_thread.run_sync(getattr(client.predictions, method), ID)
            status: str = found["status"]
            return status

        for outer in ("asyncio", "trio"):
            assert anyio.run(main, backend=outer) == "succeeded"

    def test_threads_of_the_backends_themselves_may_call(self, backend: str) -> None:
        client = client_of(Script(answer(), answer()), backend=backend)

        async def on_asyncio() -> str:
            return (await asyncio.to_thread(client.predictions.get, ID))["status"]

        async def on_trio() -> str:
            return (await trio.to_thread.run_sync(client.predictions.get, ID))["status"]

        assert asyncio.run(on_asyncio()) == trio.run(on_trio) == "succeeded"

    def test_a_cancelled_task_does_not_wait_for_the_call_in_its_worker_thread(self, backend: str) -> None:
        script = Script(never)
        client = client_of(script, backend=backend)

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.to_thread.run_sync, client.predictions.get, ID)
                await anyio.to_thread.run_sync(script.arrived.wait, PATIENCE)
                tasks.cancel_scope.cancel()

        for outer in ("asyncio", "trio"):
            began = time.monotonic()
            anyio.run(main, backend=outer)
            assert time.monotonic() - began < AT_ONCE
            script.arrived.clear()
            script._answers.append(never)

    def test_while_another_thread_imports_trio_a_call_in_a_daemon_thread_works(
        self, backend: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = client_of(Script(answer(), answer()), backend=backend)
        client.predictions.get(ID)
        statuses: list[str] = []
        thread = threading.Thread(target=lambda: statuses.append(client.predictions.get(ID)["status"]), daemon=True)
        monkeypatch.setitem(sys.modules, "trio", types.ModuleType("trio"))
        thread.start()
        thread.join(PATIENCE)
        assert statuses == ["succeeded"]

    def test_nor_does_one_of_trio_in_a_thread_of_its_own(self, backend: str) -> None:
        script = Script(never)
        client = client_of(script, backend=backend)

        async def main() -> None:
            async with trio.open_nursery() as tasks:
                tasks.start_soon(trio.to_thread.run_sync, client.predictions.get, ID)
                await trio.to_thread.run_sync(script.arrived.wait, PATIENCE)
                tasks.cancel_scope.cancel()

        began = time.monotonic()
        trio.run(main)
        assert time.monotonic() - began < AT_ONCE


class TestCallbacks:
    def test_a_callback_runs_in_the_thread_of_its_caller_with_its_context(self, backend: str) -> None:
        variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")
        seen: list[tuple[int, str]] = []

        def on_poll(_: object) -> None:
            seen.append((threading.get_ident(), variable.get()))
            variable.set("set by the callback")

        def call() -> None:
            variable.set("mine")
            client = client_of(Script(answer("started"), answer()), backend=backend)
            client.predictions.wait(ID, WaitOptions(0.0, on_poll))
            assert variable.get() == "set by the callback"
            assert seen == [(threading.get_ident(), "mine"), (threading.get_ident(), "set by the callback")]

        call()
        seen.clear()
        with in_a_thread(call) as outcome:
            assert outcome() is None

    def test_a_callback_may_call_the_client(self, backend: str) -> None:
        client = client_of(Script(forever=answer()), backend=backend)
        inner: list[object] = []
        options = WaitOptions(0.0, lambda _: inner.append(client.predictions.get(ID)["status"]))
        client.predictions.wait(ID, options)
        assert inner == ["succeeded"]

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, RecursionError])
    def test_what_a_callback_raises_reaches_its_caller_and_ends_the_wait(
        self, backend: str, kind: type[BaseException]
    ) -> None:
        def on_poll(_: object) -> None:
            raise kind("mine")

        def respond(request: httpx.Request) -> httpx.Response:
            return httpx.Response(202) if request.method == "POST" else answer("started")

        script = Script(forever=respond)
        client = client_of(script, backend=backend)
        with pytest.raises(kind, match="mine"):
            client.predictions.wait(ID, WaitOptions(0.0, on_poll, cancel_on_exit=True))
        assert script.paths == [f"GET /predictions/{ID}", f"POST /predictions/{ID}/cancel"]
        assert client.predictions.get(ID)["status"] == "started"


class TestPortal:
    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit, RecursionError])
    def test_what_a_coroutine_raises_reaches_its_caller_and_leaves_the_portal_to_others(
        self, backend: str, kind: type[BaseException]
    ) -> None:
        release = threading.Event()

        def fail(_: httpx.Request) -> httpx.Response:
            raise kind("mine")

        async def slow(_: httpx.Request) -> httpx.Response:
            await anyio.to_thread.run_sync(release.wait, PATIENCE)
            return answer()

        script = Script(slow, fail, answer())
        client = client_of(script, backend=backend)
        with in_a_thread(lambda: client.predictions.get(ID)) as outcome:
            assert script.arrived.wait(PATIENCE)
            with pytest.raises(kind, match="mine"):
                client.predictions.get(ID)
            release.set()
            assert outcome() is None
        assert client.predictions.get(ID)["status"] == "succeeded"

    def test_an_error_is_not_kept_alive_by_the_portal(self, backend: str) -> None:
        class OneOfAKindError(Exception):
            pass

        def fail(_: httpx.Request) -> httpx.Response:
            raise OneOfAKindError

        client = client_of(Script(fail, answer()), backend=backend)
        errors: list[weakref.ref[OneOfAKindError]] = []
        try:
            client.predictions.get(ID)
        except OneOfAKindError as error:
            errors.append(weakref.ref(error))
        client.predictions.get(ID)
        gc.collect()
        assert errors[0]() is None

    def test_in_a_notebook_a_twin_just_works(self, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
        kernel = types.SimpleNamespace(get_ipython=lambda: types.SimpleNamespace(kernel=object()))
        monkeypatch.setitem(sys.modules, "IPython", kernel)
        client = client_of(Script(answer(), answer()), backend=backend)
        seen: list[str] = []

        async def cell() -> str:
            client.predictions.wait(ID, WaitOptions(0.0, lambda latest: seen.append(latest["status"])))
            return client.predictions.get(ID)["status"]

        assert asyncio.run(cell()) == "succeeded"
        assert seen == ["succeeded"]

    def test_an_event_loop_that_cannot_run_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError("out of everything")

        client = client_of(Script())
        monkeypatch.setattr("wriftai_anyio._blocking.loop_thread.anyio.run", fail)
        with pytest.raises(RuntimeError, match="could not run: out of everything"):
            client.predictions.get(ID)

    def test_the_call_after_an_event_loop_that_could_not_run_begins_anew(
        self, backend: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object, **__: object) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

        client = client_of(Script(answer()), backend=backend)
        with monkeypatch.context() as patch:
            patch.setattr("wriftai_anyio._blocking.loop_thread.anyio.run", fail)
            for _ in range(2):
                with pytest.raises(RuntimeError, match=r"could not run: .*Too many open files"):
                    client.predictions.get(ID)
        assert client.predictions.get(ID)["status"] == "succeeded"
        client.close()

    def test_an_event_loop_that_lacks_a_module_names_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise LookupError("Install anyio[asyncio]") from ImportError("No module named '_posixsubprocess'")

        client = client_of(Script())
        monkeypatch.setattr("wriftai_anyio._blocking.loop_thread.anyio.run", fail)
        with pytest.raises(RuntimeError, match="could not run: No module named '_posixsubprocess'"):
            client.predictions.get(ID)


def test_a_client_is_usable_as_with_and_as_async_with(backend: str) -> None:
    async def main(client: Client) -> str:
        async with client as entered:
            return (await entered.predictions.async_get(ID))["status"]

    assert run_on(backend, main, client_of(Script(answer()))) == "succeeded"
    with client_of(Script(answer()), backend=backend) as client:
        assert client.predictions.get(ID)["status"] == "succeeded"
