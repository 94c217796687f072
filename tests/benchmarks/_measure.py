"""Measures contenders in turns, so that what else the machine does meets all of them alike."""

import json
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

STATUS: Final = Path("/proc/self/status")
"""Tells of this process's memory, where there is such a file."""


@dataclass(frozen=True)
class Figure:
    """A measured value beside its target; smaller is better."""

    name: str
    value: float
    target: float
    unit: str = ""
    detail: str = ""
    peer: float | None = None
    """The same of the published client, or of plain httpx."""
    floor: float | None = None
    """The same of the least that there can be."""
    spread: tuple[float, float] | None = None
    """Between which values the middle half of the rounds lies, each compared with the peer's round beside it."""

    @property
    def verdict(self) -> str:
        if self.value <= self.target:
            return "met"
        return f"missed by {self.value - self.target:.3g}{self.unit}"


def alternating(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Runs the contenders in turns, after one round that does not count.

    Args:
        contenders: Each does one round of its work and returns what it cost.
        rounds: How many rounds count.

    Returns:
        What each cost in each round.
    """
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    for measure in contenders.values():
        measure()
    for _ in range(rounds):
        for name, measure in contenders.items():
            costs[name].append(measure())
    return costs


def ratio(
    name: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    *,
    target: float,
    rounds: int,
    calls: int = 1,
    floor: Callable[[], float] | None = None,
) -> Figure:
    """Compares contenders, whose rounds are of so many calls and cost seconds."""
    contenders = {"ours": ours, "theirs": theirs} | ({"floor": floor} if floor else {})
    costs = alternating(contenders, rounds)
    median = {contender: statistics.median(each) for contender, each in costs.items()}
    least = median["floor"] / median["theirs"] if floor else None
    return Figure(
        name,
        median["ours"] / median["theirs"],
        target,
        detail=" to ".join(_per_call(median[contender] / calls) for contender in contenders),
        peer=1.0,
        floor=least,
        spread=_middle_half([mine / other for mine, other in zip(costs["ours"], costs["theirs"], strict=True)]),
    )


def _middle_half(values: Sequence[float]) -> tuple[float, float]:
    low, _, high = statistics.quantiles(values)
    return low, high


def _per_call(seconds: float) -> str:
    return f"{seconds * 1e3:.0f} ms" if seconds >= 0.01 else f"{seconds * 1e6:.0f} µs"


def cost_of(
    function: Callable[[], object], calls: int, clock: Callable[[], float] = time.perf_counter
) -> Callable[[], float]:
    """Makes a contender of a function: a round calls it so many times."""

    def measure() -> float:
        began = clock()
        for _ in range(calls):
            function()
        return clock() - began

    return measure


def cost_in_threads(pool: Executor, threads: int, function: Callable[[], object], calls: int) -> Callable[[], float]:
    """Makes a contender of a function: a round calls it so many times in each of so many threads at once."""
    in_one = cost_of(function, calls)

    def measure() -> float:
        began = time.perf_counter()
        for running in [pool.submit(in_one) for _ in range(threads)]:
            running.result()
        return time.perf_counter() - began

    return measure


async def async_cost_of(
    function: Callable[[], Awaitable[object]], calls: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Awaits a coroutine function so many times and returns what that cost."""
    began = clock()
    for _ in range(calls):
        await function()
    return clock() - began


_measured: Final[dict[str, Sequence[Figure]]] = {}


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """Prints figures as soon as they are measured, and keeps them for the report."""
    _measured[title] = figures
    _print(title, figures, max(len(figure.name) for figure in figures))


def print_report() -> None:
    """Prints all figures as one table."""
    width = max((len(figure.name) for figures in _measured.values() for figure in figures), default=0)
    print(f"\n  {'':<{width}}  {'ours':>9} {'peer':>9} {'floor':>9} {'at most':>9}  half of the rounds")
    for title, figures in _measured.items():
        _print(title, figures, width)


def write_report(path: Path) -> None:
    """Writes all figures as JSON: by title, then by name."""
    report = {title: {figure.name: asdict(figure) for figure in figures} for title, figures in _measured.items()}
    path.write_text(json.dumps(report, indent=2), encoding="utf-8")


def _print(title: str, figures: Sequence[Figure], width: int) -> None:
    print(f"\n{title}")
    for figure in figures:
        compared = (figure.value, figure.peer, figure.floor, figure.target)
        columns = " ".join(f"{'' if value is None else f'{value:.3g}{figure.unit}':>9}" for value in compared)
        spread = "" if figure.spread is None else "{:.2f}-{:.2f}".format(*figure.spread)
        print(f"  {figure.name:<{width}}  {columns}  {spread:<9}  {figure.verdict:<16}  {figure.detail}")


def peak_memory() -> float:
    """The most memory that this process has had in KiB; `getrusage` would also count its parent's."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1])
