"""A world's own time, chance and threads, and the trace of what happens in it."""

import itertools
import logging
from collections.abc import Callable
from random import Random
from typing import Final

from .plan import Plan
from .server import Server

EPOCH: Final = 1_790_000_040.0
"""The Unix time at which a world begins: a full minute."""
TOKEN: Final = "s3cr3t-t0k3n-of-the-simulation"


class InlineThread:
    """Calls functions at once, in place of a thread of its own: a world knows one thread alone."""

    def __init__(self, name: str) -> None:
        pass

    def start(self) -> None:
        """Does nothing."""

    def call(self, function: Callable[[], None]) -> None:
        """Calls a function."""
        function()

    def forget(self) -> None:
        """Does nothing."""

    def end(self) -> None:
        """Does nothing."""

    def join(self, seconds: float) -> None:
        """Does nothing."""


class World:
    """What all in a world have in common.

    Args:
        plan: What happens in it.
        clock: Returns its time.
    """

    _serials = itertools.count()

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self.plan = plan
        self.now = clock
        self.serial = next(self._serials)
        self.chance = Random(f"world {plan.seed}")
        self.server = Server(plan.surroundings, Random(f"server {plan.seed}"), EPOCH + plan.surroundings.clock)
        self.trace: list[str] = []
        self.lines: list[tuple[int, str]] = []
        self.faults: dict[int, str] = {}
        self.requests = 0
        self.open_answers = 0
        self.violations: list[str] = []
        self.kills = 0
        self.cancels = 0

    def wall_time(self) -> float:
        """Returns the Unix time of the callers' machine."""
        return EPOCH + self.now()

    def note(self, text: str) -> None:
        """Adds a line to the trace."""
        self.trace.append(f"{self.now():10.3f} {text}")

    def violated(self, what: str) -> None:
        """Notes that something is that must never be."""
        self.note(f"VIOLATION {what}")
        self.violations.append(what)

    def next_request(self) -> int:
        """Counts a request, and returns its number."""
        self.requests += 1
        return self.requests

    def fault(self, number: int, chance: Random) -> str | None:
        """Returns the fault that a request meets, if any."""
        surroundings = self.plan.surroundings
        drawn = chance.random() < surroundings.fault_rate
        fault = chance.choice(surroundings.faults) if surroundings.faults else None
        if self.plan.faults is not None:
            fault, drawn = self.plan.faults.get(number), True
        if not drawn or fault is None:
            return None
        self.faults[number] = fault
        return fault


class Lines(logging.Handler):
    """Keeps the log of the package."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.DEBUG)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        self._world.lines.append((record.levelno, line))
        self._world.note(f"log {record.levelname}: {line}")
