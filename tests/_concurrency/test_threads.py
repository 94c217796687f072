"""Blocking work off the event loop."""

import threading
import time

import pytest

from tests.support.clients import threads_named
from tests.support.patience import AT_ONCE, PATIENCE, until_async
from wriftai_anyio._concurrency.threads import Worker, run_in_thread

pytestmark = pytest.mark.anyio


def fail() -> None:
    raise LookupError("as told")


async def test_function_runs_in_a_thread_of_its_own_and_its_outcome_comes_back() -> None:
    assert await run_in_thread(threading.get_ident) != threading.get_ident()
    with pytest.raises(LookupError, match="as told"):
        await run_in_thread(fail)


async def test_worker_runs_functions_in_one_thread_one_after_another() -> None:
    async with Worker() as worker:
        jobs = [worker.begin(threading.get_ident) for _ in range(5)]
        with pytest.raises(LookupError, match="as told"):
            await worker.run(fail)
        assert len({job.result() for job in jobs}) == 1


async def test_worker_cleans_up_in_its_thread_and_ends() -> None:
    threads = threads_named("wriftai_anyio files")
    cleaned: list[int] = []
    async with Worker() as worker:
        worker.cleanup.callback(lambda: cleaned.append(threading.get_ident()))
        thread = await worker.run(threading.get_ident)
    assert cleaned == [thread]
    assert threads_named("wriftai_anyio files") <= threads


async def test_cleanup_that_fails_does_not_hide_why_the_block_was_left() -> None:
    def cannot_close() -> None:
        raise OSError("cannot be closed")

    async def leave() -> None:
        async with Worker() as worker:
            worker.cleanup.callback(cannot_close)
            fail()

    with pytest.raises(LookupError, match="as told"):
        await leave()


async def test_worker_whose_function_hangs_is_left_and_ends_by_itself_without_the_rest() -> None:
    threads = threads_named("wriftai_anyio files")
    go_on = threading.Event()
    ran: list[str] = []

    def hang() -> None:
        ran.append("begin")
        go_on.wait(PATIENCE)
        ran.append("end")

    async with Worker() as worker:
        worker.cleanup.callback(ran.append, "cleanup")
        worker.begin(hang)
        worker.begin(ran.append, "what nobody waits for")
        await until_async(lambda: ran == ["begin"])
        began = time.perf_counter()
    assert time.perf_counter() - began < AT_ONCE
    go_on.set()
    await until_async(lambda: threads_named("wriftai_anyio files") <= threads)
    assert ran == ["begin", "end", "cleanup"]
