"""Creating and waiting at scale, under one account's rate limits: nothing lost, little refused, near the floor."""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import anyio

from ._create_and_wait import create_and_wait
from ._limited_server import WINDOWS, LimitedServer, Window, limited_server
from ._measure import Figure, print_table

BACKENDS = ("asyncio", "trio")


@dataclass(frozen=True)
class Case:
    """So many predictions of so many seconds, under limits of so many requests a second."""

    predictions: int
    seconds: float
    creates: int
    others: int
    window: Window
    hold: bool = True

    @property
    def floor(self) -> float:
        """Seconds in which it can be done at best."""
        slowest = self.creates if self.hold else min(self.creates, self.others)
        return self.predictions / slowest + self.seconds

    @contextmanager
    def server(self) -> Iterator[LimitedServer]:
        with limited_server(self.creates, self.others, window=self.window, hold=self.hold) as server:
            yield server

    def __str__(self) -> str:
        held = "held" if self.hold else "not held"
        limits = f"{self.creates} and {self.others} a second ({self.window})"
        return f"{self.predictions:,} predictions of {self.seconds:g} s, {held}, at {limits}"


def main() -> None:
    for window, backend, hold in itertools.product(WINDOWS, BACKENDS, (True, False)):
        _one_process(
            Case(100, 2, 75, 15, window, hold),
            backend,
            most_refused=5 if window == "bucket" else 12,
            most_requests_each=1.1 if hold else 2.4,
            longest=1.35,
        )
    for window, backend in itertools.product(WINDOWS, BACKENDS):
        case = Case(1000, 3, 150, 30, window)
        _one_process(case, backend, most_refused=10, most_requests_each=1.1, longest=1.4)
    for window, (processes, most_refused) in itertools.product(WINDOWS, ((4, 8.0), (16, 20.0))):
        case = Case(60 * processes, 2, 150, 30, window)
        _many_processes(processes, case, most_refused=most_refused, longest=1.4)
    for window, running in itertools.product(WINDOWS, (False, True)):
        _many_processes(64, Case(20 * 64, 2, 150, 30, window), most_refused=25.0, longest=1.6, running=running)


def _one_process(case: Case, backend: str, *, most_refused: int, most_requests_each: float, longest: float) -> None:
    with case.server() as server:
        outcome = anyio.run(
            create_and_wait, server.base_url, server.access_token, case.predictions, case.seconds, backend=backend
        )
        report = server.report()
    figures = [
        *_lost(case, outcome.succeeded, report.created),
        Figure("answers 429", report.refused, most_refused),
        Figure("requests each", report.requests / case.predictions, most_requests_each),
        _time(case, outcome.seconds, longest),
    ]
    print_table(f"{case}, on {backend}", figures)
    for error, times in outcome.errors.items():
        print(f"  {times} times: {error}")


def _many_processes(processes: int, case: Case, *, most_refused: float, longest: float, running: bool = False) -> None:
    """Begins with processes that have imported the package, or `running`, that have also made a call elsewhere.

    An event loop and the first call take each process 0.15 s of processor time, most of it the imports of others.
    """
    each = case.predictions // processes
    with case.server() as server, limited_server() as elsewhere, ExitStack() as stack:
        arguments = [server.base_url, server.access_token, str(each), str(case.seconds)]
        called_before = [elsewhere.base_url, elsewhere.access_token] if running else []
        workers = [
            stack.enter_context(_worker(*arguments, backend, *called_before))
            for backend, _ in zip(itertools.cycle(BACKENDS), range(processes), strict=False)
        ]
        for worker in workers:
            worker.wait_until_ready()
        began = time.perf_counter()
        for worker in workers:
            worker.begin()
        succeeded = sum(worker.succeeded() for worker in workers)
        seconds = time.perf_counter() - began
        report = server.report()
    figures = [
        *_lost(case, succeeded, report.created),
        Figure("requests refused", 100 * report.refused / report.requests, most_refused, " %"),
        _time(case, seconds, longest),
    ]
    kind = "running processes" if running else "processes"
    print_table(f"{processes} {kind}, together {case}", figures)


def _lost(case: Case, succeeded: int, created: int) -> list[Figure]:
    return [
        Figure("lost", case.predictions - succeeded, 0),
        Figure("created besides those", created - case.predictions, 0),
    ]


def _time(case: Case, seconds: float, longest: float) -> Figure:
    return Figure("time, of the floor", seconds / case.floor, longest, detail=f"{seconds:.2f} s of {case.floor:.2f} s")


class _Worker:
    """A process that creates and waits."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        self._input, self._output = process.stdin, process.stdout

    def wait_until_ready(self) -> None:
        self._output.readline()

    def begin(self) -> None:
        self._input.write("go\n")
        self._input.flush()

    def succeeded(self) -> int:
        return int(self._output.readline() or 0)


@contextmanager
def _worker(*arguments: str) -> Iterator[_Worker]:
    command = [sys.executable, "-m", "tests.benchmarks._create_and_wait", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield _Worker(process)
        finally:
            process.kill()
