"""Processes that share an account, simulated event by event: budgets on one side, a server's counter on the other."""

import heapq
import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from wriftai_anyio._rate_limits.budget import Budget, Slot
from wriftai_anyio.sandbox import RateLimits
from wriftai_anyio.sandbox._limits import Limiter

ROUND_TRIP: Final = (0.002, 0.02)
"""Seconds, from and to."""
LATE_TIMER: Final = 0.003
"""Seconds that a timer is late at most."""
START_UP: Final = 0.15
"""Seconds within which several processes start."""
EPOCH: Final = 1.7e9
"""The Unix timestamp at which the simulated time begins."""
LONGEST: Final = 600.0


@dataclass(frozen=True)
class Scenario:
    """What is simulated.

    Args:
        processes: How many processes share the account.
        requests: How many requests each has to send, all wanted at once.
        limit: How many the server lets through in a second.
        window: How the server counts.
        held: Whether the server answers only at the predictions' ends.
        seconds: How long a prediction runs.
        busy: Seconds for which each request keeps the machine busy that all of them share, on its way there and
            on its way back.
        start_up: Seconds for which each process keeps the machine busy before its first request.
    """

    processes: int
    requests: int
    limit: int
    window: Literal["bucket", "fixed"]
    held: bool = True
    seconds: float = 2.0
    busy: float = 0.0
    start_up: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    sent: int
    refused: int
    took: float
    floor: float

    @property
    def refused_share(self) -> float:
        return self.refused / self.sent

    @property
    def ratio(self) -> float:
        """How many times the floor it took."""
        return self.took / self.floor


class _Simulation:
    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.chance = random.Random(seed)
        self.now = 0.0
        self.sent = self.refused = 0
        self.last_taken_at = 0.0
        self._busy_until = 0.0
        self.limiter = Limiter(RateLimits(scenario.limit, window=scenario.window), self.wall_clock)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serials = itertools.count()

    def wall_clock(self) -> float:
        return EPOCH + self.now

    def after(self, delay: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now + delay, next(self._serials), event))

    def half_a_round_trip(self) -> float:
        self._busy_until = max(self._busy_until, self.now) + self.scenario.busy
        return self._busy_until - self.now + self.chance.uniform(*ROUND_TRIP) / 2

    def run(self) -> Outcome:
        scenario = self.scenario
        began = self.chance.random()
        for _ in range(scenario.processes):
            late = self.chance.uniform(0, START_UP) if scenario.processes > 1 else 0.0
            self._busy_until = max(self._busy_until, began) + scenario.start_up
            self.after(began + late + (self._busy_until - began) * self.chance.random(), _Process(self).send)
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            assert self.now < LONGEST
            event()
        floor = scenario.processes * scenario.requests / scenario.limit + scenario.seconds
        return Outcome(self.sent, self.refused, self.last_taken_at - began + scenario.seconds, floor)


class _Process:
    """One process: its budget, and how many requests it has still to send."""

    def __init__(self, simulation: _Simulation) -> None:
        self._simulation = simulation
        self._budget = Budget(simulation.wall_clock, simulation.chance.uniform)
        self._left = simulation.scenario.requests
        self._timer = 0

    def send(self) -> None:
        """Sends what may go out now; comes back when the budget says so."""
        simulation = self._simulation
        self._timer += 1
        while self._left:
            outcome = self._budget.take(simulation.now, held=simulation.scenario.held)
            if not isinstance(outcome, Slot):
                late = simulation.chance.uniform(0, LATE_TIMER)
                simulation.after(outcome + late, partial(self._send_unless_sent_since, self._timer))
                return
            self._left -= 1
            simulation.sent += 1
            simulation.after(simulation.half_a_round_trip(), partial(self._arrive, outcome))

    def _send_unless_sent_since(self, timer: int) -> None:
        if timer == self._timer:
            self.send()

    def _arrive(self, slot: Slot) -> None:
        simulation = self._simulation
        allowance = simulation.limiter.take(create=True)
        headers = {name.decode(): value.decode() for name, value in allowance.headers()}
        delay = simulation.half_a_round_trip()
        if allowance.granted:
            simulation.last_taken_at = simulation.now
            delay += simulation.scenario.seconds if slot.held else 0.0
        else:
            simulation.refused += 1
        status = 201 if allowance.granted else 429
        simulation.after(delay, partial(self._answer, slot, status, headers))

    def _answer(self, slot: Slot, status: int, headers: Mapping[str, str]) -> None:
        self._left += status == 429
        self._budget.answered(slot, status, headers, self._simulation.now)
        self.send()


def simulate(scenario: Scenario, seed: int) -> Outcome:
    """Simulates a scenario; the same seed brings the same outcome."""
    return _Simulation(scenario, seed).run()
