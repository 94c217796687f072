"""What only a process of its own can show: Ctrl-C, exit, fork, pickling, one event loop after the other."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.copies import Template
from tests.support.patience import AT_ONCE, until
from tests.support.subprocesses import LONGEST_RUN, run_python, settings_for
from wriftai_anyio.sandbox import Sandbox

PROLOGUE = """
import asyncio, os, signal, sys, threading, time, warnings

backend = sys.argv[1]
# Extras that are not used here, and whose imports take half of the processor time (0.24 of 0.47 s).
sys.modules.update(dict.fromkeys(("click", "rich", "h2", "socksio", *(["trio"] if backend != "trio" else []))))

from wriftai_anyio import Client
from wriftai_anyio.predictions import WaitOptions
"""
CLIENT = """
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
client = Client(backend=backend)
predictions = client.predictions
WORDS = {"input": {"text": "to be or not to be"}}
SLEEP = {"input": {"seconds": 60}}
"""
FIRST_CALL = """
import contextlib, encodings.idna, httpcore
import wriftai_anyio._pipeline.engine, wriftai_anyio._predictions.operations
if backend == "trio":
    import anyio._backends._trio
else:
    import anyio._backends._asyncio
if backend == "uvloop":
    with contextlib.suppress(ImportError):
        import uvloop
"""
"""Imports what a first call does."""
TEMPLATES = {backend: Template(PROLOGUE + FIRST_CALL, None, backend) for backend in ("asyncio", "uvloop", "trio")}

DJANGO_VIEWS = """
from django.http import JsonResponse
from wriftai_anyio import Client

client = Client()
WORDS = {"input": {"text": "to be"}}

def count(request):
    return JsonResponse(client.predictions.create(WORDS, "sandbox/word-count", wait=True)["output"])

async def async_count(request):
    prediction = await client.predictions.async_create(WORDS, "sandbox/word-count", wait=True)
    first = [page async for page in client.predictions.async_iterate()][0]
    return JsonResponse(prediction["output"])

async def left(request):
    async for item in client.predictions.async_iterate():
        return JsonResponse(item)
"""
DJANGO_REQUESTS = """
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import RequestFactory

settings.configure()
import views

request = RequestFactory().get("/")
answers = [views.count(request)]
# As under WSGI: each view runs on an event loop of its own.
answers += [async_to_sync(view)(request) for view in (views.async_count, views.async_count, views.left)]
answers += [views.count(request)]
print(len(answers), "answers")
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
needs_signals = pytest.mark.skipif(os.name != "posix", reason="a signal cannot be sent to a single process here")


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def program(source: str) -> str:
    return PROLOGUE + CLIENT + dedent(source)


def run(sandbox: Sandbox, source: str, *arguments: str) -> str:
    code, stdout, stderr = Running(sandbox, source, *arguments).end()
    assert (code, stderr) == (0, ""), stdout + stderr
    return stdout


def run_anew(sandbox: Sandbox, source: str, *arguments: str) -> str:
    """Runs a program that is about imports, or about what Python does at its end, in an interpreter that is no copy."""
    return run_python(["-c", program(source), *arguments], settings_for(sandbox))


class Running:
    """A process that runs a program, and talks on its standard output."""

    def __init__(self, sandbox: Sandbox, source: str, *arguments: str) -> None:
        self._process = TEMPLATES[arguments[0]].start(
            CLIENT + dedent(source), *arguments, settings=settings_for(sandbox)
        )
        self._watchdog = threading.Timer(LONGEST_RUN, self._process.kill)
        self._watchdog.start()

    def interrupt(self) -> float:
        """Sends Ctrl-C; returns when."""
        self._process.send_signal(signal.SIGINT)
        return time.time()

    def line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> tuple[int, str, str]:
        """Waits for its end; returns its code, and the rest of what it wrote."""
        assert self._process.stdout is not None
        # `communicate` does not know of what `line` has read ahead.
        stdout = self._process.stdout.read()
        _, stderr = self._process.communicate()
        self._watchdog.cancel()
        return self._process.returncode, stdout, stderr


def until_requested(sandbox: Sandbox, method: str, path: str) -> None:
    until(lambda: any((each.method, each.path) == (method, f"/v1{path}") for each in sandbox.requests))


NEEDS_THREADS_AT_SHUTDOWN = pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="Python 3.12 starts no thread once the main thread has ended"
)


@needs_signals
class TestCtrlC:
    def test_it_raises_keyboard_interrupt_within_a_second_in_any_call(self, sandbox: Sandbox, backend: str) -> None:
        sandbox.fail_next("stall", times=6)
        running = Running(
            sandbox,
            """
            from wriftai_anyio._blocking import calls

            calls.LONGEST_GOODBYE = 60.0  # seconds that a call costs which does not end with its caller
            for call in (
                lambda: predictions.get("x"),
                lambda: predictions.list(),
                lambda: list(predictions.iterate()),
                lambda: predictions.wait("x", WaitOptions(0.01, lambda latest: None)),
                lambda: predictions.create(SLEEP, "sandbox/sleep"),
                lambda: predictions.create(SLEEP, "sandbox/sleep", wait=True),
            ):
                try:
                    call()
                except KeyboardInterrupt:
                    print(time.time(), flush=True)
            print(predictions.create(WORDS, "sandbox/word-count", wait=True)["output"]["to"])
            """,
            backend,
        )
        for number in range(1, 7):
            until(lambda: len(sandbox.requests) == number)  # noqa: B023 -- called at once
            interrupted = running.interrupt()
            assert float(running.line()) - interrupted < AT_ONCE
        assert running.end() == (0, "2\n", "")

    def test_what_is_not_caught_ends_the_process_as_ctrl_c_does(self, sandbox: Sandbox, backend: str) -> None:
        running = Running(sandbox, "predictions.create(SLEEP, 'sandbox/sleep', wait=True)", backend)
        until_requested(sandbox, "POST", "/predictions")
        running.interrupt()
        code, _, stderr = running.end()
        assert code == -signal.SIGINT
        assert stderr.strip().endswith("KeyboardInterrupt")

    @pytest.mark.parametrize("moment", ["while it is created", "while it runs"])
    def test_cancel_on_exit_cancels_on_the_server(self, sandbox: Sandbox, backend: str, moment: str) -> None:
        if moment == "while it is created":
            sandbox.fail_next("delay", delay=0.2, method="POST", path="/predictions")
        running = Running(
            sandbox,
            """
            options = WaitOptions(0.01, cancel_on_exit=True)
            predictions.create(SLEEP, "sandbox/sleep", wait=True, wait_options=options)
            """,
            backend,
        )
        until_requested(sandbox, "POST", "/predictions")
        if moment == "while it runs":
            until(lambda: sandbox.predictions)
            until_requested(sandbox, "GET", f"/predictions/{sandbox.predictions[0]['id']}")
        running.interrupt()
        assert running.end()[0] == -signal.SIGINT
        (left,) = sandbox.predictions
        until_requested(sandbox, "POST", f"/predictions/{left['id']}/cancel")


class TestExit:
    def test_without_close_it_is_silent_and_quick(self, sandbox: Sandbox, backend: str) -> None:
        stdout = run_anew(sandbox, "predictions.list(); print(time.time())", backend)
        assert time.time() - float(stdout) < AT_ONCE

    def test_during_a_call_in_another_thread_it_is_silent_and_quick(self, sandbox: Sandbox, backend: str) -> None:
        sandbox.fail_next("stall", path="/predictions/x")
        stdout = run_anew(
            sandbox,
            """
            predictions.list()
            threading.Thread(target=predictions.get, args=["x"], daemon=True).start()
            time.sleep(0.1)
            print(time.time())
            """,
            backend,
        )
        assert time.time() - float(stdout) < AT_ONCE

    @pytest.mark.parametrize("flags", [["-X", "dev"], ["-OO"]], ids=str)
    def test_a_client_of_a_module_is_silent(self, sandbox: Sandbox, tmp_path: Path, flags: list[str]) -> None:
        (tmp_path / "of_a_module.py").write_text(
            program("predictions.list(); pages = predictions.iterate(); next(pages, None)")
        )
        source = f"import sys; sys.path.append({str(tmp_path)!r}); import of_a_module"
        # asyncio's debug mode tells of steps that took 0.1 s, as any may on a busy machine.
        slow = r"(Executing .* took .* seconds\n)*"
        assert run_python([*flags, "-c", source, "asyncio"], settings_for(sandbox), stderr=slow) == ""

    @pytest.mark.parametrize("flags", [[], ["-X", "dev"]], ids=str)
    def test_a_client_of_a_module_of_a_django_application_is_silent(
        self, sandbox: Sandbox, tmp_path: Path, flags: list[str]
    ) -> None:
        (tmp_path / "views.py").write_text(DJANGO_VIEWS)
        source = f"import sys; sys.path.append({str(tmp_path)!r}); {dedent(DJANGO_REQUESTS)}"
        slow = r"(Executing .* took .* seconds\n)*"
        assert run_python([*flags, "-c", source], settings_for(sandbox), stderr=slow) == "5 answers\n"

    @pytest.mark.skipif(sys.version_info >= (3, 12), reason="not all extension modules of others load there")
    def test_an_isolated_subinterpreter_is_told_what_blocking_calls_need(self, sandbox: Sandbox) -> None:
        stdout = run(
            sandbox,
            """
            import _xxsubinterpreters as interpreters

            call = f'''if True:
                import sys
                sys.path[:] = {sys.path!r}
                from wriftai_anyio import Client
                try:
                    Client("t", {client.api_base_url!r}).predictions.list()
                except RuntimeError as error:
                    print(str(error)[:35], flush=True)
            '''
            interpreter = interpreters.create()
            problem = interpreters.run_string(interpreter, call)
            print(problem)
            interpreters.destroy(interpreter)
            """,
            "asyncio",
        )
        assert stdout == "Blocking calls need a daemon thread\nNone\n"

    def test_sys_exit_in_a_callback_is_the_end_of_the_process(self, sandbox: Sandbox, backend: str) -> None:
        running = Running(
            sandbox,
            """
            created = predictions.create(SLEEP, "sandbox/sleep")
            predictions.wait(created["id"], WaitOptions(0.01, lambda latest: sys.exit(3)))
            """,
            backend,
        )
        assert running.end() == (3, "", "")

    def test_a_call_at_exit_is_refused_and_does_not_hang(self, sandbox: Sandbox, backend: str) -> None:
        stdout = run_anew(
            sandbox,
            """
            import atexit

            class Late:
                def __del__(self):
                    try:
                        predictions.list()
                    except RuntimeError as error:
                        print(error)

            late = Late()
            predictions.list()
            """,
            backend,
        )
        assert stdout == "" or "closed" in stdout or "event loop" in stdout

    @pytest.mark.parametrize("call", ["predictions.list()", "list(client.map('sandbox/echo', [1]))"])
    def test_nor_does_the_first_call_of_a_client(self, sandbox: Sandbox, backend: str, call: str) -> None:
        stdout = run_anew(
            sandbox,
            f"""
            class Late:
                def __del__(self):
                    try:
                        {call}
                    except RuntimeError as error:
                        print(error)

            late = Late()
            """,
            backend,
        )
        assert "Python has shut down: no event loop can run" in stdout

    @NEEDS_THREADS_AT_SHUTDOWN
    @pytest.mark.parametrize("moment", ["in another thread", "at exit"])
    def test_a_call_by_host_name_after_the_main_thread_has_ended_works(
        self, sandbox: Sandbox, backend: str, moment: str
    ) -> None:
        stdout = run(
            sandbox,
            """
            import atexit

            by_name = Client(api_base_url=sys.argv[2], backend=backend)

            def call():
                while threading.main_thread().is_alive():
                    time.sleep(0.01)
                print(by_name.predictions.list().items)

            if sys.argv[3] == "at exit":
                atexit.register(call)
            else:
                threading.Thread(target=call).start()
            """,
            backend,
            sandbox.base_url.replace("127.0.0.1", "localhost"),
            moment,
        )
        assert stdout == "[]\n"

    @pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="other Pythons start threads then")
    def test_a_first_call_after_the_main_thread_has_ended_says_why_python_3_12_cannot_run_it(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        stdout = run_anew(
            sandbox,
            """
            def call():
                threading.main_thread().join()
                try:
                    predictions.list()
                except RuntimeError as error:
                    print(error)

            threading.Thread(target=call).start()
            """,
            backend,
        )
        assert "Python 3.12 starts none once the main thread has ended" in stdout
        assert sandbox.requests == []

    def test_a_lookup_after_the_main_thread_has_ended_works_where_the_event_loop_runs_already(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        sandbox.fail_next("stall", path="/models")
        stdout = run_anew(
            sandbox,
            """
            sent = threading.Event()

            def note(event):
                if event.path == "/models":
                    sent.set()

            by_name = Client(api_base_url=sys.argv[2], backend=backend, on_request=note)
            by_name.predictions.list()
            threading.Thread(target=by_name.models.list, daemon=True).start()  # keeps the one connection that there is

            def call():
                threading.main_thread().join()
                print(by_name.predictions.list().items)

            sent.wait()
            threading.Thread(target=call).start()
            """,
            backend,
            sandbox.base_url.replace("127.0.0.1", "localhost"),
        )
        assert stdout == "[]\n"

    @NEEDS_THREADS_AT_SHUTDOWN
    def test_what_was_to_run_at_exit_before_the_import_may_use_a_client_that_was_used(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        program = """if True:
            import atexit, sys

            atexit.register(lambda: print(client.predictions.list().items))
            from wriftai_anyio import Client

            client = Client(backend=sys.argv[1])
            client.predictions.list()
            """
        assert run_python(["-c", program, backend], settings_for(sandbox)) == "[]\n"


class TestEventLoops:
    @pytest.mark.parametrize("own", [False, True], ids=["a shared client", "a client of its own"])
    def test_event_loops_that_are_just_closed_leave_no_socket(self, sandbox: Sandbox, own: bool) -> None:
        stdout = run(
            sandbox,
            """
            import gc

            warnings.simplefilter("ignore", ResourceWarning)  # asyncio's own, of sockets that it had to close itself

            async def use():
                await (Client() if sys.argv[2] == "True" else client).predictions.async_list()

            counts = []
            for _ in range(8):
                loop = asyncio.new_event_loop()
                loop.run_until_complete(use())
                loop.close()
                del loop
                gc.collect()
                counts.append(len(os.listdir("/dev/fd")))
            print(counts[-1] - counts[0])
            """,
            "asyncio",
            str(own),
        )
        assert int(stdout) <= 1

    def test_one_client_serves_one_loop_after_the_other_without_being_closed(self, sandbox: Sandbox) -> None:
        stdout = run(
            sandbox,
            """
            import gc, trio

            async def main(own):
                mine = Client() if own else client
                created = await mine.predictions.async_create(WORDS, "sandbox/word-count", wait=True)
                return created["output"]["be"]

            for own in (False, True, False):
                for _ in range(2):
                    assert asyncio.run(main(own)) == 2
                    gc.collect()
                    assert trio.run(main, own) == 2
                    gc.collect()
                assert predictions.create(WORDS, "sandbox/word-count", wait=True)["output"]["be"] == 2
            print("done")
            """,
            "trio",
        )
        assert stdout == "done\n"

    def test_clients_dropped_inside_a_running_loop_leave_no_warning_and_no_socket(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        stdout = run(
            sandbox,
            """
            import anyio, gc

            async def use():
                await Client().predictions.async_list()

            async def main():
                await use()
                gc.collect()
                first = len(os.listdir("/dev/fd"))
                for _ in range(6):
                    await use()
                    gc.collect()
                return len(os.listdir("/dev/fd")) - first

            print(anyio.run(main, backend=backend.replace("uvloop", "asyncio")))
            """,
            backend,
        )
        assert int(stdout) <= 2


@needs_fork
class TestFork:
    def test_parent_and_child_both_go_on(self, sandbox: Sandbox, backend: str) -> None:
        stdout = run(
            sandbox,
            """
            stream = predictions.create_stream(SLEEP, "sandbox/sleep")
            next(stream)
            child = os.fork()
            answer = predictions.create(WORDS, "sandbox/word-count", wait=True)["output"]["be"]
            if not child:
                signal.alarm(50)
                try:
                    list(stream)
                except RuntimeError as error:
                    assert "in another process" in str(error)
            else:
                assert os.waitpid(child, 0)[1] == 0
                print(answer, predictions.get(predictions.list().items[0]["id"])["status"])
            """,
            backend,
        )
        assert stdout == "2 succeeded\n"

    def test_a_child_forked_while_threads_are_busy_works_and_ends(self, sandbox: Sandbox, backend: str) -> None:
        stdout = run(
            sandbox,
            """
            def work():
                while not stop.is_set():
                    predictions.list()

            predictions.list()
            stop = threading.Event()
            threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
            for thread in threads:
                thread.start()
            for _ in range(3):
                child = os.fork()
                if not child:
                    signal.alarm(50)
                    predictions.list()
                    sys.exit(0)
                assert os.waitpid(child, 0)[1] == 0
            stop.set()
            for thread in threads:
                thread.join()
            predictions.list()
            print("done")
            """,
            backend,
        )
        assert stdout == "done\n"

    def test_a_child_forked_while_another_threads_first_call_imports_can_import_too(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        stdout = run_anew(
            sandbox,
            """
            import queue

            class Announcing:
                def find_spec(self, name, path=None, target=None):
                    if name in awaited:
                        awaited.remove(name)
                        moments.put(name)
                        time.sleep(0.05)

            of_backend = f"anyio._backends._{backend.replace('uvloop', 'asyncio')}"
            ours = {f"wriftai_anyio.{name}" for name in ("_pipeline.pipeline", "_transport.pools", "_polling.poller")}
            awaited, moments = {*ours, of_backend, "httpcore", "encodings.idna"}, queue.SimpleQueue()
            sys.meta_path.insert(0, Announcing())
            first = threading.Thread(target=lambda: predictions.create(WORDS, "sandbox/word-count"))
            first.start()
            for _ in range(6):
                moments.get(timeout=50)
                child = os.fork()
                if not child:
                    signal.alarm(50)
                    # It takes the name of the thread that stayed behind, to which locks are open.
                    threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
                    predictions.list()
                    os._exit(0)
                print(os.waitpid(child, 0)[1])
            first.join()
            """,
            backend,
        )
        assert stdout == "0\n" * 6

    def test_a_child_ends_though_a_lock_of_its_parent_was_held(self, sandbox: Sandbox, backend: str) -> None:
        stdout = run(
            sandbox,
            """
            def hold():
                with client._api.blocking._portals.peek()._lock:
                    held.set()
                    free.wait()

            predictions.list()
            held, free = threading.Event(), threading.Event()
            threading.Thread(target=hold).start()
            held.wait()
            child = os.fork()
            if not child:
                signal.alarm(50)
                predictions.list()
                sys.exit(0)
            free.set()
            print(os.waitpid(child, 0)[1])
            """,
            backend,
        )
        assert stdout == "0\n"

    def test_a_child_that_drops_the_client_leaves_the_parents_connections_alone(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        stdout = run(
            sandbox,
            """
            import gc

            predictions.list()
            child = os.fork()
            if not child:
                del client, predictions
                gc.collect()
                sys.exit(0)
            status = os.waitpid(child, 0)[1]
            predictions.list()
            print(status)
            """,
            backend,
        )
        assert stdout == "0\n"

    def test_a_child_of_a_fork_that_python_does_not_know_of_has_its_own_portal_and_connections(
        self, sandbox: Sandbox, backend: str
    ) -> None:
        # uWSGI forks its workers so.
        stdout = run(
            sandbox,
            """
            import ctypes

            predictions.list()
            # Until no other thread wants the GIL: a fork that Python does not know of copies its mutex as it is.
            time.sleep(0.2)
            child = ctypes.PyDLL(None).fork()
            if not child:
                signal.alarm(50)
                predictions.list()
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            predictions.list()
            print(status)
            """,
            backend,
        )
        assert stdout == "0\n"

    def test_a_child_forked_inside_a_running_loop_can_run_its_own(self, sandbox: Sandbox) -> None:
        stdout = run(
            sandbox,
            """
            async def main():
                await predictions.async_list()
                child = os.fork()
                if not child:
                    thread = threading.Thread(target=lambda: print(len(predictions.list().items), flush=True))
                    thread.start()
                    thread.join()
                    os._exit(0)
                status = os.waitpid(child, 0)[1]
                await predictions.async_list()
                return status

            print(asyncio.run(main()))
            """,
            "asyncio",
        )
        assert stdout == "0\n0\n"


@pytest.mark.parametrize("method", [pytest.param("fork", marks=needs_fork), "spawn"])
def test_a_pool_of_processes_shares_a_pickled_client(
    sandbox: Sandbox, backend: str, method: str, tmp_path: Path
) -> None:
    source = """
        import functools, multiprocessing

        def count(client, word):
            params = {"input": {"text": word}}
            return client.predictions.create(params, "sandbox/word-count", wait=True)["output"][word]

        if __name__ == "__main__":
            predictions.list()
            with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:
                print(sum(pool.map(functools.partial(count, client), ["to", "be", "or", "not"])))
                print(len(pool.map(predictions.get, [each["id"] for each in predictions.iterate()])))
    """
    if method == "fork":
        printed = run(sandbox, source, backend, method)
    else:  # whose processes run the program's file themselves
        path = tmp_path / "pool.py"
        path.write_text(program(source))
        printed = run_python([path, backend, method], settings_for(sandbox))
    assert printed == "4\n4\n"
    assert len(sandbox.predictions) == 4


def test_first_calls_work_where_gevent_patches_after_the_import(sandbox: Sandbox) -> None:
    pytest.importorskip("gevent")
    source = """
        from wriftai_anyio import Client
        client = Client()
        import gevent.monkey

        gevent.monkey.patch_all()
        calls = [gevent.spawn(client.predictions.create, {"input": n}, "sandbox/echo", True) for n in range(3)]
        gevent.joinall(calls)
        print(*(call.value["status"] for call in calls))
    """
    settings = settings_for(sandbox)
    assert run_python(["-c", dedent(source)], settings, stderr="(?s).*") == "succeeded succeeded succeeded\n"


def test_a_batch_and_a_call_from_a_callback_work_under_gevent(sandbox: Sandbox) -> None:
    pytest.importorskip("gevent")
    source = """
        import gevent.monkey

        gevent.monkey.patch_all()
        from wriftai_anyio import Client
        from wriftai_anyio.predictions import WaitOptions

        with Client() as client:
            with client.predictions.batch([{"input": n} for n in range(10)], "sandbox/echo") as results:
                print(sum(result.error is None for result in results))
            slow = client.predictions.create({"input": {"seconds": 60}}, "sandbox/sleep")["id"]
            options = WaitOptions(0.1, lambda latest: latest["status"] == "started" and client.predictions.cancel(slow))
            print(client.predictions.wait(slow, options)["status"])
    """
    assert run_python(["-c", dedent(source)], settings_for(sandbox)) == "10\ncancelled\n"
