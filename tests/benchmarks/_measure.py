"""Measures contenders in turns, so that what else the machine does meets all of them alike."""

import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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

    @property
    def verdict(self) -> str:
        if self.value <= self.target:
            return "met"
        return f"missed by {self.value - self.target:.3g}{self.unit}"


def medians(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Runs the contenders in turns, after one round that does not count.

    Args:
        contenders: Each does one round of its work and returns what it cost.
        rounds: How many rounds count.

    Returns:
        The median cost of each.
    """
    costs: dict[str, list[float]] = {name: [] for name in contenders}
    for measure in contenders.values():
        measure()
    for _ in range(rounds):
        for name, measure in contenders.items():
            costs[name].append(measure())
    return {name: statistics.median(values) for name, values in costs.items()}


def ratio(
    name: str, ours: Callable[[], float], theirs: Callable[[], float], *, target: float, rounds: int, calls: int = 1
) -> Figure:
    """Compares two contenders, whose rounds are of so many calls and cost seconds."""
    cost = medians({"ours": ours, "theirs": theirs}, rounds)
    detail = f"{_per_call(cost['ours'] / calls)} to {_per_call(cost['theirs'] / calls)}"
    return Figure(name, cost["ours"] / cost["theirs"], target, detail=detail)


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


async def async_cost_of(
    function: Callable[[], Awaitable[object]], calls: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Awaits a coroutine function so many times and returns what that cost."""
    began = clock()
    for _ in range(calls):
        await function()
    return clock() - began


def print_table(title: str, figures: Sequence[Figure]) -> None:
    """Prints figures, their targets, and whether they are met."""
    width = max(len(figure.name) for figure in figures)
    print(f"\n{title}")
    for figure in figures:
        measured, target = f"{figure.value:.3g}{figure.unit}", f"{figure.target:g}{figure.unit}"
        print(f"  {figure.name:<{width}}  {measured:>9}  (at most {target})  {figure.verdict:<16}  {figure.detail}")


def peak_memory() -> float:
    """The most memory that this process has had in KiB; `getrusage` would also count its parent's."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1])
