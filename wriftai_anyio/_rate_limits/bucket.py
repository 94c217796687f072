"""The rate budget of an account: two buckets, creates and all else, fed by the answers' headers.

The limits belong to the account, so all clients of this process with the same base URL and token share one pace,
across threads and event loops. Other processes are seen through the server's headers and refusals alone.
"""

import hashlib
import math
import threading
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
from anyio.lowlevel import RunVar, current_token

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.forks import PerProcess

from .budget import Budget, Slot


@dataclass(frozen=True)
class RateLimit:
    """The state of one bucket.

    Attributes:
        limit: Requests for each window, as the server last stated; `None` if it states none.
        remaining: Requests left in the window, as the server last stated.
        reset: When the window ends, a Unix timestamp by the clock of this machine.
        queued: Requests of this process that wait for their turn.
    """

    limit: int | None
    remaining: int | None
    reset: float | None
    queued: int


@dataclass(frozen=True)
class RateLimits:
    """The state of an account's two buckets.

    Attributes:
        creates: Creating predictions.
        others: All other requests.
    """

    creates: RateLimit
    others: RateLimit


class _Waiter:
    """One request in the queue of its event loop."""

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
        self._queues: dict[object, OrderedDict[_Waiter, None]] = {}
        self._budget = Budget()

    @property
    def queued(self) -> int:
        """How many requests wait for their turn."""
        return sum(len(queue) for queue in list(self._queues.values()))

    async def acquire(self, *, held: bool = False, first: bool = False) -> Slot:
        """Waits until a request may go out: first come, first served on each event loop.

        Args:
            held: Whether the server will be asked to answer late.
            first: Whether to go before those that wait already: for what was refused, and for cleaning up.

        Returns:
            The slot; its `held` says whether the request should still ask to be held.
        """
        if not self._queues or current_token().native_token not in self._queues:
            outcome = self._try(held)
            if isinstance(outcome, Slot):
                return outcome
        began = pace_time()
        loop = current_token().native_token
        waiter = _Waiter()
        with self._lock:
            queue = self._queues.setdefault(loop, OrderedDict())
        queue[waiter] = None
        if first:
            queue.move_to_end(waiter, last=False)
        try:
            while True:
                delay = math.inf
                if next(iter(queue)) is waiter:
                    outcome = self._try(held)
                    if isinstance(outcome, Slot):
                        return outcome._replace(waited=outcome.granted_at - began)
                    delay = outcome
                await waiter.wait(delay)
        finally:
            del queue[waiter]
            self._wake_next()

    def _try(self, held: bool) -> Slot | float:
        with self._lock:
            return self._budget.take(pace_time(), held)

    def _wake_next(self) -> None:
        if not self._queues:
            return
        loop = current_token().native_token
        with self._lock:
            queue = self._queues.get(loop)
            if not queue:
                self._queues.pop(loop, None)
                return
        next(iter(queue)).wake()

    def answered(self, slot: Slot, status: int, headers: Mapping[str, str]) -> None:
        """Takes in what an answer says of the budget."""
        with self._lock:
            self._budget.answered(slot, status, headers, pace_time())
        self._wake_next()

    def unanswered(self, slot: Slot) -> None:
        """Takes in that a request ended without an answer."""
        with self._lock:
            self._budget.ended(slot)
        self._wake_next()

    @property
    def pause(self) -> float:
        """Seconds for which nothing goes out, since something was refused."""
        return self._budget.pause(pace_time())

    def state(self) -> RateLimit:
        """Describes the bucket."""
        budget = self._budget
        return RateLimit(budget.limit, budget.remaining, budget.reset, self.queued)


class Pace:
    """The two buckets of one account."""

    def __init__(self) -> None:
        self.creates: Bucket = Bucket()
        self.others: Bucket = Bucket()

    def bucket(self, method: str, path: str) -> Bucket:
        """Returns the bucket that a request counts in."""
        return self.creates if (method, path) == ("POST", "/predictions") else self.others

    def state(self) -> RateLimits:
        """Describes both buckets."""
        return RateLimits(self.creates.state(), self.others.state())


_clock_offset: RunVar[float] = RunVar("wriftai_anyio clock offset")


def pace_time() -> float:
    """Returns seconds of a clock that all event loops share, and that still runs on a loop's virtual time."""
    now = anyio.current_time()
    offset = _clock_offset.get(None)
    if offset is None:
        offset = system.monotonic() - now
        _clock_offset.set(offset)
    return now + offset


class _Registry:
    """The paces of the accounts in use, while any client uses them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paces: weakref.WeakValueDictionary[bytes, Pace] = weakref.WeakValueDictionary()

    def pace(self, account: bytes) -> Pace:
        with self._lock:
            pace = self._paces.get(account)
            if pace is None:
                pace = self._paces[account] = Pace()
            return pace


_registry = PerProcess(_Registry)


class SharedPace:
    """An account's pace in whatever process asks for it."""

    def __init__(self, base_url: str, access_token: str | None) -> None:
        account = hashlib.sha256(f"{base_url}\n{access_token}".encode()).digest()
        self._pace = PerProcess(lambda: _registry.get().pace(account))

    def get(self) -> Pace:
        """Returns the pace of this process."""
        return self._pace.get()
