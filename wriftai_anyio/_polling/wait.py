"""One wait for one prediction: when it must be polled, and what its waiter has to do.

A wait alone and a wait among others go through the same states; what ends the pause differs:

    joined ──► waiting ──────────────────────────► ready ──────► fetching ──► left
                 ▲        - its poll is due          │              │
                 │        - a list misses it         │ was told     │ not ended, or
                 │        - lists fail for it        ▼              │ a passing fault
                 │        - a webhook told     takes what was told  │
                 └───────────────────────────────────┴──────────────┘

While it is `waiting`, the waiter may be the one that leads the rounds (see `shared_polls`). That is a role and not a
state: it is taken and handed over at any time. So there are two reasons to end the waiter's sleep, and one event for
both: something makes it ready, or it is to look whether it leads now.
"""

from collections.abc import Callable
from typing import Final

from anyio import Event, current_time, move_on_after
from anyio.lowlevel import checkpoint

from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio._parsing.json_copy import copy_json
from wriftai_anyio._pipeline.retry_loop import Failure
from wriftai_anyio._transport.retries import PASSING_STATUSES
from wriftai_anyio._types.prediction import PredictionWithIO, is_terminal
from wriftai_anyio.errors import APIStatusError

FAULT_PATIENCE: Final = 60.0
"""Seconds of nothing but failures that a wait outlives."""

FIRST_INTERVAL: Final = 0.05
"""Seconds to the first poll after a create; then twice as long each time, up to the poll interval. Many models run for
less than a second, and a whole interval for each of them is what a program waits for most."""


class Wait:
    """One wait for one prediction.

    Args:
        prediction_id: The prediction's id.
        poll_interval: Seconds between two polls, at least.
        patience: Says for how many seconds a prediction need not be polled, since its webhook is expected.
        seen_at: When its state was last seen, if the first poll is to come an interval after that.
        wants_each: Whether it wants every state that is told, and not only the end.
        eager: Whether the first polls come sooner, since the prediction was just created.

    Attributes:
        prediction_id: The prediction's id.
        failing_since: When its fetches or lists began to fail, if they do.
        checked_at: When its own state was last asked for, and not a list; at first when it began.
        ready: Whether there is something to do for the waiter: a fetch, or a state that was told.
    """

    # Ten thousand of them are nothing unusual.
    __slots__ = (
        "_fetch_failed",
        "_fetched_at",
        "_first_interval",
        "_listed_interval",
        "_patience",
        "_poll_interval",
        "_seen_at",
        "_signal",
        "_signalled",
        "_told",
        "_wants_each",
        "checked_at",
        "failing_since",
        "prediction_id",
        "ready",
    )

    def __init__(
        self,
        prediction_id: str,
        poll_interval: float,
        patience: Callable[[str], float],
        *,
        seen_at: float | None,
        wants_each: bool,
        eager: bool = False,
    ) -> None:
        self.prediction_id = prediction_id
        self.failing_since: float | None = None
        self.checked_at: float = current_time()
        self.ready = False
        self._fetch_failed = False
        self._poll_interval = poll_interval
        self._patience = patience
        self._first_interval = self._listed_interval = scaled(FIRST_INTERVAL) if eager else poll_interval
        # Two times: a list that shows its prediction saves the poll, but may lag, so it is not as fresh as a fetch.
        self._seen_at = self._fetched_at = float("-inf") if seen_at is None else seen_at
        self._wants_each = wants_each
        self._told: PredictionWithIO | None = None
        self._signalled = False
        self._signal: Event | None = None

    @property
    def interval(self) -> float:
        """Seconds between two polls, at least, at this moment."""
        return self._pause(self._first_interval)

    def _pause(self, first_interval: float) -> float:
        return max(min(first_interval, self._poll_interval), scaled(self._patience(self.prediction_id)))

    @property
    def due(self) -> float:
        """When it must be polled."""
        return self._seen_at + self.interval

    def note_fetch(self, now: float) -> None:
        """Notes that a fetch of this prediction alone begins."""
        self._seen_at = self._fetched_at = self.checked_at = now
        self._fetch_failed = False
        self._first_interval *= 2

    async def note_attempt(self) -> None:
        """Notes that the fetch is sent, perhaps after a wait for its turn: the interval starts again."""
        await checkpoint()
        self._seen_at = self._fetched_at = self.checked_at = current_time()

    def note_listing(self, now: float) -> None:
        """Notes that a list in which this prediction would be is asked for."""
        self._seen_at = now
        self._listed_interval = self._first_interval
        self._first_interval *= 2

    def note_list(self, *, runs: bool) -> None:
        """Notes that a list came, and whether its prediction was on it."""
        # Lists do not make up for failing fetches: a wait kept alive by lists alone would never end.
        if runs or not self._fetch_failed:
            self.failing_since = None

    def note_missing(self, listing_began: float) -> None:
        """Notes that a list did not contain it: it has ended, or the list is older than its own last fetch."""
        # It was not seen running, so the list must not delay its poll. A round may note this twice.
        if listing_began - self._fetched_at >= self._pause(self._listed_interval):
            self.make_ready()
        else:
            self._seen_at = self._fetched_at

    def note_told(self, prediction: PredictionWithIO) -> None:
        """Notes the state of the prediction that a webhook told, which saves the poll."""
        self._seen_at = current_time()
        if self._wants_each or is_terminal(prediction):
            self._told = prediction
            self.make_ready()

    def outlives(self, error: Failure, *, of_list: bool = False) -> bool:
        """Takes a fault in, and returns whether the wait goes on: while it may pass, and for a minute.

        Args:
            error: The fault.
            of_list: Whether it is that of a list, and not of a fetch of this prediction alone.
        """
        now = current_time()
        self._fetch_failed = self._fetch_failed or not of_list
        self.failing_since = now if self.failing_since is None else self.failing_since
        return is_passing(error) and now - self.failing_since <= scaled(FAULT_PATIENCE)

    def take_told(self) -> PredictionWithIO | None:
        """Returns what it was told, once: a copy, since all waits for a prediction are told the same object."""
        told, self._told = self._told, None
        return copy_json(told)

    def make_ready(self) -> None:
        """Gives the waiter something to do, and ends its sleep."""
        self.ready = True
        self.signal()

    def signal(self) -> None:
        """Ends the waiter's sleep, so that it looks whether it leads now."""
        self._signalled = True
        if self._signal is not None:
            self._signal.set()

    async def signalled(self) -> None:
        """Sleeps until `make_ready` or `signal` is called."""
        if not self._signalled:
            self._signal = Event()
            await self._signal.wait()
        self._signalled, self._signal = False, None

    async def sleep_until_ready(self) -> None:
        """Sleeps until the next poll of this wait alone is due, or its state was told."""
        await checkpoint()
        while not self.ready and (pause := self.due - current_time()) > 0:
            with move_on_after(pause):
                await self.signalled()
        self.begin_work()

    def begin_work(self) -> None:
        """Notes that the waiter has begun what it was made ready for."""
        self.ready = self._signalled = False


def is_passing(error: Failure) -> bool:
    """Returns whether a fault may pass, so that a wait goes on: all but an API that refuses (4xx)."""
    if not isinstance(error, APIStatusError):
        return True
    return error.status_code >= 500 or error.status_code in PASSING_STATUSES
