"""How many requests an account may send now: the arithmetic of one bucket. It neither waits nor locks.

`bucket` draws its states, and does the waiting.

A budget lets at most its *allowance* of requests go out in any window, so that even a server which counts in fixed
windows refuses nothing. The allowance starts at a fraction of the limit that the first answer states, grows as
probes (requests that are not held) show how much others use, and falls below what was let through in the last window
when a burst of requests is refused (429), after which they go out evenly spaced. Where many processes share an
account, that is less than one request in a window: all times are then counted in requests of this process.
"""

import contextlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from wriftai_anyio._concurrency import system
from wriftai_anyio._transport.retries import failure_delay, reset_delay, whole, without_policy

WINDOW: Final = 1.0
"""Seconds: the assumed length of a window; the API does not state it."""
WINDOW_MARGIN: Final = 1.03
"""Our window is longer than the server's by this factor, for requests that arrive closer together than they left."""
LONGEST_LAG: Final = 0.1
"""The fraction of a window by which ours grows, at most, for the time that a request takes to arrive."""
LONG_WINDOW: Final = 2.5
"""Seconds: only resets further off are waited for. They come in whole seconds, which say nothing of shorter windows."""
LONGEST_WAIT: Final = 60.0
"""Seconds that a reset is waited for at most, however far off it is."""
SAME_WINDOW: Final = 1.5
"""Seconds by which two resets of one window may seem to differ: they are in whole seconds, and answers take time."""
FEW: Final = 2
"""Requests under way until the first answer shows whether there are limits: one that may be held, and a probe."""
PATIENCE: Final = 12.5
"""Seconds without any answer until `FEW` doubles, slowly at first, then ever faster: 64 processes that start together
on 2 cores wait up to ten seconds for their first answers, and 15 requests a second leave no room for guesses."""
UNLIMITED: Final = 1e6
"""The allowance from which nothing is held back any more, if no limit is stated."""
RECHECK: Final = 0.05
"""Seconds until the first in a queue looks again, when it waits for something that another event loop may change."""
BUSY_SHARE: Final = 0.1
"""The fraction of the limit that others must use to count as sharing the account."""
CATCH_UP: Final = 8
"""Requests over which an even spacing is kept on average: timers are late more often than early."""

# Found by simulating 1, 4, 16 and 64 processes on servers with a bucket and with fixed windows, at limits from 3 to 150
# (tests/_rate_limits/test_budget.py). Real processes on 2 cores (tests/benchmarks/scale.py), at 150: 4 were refused
# nothing, at 1.05 and 1.28 times the floor; 16 were refused 14 %, at 1.35 and 1.39 times the floor.
START: Final = 0.05
"""The fraction of the limit to start with, which is also the most that goes out blindly: each of many processes sends
that much before it knows of the others. Real processes on 2 cores, at 150 a second: 64 were refused 40 % with 0.1."""
LEAST_START: Final = 1.0
LEAST_SHARED_START: Final = 0.5
"""The least allowances to start with: alone, and where others use the account."""
START_STEP: Final = 0.2
LONGEST_START_STEP: Final = 2.0
START_GROWTH: Final = 4.0
"""Seconds between growths until something is refused, and their factor. While others use the account, the steps
become longer, since each costs a probe."""
UNPROBED_STEP: Final = 2.0
"""Seconds after which the allowance grows even if no answer came back in time to be a probe."""
CAREFUL_STEP: Final = 0.25
FAST_GROWTH: Final = 1.25
SLOW_GROWTH: Final = 0.04
"""Seconds between growths after something was refused, and their factor far from and near what was refused."""
NEAR: Final = 0.7
"""The fraction of the refused allowance from which it counts as near."""
CALM: Final = 1.0
"""Seconds without refusals after which what was refused no longer counts."""
MEMORY: Final = 10.0
"""Seconds for which a refusal leads to careful growth and even spacing."""
BACK_OFF: Final = 0.9
DEEPEST_CUT: Final = 0.25
"""After a refusal: the fraction of what was let through in the last window that is tried, and the smallest fraction of
the allowance that is left."""
SLOW: Final = 1.0
"""The allowance below which a refusal leads to a slow pace: a window then holds too few requests to learn from.
With 2, sixteen real processes at 150 a second took 1.8 times the floor; with 1 they take 1.6 at most."""
SLOW_SHARE: Final = 0.05
"""The fraction of the limit below which it must be, too: a few processes find their shares faster at the usual pace."""
SLOW_CUT: Final = 0.5
"""The fraction of a slow allowance that is tried after a refusal: refusals of one request each say little."""
SLOW_PART: Final = 1 / 1024
"""The fraction of the limit by which a slow allowance grows with each request, on top of `SLOW_PACE_GROWTH`: the same
for all, so that those which were cut deeper catch up."""
SLOW_PACE_GROWTH: Final = 0.02
CALM_GROWTH: Final = 3.0
CALM_REQUESTS: Final = 3
"""How many times faster a slow allowance grows, and after how many requests without a refusal."""
MEMORY_REQUESTS: Final = 30
"""Requests for which a refusal is remembered, where they take longer than `MEMORY`."""
LEAST_PART: Final = 1 / 100
"""The fraction of the limit below which no refusal cuts the allowance."""
MOST_LEAST: Final = 1.5
"""The highest value of that floor, in requests in a window: an hourly limit, or one that is stated and does not hold,
would keep the allowance far above what is let through. It is the floor at 150, the highest limit simulated."""
LONGEST_SPACING: Final = 20.0
"""Seconds that refusals space two requests apart, at most: a request is tried for two minutes."""
SPREAD: Final = (0.5, 1.5)
"""After a refusal, a slow pace resumes after a random multiple of its spacing in this range: processes that were
refused together must not come back together."""
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 1.0
"""Seconds of pause after a burst of refusals, doubled for each burst that follows at once."""


class Slot(NamedTuple):
    """Permission to send one request."""

    granted_at: float
    held: bool
    number: int = 0
    """Which one it is, counted from 1."""
    waited: float = 0.0
    """Seconds from asking for it until it was granted."""
    clock: Callable[[], float] = system.monotonic
    """Reads the time when its answer comes, on the event loop that waited for it; see `shared_clock`."""


def _slow_below(limit: int) -> float:
    return min(SLOW, SLOW_SHARE * limit)


class _LongWindow:
    """A window whose resets show that it is longer than a second: what its answers say holds until its end.

    `remaining` is the lowest value that an answer of this window stated. From it, subtract everything granted after the
    request of that answer, and at least what is under way: the server may count any of it after that answer.

    Args:
        began_at: When it was first known.
        end: When it ends.
        length: Seconds that such windows last at least.
        remaining: What the server lets through until its end.
        number: How many requests had been granted up to the one whose answer stated `remaining`.
    """

    def __init__(self, began_at: float, end: float, length: float, remaining: int, number: int) -> None:
        self.began_at = began_at
        self.end = end
        self.length = length
        self.remaining = remaining
        self.number = number

    def free_at(self, now: float, granted: int, under_way: int) -> float:
        """Returns when this window lets a request go out."""
        return now if self.remaining > max(granted - self.number, under_way) else self.end

    def next(self, now: float, limit: int, granted: int) -> "_LongWindow":
        """Returns the window that follows, of which no answer has said anything yet."""
        return _LongWindow(now, max(now, self.end + self.length), self.length, limit, granted)

    def take_in(self, slot: "Slot", end: float, remaining: int, now: float) -> "_LongWindow | None":
        """Takes in what an answer says, and returns the window that holds from then on.

        Args:
            slot: The slot of the request that was answered.
            end: When its window ends.
            remaining: What the server lets through until then.
            now: The time.
        """
        if abs(end - self.end) <= SAME_WINDOW:
            self.end = max(self.end, end)
            if remaining <= self.remaining:
                self.remaining, self.number = remaining, slot.number
            return self
        if end < self.end and slot.granted_at < self.began_at:
            return self
        if end - now <= LONG_WINDOW:
            return None
        return _LongWindow(now, end, max(self.length, end - now), remaining, slot.number)


class Budget:
    """The arithmetic of a bucket; times are seconds of `shared_clock` unless stated otherwise.

    Args:
        wall_clock: Returns this machine's Unix time, which may differ from the server's. By default `system`'s.
        uniform: Draws a number between two others; by default at random.
    """

    def __init__(
        self,
        wall_clock: Callable[[], float] | None = None,
        uniform: Callable[[float, float], float] | None = None,
    ) -> None:
        self._wall_clock = wall_clock or system.wall_time
        self._uniform = uniform or system.uniform
        self.limit: int | None = None
        self.remaining: int | None = None
        self.reset: float | None = None
        self._stated = False
        self._allowance = math.inf
        self._grown_at = -math.inf
        self._granted: deque[float] = deque()
        self._granted_count = 0
        self._granted_at = -math.inf
        self._most_before_answer = 0
        self._unused: float | None = None
        self._window: _LongWindow | None = None
        self._under_way = 0
        self._held = 0
        self._first_at = math.inf
        self._probed_at = -math.inf
        self._step = START_STEP
        self._paused_until = -math.inf
        self._pause = FIRST_PAUSE
        self._refused_at = -math.inf
        self._ceiling = math.inf
        self._lag = 0.0
        self._lag_at = 0.0

    def take(self, now: float, held: bool, clock: Callable[[], float] = system.monotonic) -> Slot | float:
        """Grants a slot, or returns how many seconds to wait before asking again."""
        # A held answer comes when its prediction ends, which may take minutes, and so says nothing of the limit yet.
        hold = held and not self._wants_probe(now)
        # Before the first answer: a burst of a thousand requests would be refused, and the account paused, at once.
        if not self._stated and self._under_way >= self._few(now):
            return RECHECK
        free_at = max(self._paused_until, self._window_free_at(now), self._free_at(now))
        if free_at > now:
            return free_at - now
        if not self._stated and self._first_at == math.inf:
            self._first_at = now
        self._granted.append(now)
        self._granted_at = now
        self._granted_count += 1
        self._under_way += 1
        self._held += hold
        if not hold:
            self._probed_at = now
        return Slot(now, hold, self._granted_count, clock=clock)

    def _wants_probe(self, now: float) -> bool:
        """Whether an answer is needed sooner than a held request brings it."""
        if not self._stated:
            return self._under_way == self._held > 0
        return self._probe_due(now) <= now

    def _probe_due(self, now: float) -> float:
        """When the next answer is needed to show whether the allowance may grow."""
        due = self._grown_at + self._step
        return due if self._is_starting(now) and self._probed_at < due else math.inf

    def _is_starting(self, now: float) -> bool:
        """Whether the allowance grows by probes: the limit is not reached, and nothing was refused."""
        return self.limit is not None and self._allowance < self.limit and not self._is_careful(now)

    def _few(self, now: float) -> int:
        # A server that answers slowly, or not at all, must not hold up everything else for ever.
        waited = now - self._first_at
        return int(FEW * 2.0 ** min((waited / PATIENCE) ** 2, 30.0)) if waited > 0 else FEW

    def _window_free_at(self, now: float) -> float:
        window = self._window
        if window is None or self.limit is None:
            return now
        if now >= window.end:
            window = self._window = window.next(now, self.limit, self._granted_count)
        # Those that are held were counted when they arrived, and may last for many windows.
        return window.free_at(now, self._granted_count, self._under_way - self._held)

    def _free_at(self, now: float) -> float:
        self._forget_granted(now)
        granted = self._granted
        if self._allowance == math.inf:
            return now
        self._grow(now)
        if self._is_slow(now):
            return self._granted_at + WINDOW / self._allowance
        if self._allowance == math.inf or not granted:
            return now
        full = max(1, int(self._allowance))
        # After refusals the requests are spread over the whole window: bursts of several processes collide.
        spacing = (1.0 if self._is_careful(now) else 0.25) * WINDOW / self._allowance
        # The spacing is kept over several requests: otherwise the delay of a late timer would be lost for good.
        recent = max(1, min(len(granted), CATCH_UP, full // CATCH_UP))
        spaced_at = granted[-recent] + recent * spacing
        free_at = spaced_at if len(granted) < full else max(spaced_at, granted[-full] + self._own_window(now))
        # A machine too busy to take in answers would send one allowance after another without seeing refusals.
        if self._is_starting(now) and self._granted_count >= self._most_before_answer:
            free_at = max(free_at, now + RECHECK)
        # A probe goes out even if the allowance is used up: only its answer can show that the allowance is too small.
        return min(free_at, max(now, self._probe_due(now)))

    def _own_window(self, now: float) -> float:
        # Requests that left a window apart may arrive closer together, so ours is longer by the time of the slowest
        # answer, of which half is forgotten in each window. Kept for good, it would cost 5 to 8 % of the time and save
        # two refusals in ten thousand (simulated with answers that take up to 0.3 s).
        lag: float = self._lag * 0.5 ** ((now - self._lag_at) / WINDOW)
        return WINDOW * (WINDOW_MARGIN + min(lag, LONGEST_LAG))

    def _forget_granted(self, now: float) -> None:
        horizon = now - self._own_window(now)
        while self._granted and self._granted[0] <= horizon:
            self._granted.popleft()

    def _is_careful(self, now: float) -> bool:
        memory = max(MEMORY, MEMORY_REQUESTS * WINDOW / self._allowance) if self._is_small() else MEMORY
        return now - self._refused_at < memory

    def _is_small(self) -> bool:
        return self.limit is not None and self._allowance < _slow_below(self.limit)

    def _is_slow(self, now: float) -> bool:
        return self._is_small() and self._is_careful(now)

    def _grow(self, now: float) -> None:
        if self._is_slow(now):
            self._grow_slowly(now, self.limit or 0)
        elif self._is_careful(now):
            self._grow_carefully(now)
        elif now - self._grown_at >= (START_STEP if self.limit is None else max(self._step, UNPROBED_STEP)):
            self._allowance *= START_GROWTH
            self._grown_at = now
        if self.limit is not None:
            self._allowance = min(self._allowance, self.limit)
        elif self._allowance > UNLIMITED:
            self._allowance = math.inf

    def _grow_carefully(self, now: float) -> None:
        steps = int(min((now - self._grown_at) / CAREFUL_STEP, 64))
        for _ in range(steps):
            self._grown_at = now
            # Far from what was refused a large step is safe; near it each step may be the one too many.
            if self._allowance < NEAR * self._ceiling or now - self._refused_at > CALM:
                self._allowance *= FAST_GROWTH
            else:
                self._allowance += SLOW_GROWTH * self._allowance + 0.1

    def _grow_slowly(self, now: float, limit: int) -> None:
        while now - self._grown_at >= (interval := WINDOW / self._allowance) and self._allowance < SLOW:
            self._grown_at += interval
            growth = SLOW_PACE_GROWTH * self._allowance + SLOW_PART * limit
            if self._grown_at - self._refused_at > max(CALM, CALM_REQUESTS * interval):
                growth *= CALM_GROWTH
            # Seen at random moments, a limit that is just used up in each window is half left on average.
            self._allowance += growth if self._unused is None else growth * (2 * self._unused) ** 2

    def pause(self, now: float) -> float:
        """Returns for how many seconds nothing goes out, because something was refused or nothing remains."""
        return max(0.0, self._paused_until - now, self._window_free_at(now) - now)

    def ended(self, slot: Slot) -> None:
        """Counts a request as no longer under way."""
        self._under_way -= 1
        self._held -= slot.held
        # Where connections fail, the next ones should fail at once, too, and not wait for answers that never come.
        self._most_before_answer += 1

    def answered(self, slot: Slot, status: int, headers: Mapping[str, str], now: float) -> None:
        """Takes in an answer."""
        self.ended(slot)
        # `remaining` is as of the moment when the server counted: that of an old answer describes another window.
        took = now - slot.granted_at
        fresh = took < WINDOW / 2
        if fresh and took > self._lag:
            self._lag, self._lag_at = took, now
        limit = whole(without_policy(headers.get("x-ratelimit-limit")))
        if limit:
            self._take_in(slot, limit, headers, fresh=fresh, now=now)
        if self._allowance != math.inf:
            self._most_before_answer = self._granted_count + max(1, int(self._allowance))
        # A failure without these headers may be a gateway's, which knows nothing of limits; a refusal sets one.
        self._stated = self._stated or limit is not None or status == 429 or 200 <= status < 300
        if status == 429:
            self._refuse(slot, headers, now)
        elif slot.granted_at > self._paused_until:
            self._pause = FIRST_PAUSE

    def _take_in(self, slot: Slot, limit: int, headers: Mapping[str, str], *, fresh: bool, now: float) -> None:
        wall_time = self._wall_clock()
        delay = reset_delay(headers, wall_time)
        remaining = whole(headers.get("x-ratelimit-remaining"))
        is_long = delay is not None and delay > LONG_WINDOW
        if fresh or is_long:
            self.remaining = remaining
            self.reset = None if delay is None else wall_time + delay
        if slot.held or not fresh:
            self._unused = None
        elif remaining is not None:
            unused = min(1.0, remaining / limit)
            self._unused = unused if self._unused is None else (self._unused + unused) / 2
        if remaining is not None and delay is not None:
            self._take_in_window(slot, now + min(delay, LONGEST_WAIT), remaining, now)
        known, self.limit = self.limit, limit
        if known is None:
            share = self._own_share(limit, now)
            self._allowance = max(LEAST_START if share == 1.0 else LEAST_SHARED_START, limit * START * share)
            self._grown_at = now
        elif fresh and self._is_starting(now) and slot.granted_at >= self._grown_at + self._step:
            self._take_in_probe(limit, now)

    def _take_in_window(self, slot: Slot, end: float, remaining: int, now: float) -> None:
        if self._window is not None:
            self._window = self._window.take_in(slot, end, remaining, now)
        elif end - now > LONG_WINDOW:
            self._window = _LongWindow(now, end, end - now, remaining, slot.number)

    def _take_in_probe(self, limit: int, now: float) -> None:
        share = self._own_share(limit, now)
        self._step = START_STEP if share == 1.0 else min(self._step * 1.5, LONGEST_START_STEP)
        self._allowance = max(1.0, min(self._allowance * START_GROWTH, limit * share))
        self._grown_at = now

    def _own_share(self, limit: int, now: float) -> float:
        """Our fraction of the window's requests, as far as the newest answer shows."""
        if self.remaining is None:
            return 1.0
        self._forget_granted(now)
        own = max(1, len(self._granted))
        used = limit - self.remaining
        return own / used if used - own > BUSY_SHARE * limit else 1.0

    def _refuse(self, slot: Slot, headers: Mapping[str, str], now: float) -> None:
        # What was refused did not count at the server, so it does not count here.
        with contextlib.suppress(ValueError):
            self._granted.remove(slot.granted_at)
        self._forget_granted(now)
        # Requests that were under way at the first refusal are refused too: they are one burst, and cut once.
        if slot.granted_at > self._refused_at:
            self._ceiling = self._allowance
            self._refused_at = now
            self._paused_until = self._grown_at = now + self._pause_after(headers)
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
        # Each further refusal of the burst gives a better estimate of how many were let through.
        tried = BACK_OFF * min(self._ceiling, len(self._granted))
        self._allowance = max(self._least(), min(self._allowance, tried))
        if self._is_slow(now):
            spacing = WINDOW / self._allowance
            self._paused_until = max(self._paused_until, now + self._uniform(*SPREAD) * spacing)
            self._granted_at = -math.inf

    def _least(self) -> float:
        """The least that a burst of refusals leaves of the allowance."""
        if self.limit is None:
            return 1.0 if self._ceiling == math.inf else max(1.0, self._ceiling * DEEPEST_CUT)
        ceiling = min(self._ceiling, self.limit)
        cut = DEEPEST_CUT if ceiling >= _slow_below(self.limit) else SLOW_CUT
        return max(WINDOW / LONGEST_SPACING, min(LEAST_PART * self.limit, MOST_LEAST), ceiling * cut)

    def _pause_after(self, headers: Mapping[str, str]) -> float:
        pause = self._pause * self._uniform(0.75, 1.25)
        # While requests of an hourly limit remain, its reset does not say when the refused burst may go on.
        asked = failure_delay(headers, self._wall_clock())
        if asked is None:
            return pause
        # Every answer has a reset; a short one, in whole seconds, is longer than what is left of the window.
        if "retry-after" in headers or asked > LONG_WINDOW:
            return asked + pause / 2
        return min(pause, max(asked, FIRST_PAUSE))
