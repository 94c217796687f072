"""Name lookups of asyncio after the main thread's end."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from tests.support.patience import PATIENCE
from wriftai_anyio._concurrency.executors import MOST_THREADS, DaemonExecutor, replaces_refusing_executor


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def fail() -> None:
    raise LookupError("as told")


def test_outcomes_come_back() -> None:
    executor = DaemonExecutor()
    assert executor.submit(max, 1, 2).result(PATIENCE) == 2
    with pytest.raises(LookupError, match="as told"):
        executor.submit(fail).result(PATIENCE)


def test_functions_run_in_a_bounded_number_of_daemon_threads() -> None:
    go_on = threading.Event()
    threads: set[threading.Thread] = set()

    def work() -> None:
        threads.add(threading.current_thread())
        assert go_on.wait(PATIENCE)

    executor = DaemonExecutor()
    futures = [executor.submit(work) for _ in range(3 * MOST_THREADS)]
    assert futures[-1].cancel()
    go_on.set()
    wait(futures, 10)
    assert all(thread.daemon for thread in threads)
    assert len(threads) <= MOST_THREADS
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_without_a_thread_it_is_refused_and_not_kept_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = DaemonExecutor()
    go_on = threading.Event()
    executed: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        for number in range(2 * MOST_THREADS):
            with pytest.raises(RuntimeError, match="can't start"):
                executor.submit(executed.append, number)
    first = executor.submit(go_on.wait, PATIENCE)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        second = executor.submit(max, 1, 2)
    go_on.set()
    assert first.result(PATIENCE)
    assert second.result(PATIENCE) == 2
    assert executed == []


def test_where_python_starts_no_thread_at_its_shutdown_the_caller_s_own_does_the_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_at_shutdown(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", none_at_shutdown)
    executor = DaemonExecutor()
    for _ in range(2):
        assert executor.submit(threading.get_ident).result(0) == threading.get_ident()
    with pytest.raises(LookupError, match="as told"):
        executor.submit(fail).result(0)


def test_an_executor_that_refuses_is_replaced_and_nothing_else_is_tried_again() -> None:
    refusing = ThreadPoolExecutor()
    refusing.shutdown()

    async def main() -> int:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(refusing)
        with pytest.raises(RuntimeError) as refused:
            await loop.run_in_executor(None, max, 1, 2)
        assert replaces_refusing_executor(refused.value)
        assert not replaces_refusing_executor(RuntimeError("of another kind"))
        return await loop.run_in_executor(None, max, 1, 2)

    assert asyncio.run(main()) == 2
