"""A batch on a Dask cluster: whatever dies, nothing is lost and nothing created twice."""

import gc
import os
import runpy
import signal
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.support.subprocesses import CHECKOUT
from wriftai_anyio import Client
from wriftai_anyio.api import API
from wriftai_anyio.sandbox import RateLimits, Sandbox

if TYPE_CHECKING:
    import distributed  # a second, which workers of pytest that run other tests need not spend

LONGEST_TEST = 120.0
"""Seconds."""
START_METHOD = "forkserver" if hasattr(os, "fork") else "spawn"

Run: TypeAlias = Callable[..., Generator[tuple[int, int | Exception | None]]]


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Ends a test that hangs."""

    def end(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_TEST)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def cluster() -> "Iterator[distributed.Client]":
    import dask
    import distributed

    with (
        # Workers forked from a process that has imported it, where there is `fork`: else each takes a second and more.
        dask.config.set({"distributed.worker.multiprocessing-method": START_METHOD}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=True, dashboard_address="127.0.0.1:0"
        ) as workers,
        distributed.Client(workers) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def run() -> Run:
    """Loads the example, whose functions go to the workers by value, as those of a script do."""
    run: Run = runpy.run_path(str(CHECKOUT / "examples" / "dask_batch.py"))["run"]
    return run


def client_of(sandbox: Sandbox) -> Client:
    return Client(sandbox.access_token, sandbox.base_url)


def words(count: int) -> list[Any]:
    """Makes inputs of 1, 2, 3, … words."""
    return [{"input": {"text": "word " * (number + 1)}} for number in range(count)]


def expected(count: int) -> dict[int, int]:
    return {number: number + 1 for number in range(count)}


def live_apis(base_url: str) -> int:
    return sum(isinstance(each, API) and each.config.base_url == base_url for each in gc.get_objects())


def test_results_stream_back_and_each_worker_keeps_one_client(cluster: "distributed.Client", run: Run) -> None:
    with Sandbox(setup_time=0.2) as sandbox, client_of(sandbox) as client:
        apis, created = {0}, 0
        while 0 in apis:  # Dask may give all to one worker, the one that has the client already
            results = run(client, cluster, words(30))
            first = [next(results) for _ in range(15)]
            apis = set(cluster.run(live_apis, sandbox.base_url).values())
            assert dict([*first, *results]) == expected(30)
            created += 30
            assert len(sandbox.predictions) == created
        assert apis == {1}


def test_a_killed_worker_loses_nothing_and_nothing_is_created_twice(cluster: "distributed.Client", run: Run) -> None:
    with Sandbox(setup_time=1.0) as sandbox, client_of(sandbox) as client:
        results = run(client, cluster, words(24))
        first = next(results)
        worker, tasks = max(cluster.processing().items(), key=lambda item: len(item[1]))
        assert tasks
        os.kill(cluster.run(os.getpid, workers=[worker])[worker], signal.SIGKILL)
        assert dict([first, *results]) == expected(24)
        assert len(sandbox.predictions) == 24


def test_the_limits_of_the_account_hold_for_all_workers(cluster: "distributed.Client", run: Run) -> None:
    with Sandbox(rate_limits=RateLimits(100, 50)) as sandbox, client_of(sandbox) as client:
        assert dict(run(client, cluster, words(24))) == expected(24)
        assert len(sandbox.predictions) == 24
        refused = [request for request in sandbox.requests if request.status == 429]
        assert len(refused) <= 0.2 * len(sandbox.requests)


def test_failures_have_the_index_of_their_input_and_do_not_stop_the_others(
    cluster: "distributed.Client", run: Run
) -> None:
    inputs = words(6)
    inputs[2] = {"input": {"text": 7}}
    inputs[4] = {}
    with Sandbox() as sandbox, client_of(sandbox) as client:
        results = dict(run(client, cluster, inputs))
        (failed,) = (each for each in sandbox.predictions if each["status"] == "failed")
    assert isinstance(results.pop(4), ValueError)
    assert failed["id"] in str(results.pop(2))
    assert results == {number: number + 1 for number in (0, 1, 3, 5)}


def test_with_a_journal_it_goes_on_where_it_was_left(cluster: "distributed.Client", run: Run, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    with Sandbox() as sandbox, client_of(sandbox) as client:
        stopped = run(client, cluster, words(30), journal)
        for _ in range(10):
            next(stopped)
        stopped.close()
        assert dict(run(client, cluster, words(30), journal)) == expected(30)
        assert len(sandbox.predictions) == 30


def test_a_client_captured_by_a_closure_works_on_every_worker(cluster: "distributed.Client") -> None:
    with Sandbox() as sandbox, client_of(sandbox) as client:

        def echo(value: int) -> Any:
            return client.predictions.create({"input": value}, "sandbox/echo", wait=True)["output"]

        futures = cluster.map(echo, range(10), retries=0)
        assert cluster.gather(futures) == list(range(10))
        assert set(cluster.run(lambda: repr(client)).values()) == {repr(client)}
        assert len(sandbox.predictions) == 10
