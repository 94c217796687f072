"""Waiting for one rate limit: a queue on each event loop, in front of one budget that all of them share.

`Budget` computes what may go out and when; here requests wait for it. The states of a bucket:

    unknown ─┬─ an answer states a limit ──▶ starting ── the allowance has grown to the limit ──▶ full
             └─ an answer states none ─────▶ open

    each of them ── 429 ──▶ paused ── the pause is over ──▶ careful ── ten seconds without 429 ──▶ starting or full
                               ▲                               │
                               └───────────── 429 ─────────────┘

    unknown    two requests at a time, until the first answer
    starting   the allowance grows as probes (requests that are not held) show how much others use
    full       as many requests in a window as the limit states
    open       the server states no limits: nothing waits
    paused     nothing goes out; also until a distant reset, when the server says that nothing remains
    careful    less is let through than was refused, evenly spaced, and a little more with each step; below two requests
               a window, the steps are as long as the spacing
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final
from weakref import WeakValueDictionary

import anyio
from anyio.lowlevel import current_token

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.per_loop import PerLoop, loop_clock

from .budget import Budget, Slot
from .state import RateLimit


class _Waiter:
    """One request in the queue of its event loop.

    An anyio event belongs to one event loop, so each loop has its own queue; the first waiter in it asks the budget.
    """

    def __init__(self) -> None:
        self._event = anyio.Event()

    def wake(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> None:
        with anyio.move_on_after(seconds):
            await self._event.wait()
        self._event = anyio.Event()


class Bucket:
    """The budget of one kind of request; safe to use from several threads and event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Keyed by the id of the event loop, which the waiters keep alive. Weak, so that only the waiters hold a queue,
        # and a loop that is closed while something waits is not kept alive from here.
        self._queues: WeakValueDictionary[int, OrderedDict[_Waiter, None]] = WeakValueDictionary()
        self._budget = Budget()

    @property
    def queued(self) -> int:
        """How many requests wait for their turn."""
        queues = [reference() for reference in self._queues.valuerefs()]
        return sum(len(queue) for queue in queues if queue is not None)

    async def acquire(self, *, held: bool = False, first: bool = False) -> Slot:
        """Waits until a request may go out: first come, first served on each event loop.

        Args:
            held: Whether the server will be asked to answer late.
            first: Whether to go ahead of those already waiting: for retries after a 429, and for cleanup.

        Returns:
            The slot; its `held` says whether the request should still ask to be held.
        """
        clock = shared_clock()
        # The usual case: nothing waits, and nothing else needs to be looked up.
        if not self._queues or id(current_token().native_token) not in self._queues:
            outcome = self._try(clock, held)
            if isinstance(outcome, Slot):
                return outcome
        began = clock()
        loop = id(current_token().native_token)
        waiter = _Waiter()
        with self._lock:
            queue = self._queues.setdefault(loop, OrderedDict())
        queue[waiter] = None
        if first:
            queue.move_to_end(waiter, last=False)
        try:
            while True:
                # Those behind wait without a timer: the one that leaves the front of the queue wakes the next.
                delay = math.inf
                if next(iter(queue)) is waiter:
                    outcome = self._try(clock, held)
                    if isinstance(outcome, Slot):
                        return outcome._replace(waited=outcome.granted_at - began)
                    delay = outcome
                await waiter.wait(delay)
        finally:
            # Also when it is cancelled: the next must not wait for a turn that was given up.
            del queue[waiter]
            self._wake_next()

    def _try(self, clock: Callable[[], float], held: bool) -> Slot | float:
        with self._lock:
            return self._budget.take(clock(), held, clock)

    def _wake_next(self) -> None:
        if not self._queues:
            return
        loop = id(current_token().native_token)
        with self._lock:
            queue = self._queues.get(loop)
            if not queue:
                self._queues.pop(loop, None)
                return
        next(iter(queue)).wake()

    def answered(self, slot: Slot, status: int, headers: Mapping[str, str]) -> None:
        """Updates the budget from an answer."""
        with self._lock:
            self._budget.answered(slot, status, headers, slot.clock())
        self._wake_next()

    def unanswered(self, slot: Slot) -> None:
        """Notes that a request ended without an answer."""
        with self._lock:
            self._budget.ended(slot)
        self._wake_next()

    @property
    def pause(self) -> float:
        """Seconds for which nothing goes out, because something was refused."""
        return self._budget.pause(shared_clock()())

    def state(self) -> RateLimit:
        """Describes the bucket."""
        budget = self._budget
        return RateLimit(budget.limit, budget.remaining, budget.reset, self.queued)


def _common_clock() -> Callable[[], float]:
    # Each event loop's clock starts elsewhere, so its offset to the common clock is measured once. From then on the
    # loop's own clock counts: under virtual time the common one would stand still.
    loop_time = loop_clock()
    offset = system.monotonic() - loop_time()
    return lambda: loop_time() + offset


_clocks: Final = PerLoop("wriftai_anyio_common_clock", _common_clock)


def shared_clock() -> Callable[[], float]:
    """Returns a clock, in seconds, that agrees on all event loops, and still follows a loop's virtual time."""
    return _clocks.get()
