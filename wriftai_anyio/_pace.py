"""The rate budget of an account: two buckets, creates and all else, fed by the answers' headers.

The limits belong to the account, so all clients of this process with the same base URL and token share one pace,
across threads and event loops. Other processes are seen through the server's headers and refusals alone.

A bucket lets at most its *allowance* of requests go out in any window, so that a server which counts in fixed
windows refuses nothing either. The allowance starts at a part of the limit that the first answer states, grows
while nothing is refused, and is halved by a burst of refusals (429), after which requests go out evenly spaced.
"""

import hashlib
import math
import random
import threading
import time
import weakref
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import anyio
from anyio.lowlevel import RunVar, current_token

from ._process import PerProcess
from ._retry import reset_delay, server_delay, whole

WINDOW: Final = 1.0
"""Seconds: the length of a window of which nothing else is known (issue 4: the API does not state it)."""
WINDOW_MARGIN: Final = 1.03
"""How much longer than the server's our window is, for requests that arrive closer together than they left."""
FEW: Final = 4
"""Requests under way until the first answer has told whether there are limits."""
START: Final = 0.25
"""The part of the limit to start with."""
START_STEP: Final = 0.1
"""Seconds between two growths by half, until something is refused."""
CALM_STEP: Final = 0.5
"""Seconds between two growths by an eighth, after something was refused."""
BUSY_SHARE: Final = 0.1
"""The part of the limit that others must use to count as sharing the account."""
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 8.0
"""Seconds of pause after a burst of refusals, doubled from one to the next that follows at once."""
RECHECK: Final = 0.05
"""Seconds until the first in a queue looks again, when it waits for what another event loop may change."""


class Slot(NamedTuple):
    """Leave to send one request."""

    granted_at: float
    held: bool


@dataclass(frozen=True)
class RateLimit:
    """The state of one bucket.

    Attributes:
        limit: Requests for each window, as the server last stated; `None` if it states none.
        remaining: Requests left in the window, as the server last stated.
        reset: When the window ends, a Unix timestamp.
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
        self._budget = _Budget()

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
        loop = current_token().native_token
        if loop not in self._queues:
            outcome = self._try(held)
            if isinstance(outcome, Slot):
                return outcome
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
                        return outcome
                    delay = outcome
                await waiter.wait(delay)
        finally:
            del queue[waiter]
            self._wake_next(loop)

    def _try(self, held: bool) -> Slot | float:
        with self._lock:
            return self._budget.take(pace_time(), held)

    def _wake_next(self, loop: object) -> None:
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
        self._wake_next(current_token().native_token)

    def unanswered(self, slot: Slot) -> None:
        """Takes in that a request ended without an answer."""
        with self._lock:
            self._budget.ended(slot)
        self._wake_next(current_token().native_token)

    def state(self) -> RateLimit:
        """Describes the bucket."""
        budget = self._budget
        return RateLimit(budget.limit, budget.remaining, budget.reset, self.queued)


class _Budget:
    """The arithmetic of a bucket: no waiting, no locks; times are those of `pace_time`."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.remaining: int | None = None
        self.reset: float | None = None
        self._window = WINDOW
        self._stated = False
        self._allowance = math.inf
        self._grown_at = -math.inf
        self._granted: deque[float] = deque()
        self._under_way = 0
        self._held = 0
        self._first_at = math.inf
        self._paused_until = -math.inf
        self._pause = FIRST_PAUSE
        self._refused_at = -math.inf

    def take(self, now: float, held: bool) -> Slot | float:
        """Grants a slot, or says how many seconds to wait before asking again."""
        hold = held and (self._stated or self._held == 0 or self._under_way > self._held)
        if not self._stated and self._under_way >= self._few(now):
            return RECHECK
        free_at = max(self._paused_until, self._free_at(now))
        if free_at > now:
            return free_at - now
        if not self._stated and self._first_at == math.inf:
            self._first_at = now
        self._granted.append(now)
        self._under_way += 1
        self._held += hold
        return Slot(now, hold)

    def _few(self, now: float) -> float:
        # A server that answers slowly, or not at all, must not hold up everything else for ever.
        waited = now - self._first_at
        return FEW * 2.0 ** min(waited, 30.0) if waited > 0 else FEW

    def _free_at(self, now: float) -> float:
        self._forget_granted(now)
        if self._allowance == math.inf:
            return now
        self._grow(now)
        granted = self._granted
        if not granted:
            return now
        # After refusals the requests are spread over the whole window: bursts of several processes collide.
        spread = 1.0 if self._refused_at > -math.inf else 0.25
        spaced = granted[-1] + spread * self._window / self._allowance
        full = int(self._allowance)
        if len(granted) < full:
            return spaced
        return max(spaced, granted[-full] + self._window * WINDOW_MARGIN)

    def _forget_granted(self, now: float) -> None:
        horizon = now - self._window * WINDOW_MARGIN
        while self._granted and self._granted[0] <= horizon:
            self._granted.popleft()

    def _grow(self, now: float) -> None:
        calm = self._refused_at > -math.inf
        step, factor = (CALM_STEP, 1.125) if calm else (START_STEP, 1.5)
        steps = int(min((now - self._grown_at) / step, 64))
        if steps > 0:
            self._grown_at = now
            self._allowance = min(self._allowance * factor**steps, self.limit or math.inf)

    def ended(self, slot: Slot) -> None:
        """Counts a request as no longer under way."""
        self._under_way -= 1
        self._held -= slot.held

    def answered(self, slot: Slot, status: int, headers: Mapping[str, str], now: float) -> None:
        """Takes in an answer."""
        self.ended(slot)
        fresh = now - slot.granted_at < self._window / 2
        limit = whole(headers.get("x-ratelimit-limit"))
        if limit:
            self._take_in(limit, headers, fresh=fresh, now=now)
        self._stated = True
        if status == 429:
            self._refuse(slot, headers, now)
        elif slot.granted_at > self._paused_until:
            self._pause = FIRST_PAUSE

    def _take_in(self, limit: int, headers: Mapping[str, str], *, fresh: bool, now: float) -> None:
        delay = reset_delay(headers.get("x-ratelimit-reset"), time.time())
        if fresh:
            self.remaining = whole(headers.get("x-ratelimit-remaining"))
            self.reset = None if delay is None else time.time() + delay
        known, self.limit = self.limit, limit
        if known is None:
            self._allowance = max(1.0, limit * START * self._own_share(limit, now))
            self._grown_at = now
        elif limit < self._allowance:
            self._allowance = float(limit)
        if fresh and self.remaining == 0 and delay is not None and delay > WINDOW:
            self._paused_until = max(self._paused_until, now + min(delay, 60.0))

    def _own_share(self, limit: int, now: float) -> float:
        """The part of the window's requests that are ours, as far as the first answer shows it."""
        if self.remaining is None:
            return 1.0
        self._forget_granted(now)
        own = max(1, len(self._granted))
        used = limit - self.remaining
        return own / used if used - own > BUSY_SHARE * limit else 1.0

    def _refuse(self, slot: Slot, headers: Mapping[str, str], now: float) -> None:
        if slot.granted_at <= self._refused_at:
            return
        if self._allowance == math.inf:
            self._allowance = float(max(2, len(self._granted)))
        self._allowance = max(1.0, self._allowance / 2)
        self._refused_at = self._grown_at = now
        asked = server_delay(headers, time.time())
        stated = headers.get("retry-after") is not None or (asked is not None and asked > WINDOW)
        pause = self._pause * random.uniform(0.75, 1.25)  # noqa: S311 -- no secret
        if asked is not None:
            pause = asked + pause / 2 if stated else min(pause, max(asked, FIRST_PAUSE))
        self._paused_until = now + pause
        self._grown_at = self._paused_until
        self._pause = min(self._pause * 2, LONGEST_PAUSE)


class Pace:
    """The two buckets of one account."""

    def __init__(self) -> None:
        self.creates = Bucket()
        self.others = Bucket()

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
        offset = time.monotonic() - now
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
