"""Rate limits, counted with a token bucket or in fixed windows."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from ._checks import check_whole

WINDOW_SECONDS: Final = 1.0


@dataclass(frozen=True)
class RateLimits:
    """How many requests per second the sandbox lets through.

    Args:
        creates: Predictions created per second.
        others: All other requests per second.
        window: `"bucket"` for a token bucket that holds one second's worth and is refilled steadily, `"fixed"` to count
            in windows of one second.
    """

    creates: int = 15
    others: int = 3
    window: Literal["bucket", "fixed"] = "bucket"

    def __post_init__(self) -> None:
        check_whole(1, creates=self.creates, others=self.others)
        if self.window not in ("bucket", "fixed"):  # not a set: the argument need not be hashable
            raise ValueError("window must be 'bucket' or 'fixed'")


@dataclass(frozen=True)
class Allowance:
    """Whether one request is let through, and what the headers of its answer say."""

    granted: bool
    limit: int
    remaining: int
    reset: int

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the `x-ratelimit-*` headers."""
        return [
            (b"x-ratelimit-limit", b"%d" % self.limit),
            (b"x-ratelimit-remaining", b"%d" % self.remaining),
            (b"x-ratelimit-reset", b"%d" % self.reset),
        ]


class _Bucket:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._level = float(limit)
        self._filled_at = 0.0

    def take(self, now: float) -> Allowance:
        granted = self.look(now).granted
        if granted:
            self._level -= 1
        return self._allowance(now, granted=granted)

    def look(self, now: float) -> Allowance:
        elapsed = max(0.0, now - self._filled_at)
        self._level = min(self._limit, self._level + elapsed * self._limit / WINDOW_SECONDS)
        self._filled_at = now
        return self._allowance(now, granted=self._level >= 1)

    def _allowance(self, now: float, *, granted: bool) -> Allowance:
        full_at = now + (self._limit - self._level) * WINDOW_SECONDS / self._limit
        return Allowance(granted, self._limit, int(self._level), math.ceil(full_at))


class _FixedWindow:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._window: int = 0
        self._used: int = 0

    def take(self, now: float) -> Allowance:
        granted = self.look(now).granted
        if granted:
            self._used += 1
        return self._allowance(granted=granted)

    def look(self, now: float) -> Allowance:
        window = int(now // WINDOW_SECONDS)
        if window != self._window:
            self._window, self._used = window, 0
        return self._allowance(granted=self._used < self._limit)

    def _allowance(self, *, granted: bool) -> Allowance:
        reset = math.ceil((self._window + 1) * WINDOW_SECONDS)
        return Allowance(granted, self._limit, self._limit - self._used, reset)


class Limiter:
    """Counts creates and other requests separately.

    Args:
        limits: The limits.
        clock: Unix time in seconds.
    """

    def __init__(self, limits: RateLimits, clock: Callable[[], float] = time.time) -> None:
        self._limits = limits
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Reset all counts."""
        counter = _Bucket if self._limits.window == "bucket" else _FixedWindow
        self._creates = counter(self._limits.creates)
        self._others = counter(self._limits.others)

    def describe(self) -> str:
        """Return the remaining limits, for people."""
        now = self._clock()
        creates, others = self._creates.look(now), self._others.look(now)
        return (
            f"creates: {creates.remaining} of {creates.limit} a second left, "
            f"all else: {others.remaining} of {others.limit}"
        )

    def take(self, *, create: bool) -> Allowance:
        """Count one request, unless it is refused."""
        return (self._creates if create else self._others).take(self._clock())
