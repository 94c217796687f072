"""A world's own time, chance and threads, and the trace of what happens in it."""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

import sniffio
import trio

from .plan import Plan
from .server import Server

if TYPE_CHECKING:
    from .network import Network

EPOCH: Final = 1_790_000_040.0
"""The Unix time at which a world begins: a full minute."""
TOKEN: Final = "s3cr3t-t0k3n-of-the-simulation"


class SimulatedThread:
    """Calls functions one after another as a thread of its own would, each of which takes a while.

    A world knows one thread alone: while a function takes its while, all else goes on; then it runs at once. So all
    orders in which threads end their work are simulated, but not that two of them run at the same moment.

    Args:
        seconds: Returns how long a function takes.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._functions: deque[Callable[[], None]] = deque()
        self._busy = False

    def start(self) -> None:
        """Does nothing."""

    def call(self, function: Callable[[], None]) -> None:
        """Has a function called after those before it."""
        self._functions.append(function)
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = bool(self._functions)
        if not self._functions:
            return
        function, seconds = self._functions.popleft(), self._seconds()
        if seconds:
            _later(seconds, lambda: self._run(function))
        else:
            self._run(function)

    def _run(self, function: Callable[[], None]) -> None:
        function()
        self._next()

    def forget(self) -> None:
        """Drops the functions that have not been begun."""
        self._functions.clear()

    def end(self) -> None:
        """Does nothing."""

    def join(self, seconds: float) -> None:
        """Does nothing."""


def _later(seconds: float, function: Callable[[], None]) -> None:
    """Has a function called by the event loop, whatever becomes of the task that asks for it."""
    if sniffio.current_async_library() == "asyncio":
        asyncio.get_running_loop().call_later(seconds, function)
        return

    async def call() -> None:
        await trio.sleep(seconds)
        function()

    trio.lowlevel.spawn_system_task(call)


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
        self.dropped: list[Network] = []

    def wall_time(self) -> float:
        """Returns the Unix time of the callers' machine."""
        return EPOCH + self.now()

    def thread(self, name: str) -> SimulatedThread:
        """Makes a thread."""
        disk = self.plan.surroundings.disk
        return SimulatedThread(lambda: disk and disk * self.chance.uniform(0.2, 2.0))

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
