"""The listing rounds that the waits on one event loop share."""

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

from anyio import Event, Semaphore, create_task_group, current_time, move_on_after
from anyio.lowlevel import EventLoopToken, checkpoint

from wriftai_anyio._concurrency.cancellation import ungrouped
from wriftai_anyio._concurrency.courier import Courier
from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio._instrumentation.log import logger, reason
from wriftai_anyio._transport.retries import RETRIED_STATUSES
from wriftai_anyio._types.prediction import PredictionWithIO, is_terminal
from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError

from .running_list import Reading, RunningList

FAULT_PATIENCE: Final = 60.0
"""Seconds of nothing but failures that a wait outlives."""
FETCHES: Final = 100
"""Predictions fetched side by side on one event loop: more would gain nothing and cost memory."""
PROBES: Final = 10
"""Predictions fetched after a list that failed: it may be that only lists fail."""
LIST_REST: Final = 30.0
"""Seconds for which no list is asked for, when lists alone fail."""

Fault: TypeAlias = APIConnectionError | APIResponseError | APIStatusError


class Wait:
    """One wait for one prediction.

    Args:
        prediction_id: The prediction's id.
        interval: Says how many seconds lie between two polls, at least.
        seen_at: When its state was last seen, if the first poll shall come an interval after that.
        tells_each: Whether it wants every state that is told, and not the end alone.
    """

    def __init__(
        self, prediction_id: str, interval: Callable[[], float], *, seen_at: float | None, tells_each: bool
    ) -> None:
        self.prediction_id = prediction_id
        self.failing_since: float | None = None
        self._interval = interval
        self._seen_at = self._polled_at = float("-inf") if seen_at is None else seen_at
        self._tells_each = tells_each
        self._told: PredictionWithIO | None = None
        self._woken = False
        self._event = Event()

    @property
    def interval(self) -> float:
        """Seconds between two polls, at least, as things stand."""
        return self._interval()

    @property
    def due(self) -> float:
        """When it must be polled."""
        return self._seen_at + self._interval()

    def polled(self, now: float) -> None:
        """Notes that a poll of this wait alone begins."""
        self._seen_at = self._polled_at = now

    def listed(self, now: float) -> None:
        """Notes that a round which tells of this wait begins."""
        self._seen_at = now

    def missing(self, round_began: float) -> None:
        """Notes that the round's list did not have it: it has ended, or the list lags behind a poll of its own."""
        if round_began - self._polled_at >= self.interval:
            self.wake()
        else:
            self._seen_at = self._polled_at

    def outlives(self, error: Fault) -> bool:
        """Takes a fault in, and says whether the wait goes on: while it may pass, and for a minute."""
        now = current_time()
        self.failing_since = now if self.failing_since is None else self.failing_since
        return is_passing(error) and now - self.failing_since <= scaled(FAULT_PATIENCE)

    def tell(self, prediction: PredictionWithIO) -> None:
        """Tells it the state of its prediction, so that it needs no poll."""
        self._seen_at = current_time()
        if self._tells_each or is_terminal(prediction):
            self._told = prediction
            self.wake()

    def take_told(self) -> PredictionWithIO | None:
        """Returns what it was told, once."""
        told, self._told = self._told, None
        return told

    def wake(self) -> None:
        """Ends `until_woken`."""
        self._woken = True
        self._event.set()

    def nudge(self) -> None:
        """Has the waiter look whether it leads now."""
        self._event.set()

    @property
    def woken(self) -> bool:
        """Whether there is something to do for the waiter: a poll, or a state that was told."""
        return self._woken

    async def until_nudged(self) -> None:
        """Waits for `wake` or `nudge`."""
        await self._event.wait()
        self._event = Event()

    async def until_due(self) -> None:
        """Waits until the next poll of this wait alone is due, or its state was told."""
        await checkpoint()
        while not self._woken and (pause := self.due - current_time()) > 0:
            with move_on_after(pause):
                await self.until_nudged()
        self.rest()

    def rest(self) -> None:
        """Begins another interval."""
        self._woken = False
        self._event = Event()


def is_passing(error: Fault) -> bool:
    """Whether a fault may pass, so that a wait goes on: all but an API that refuses (4xx)."""
    return not isinstance(error, APIStatusError) or error.status_code in RETRIED_STATUSES


class Rounds:
    """The waits on one event loop, and the rounds that one of them leads for all.

    Args:
        loop: The event loop.
        running_list: Lists which predictions run.
    """

    def __init__(self, loop: EventLoopToken, running_list: RunningList) -> None:
        self.courier = Courier(loop)
        self.fetches = Semaphore(FETCHES, fast_acquire=True)
        self._running_list = running_list
        self._joined: dict[str, list[Wait]] = {}
        self._waiting: dict[Wait, None] = {}
        self._leader: Wait | None = None
        self._sooner = Event()
        self._next_due = 0.0
        self._listed_at = float("-inf")
        self._last_reading: Reading | None = None
        self._listable = True
        self._probes: list[Wait] = []
        self._list_rests_until = float("-inf")

    @property
    def idle(self) -> bool:
        """Whether nobody waits here."""
        return not self._joined

    def join(self, wait: Wait) -> None:
        """Takes a wait in, from its beginning."""
        self._joined.setdefault(wait.prediction_id, []).append(wait)

    def leave(self, wait: Wait) -> None:
        """Lets a wait go, at its end."""
        waits = self._joined[wait.prediction_id]
        waits.remove(wait)
        if not waits:
            del self._joined[wait.prediction_id]

    def awaits(self, prediction_id: str) -> bool:
        """Whether somebody waits here for a prediction; safe from any thread."""
        return prediction_id in self._joined

    def tell(self, prediction: PredictionWithIO) -> None:
        """Tells the waits of a prediction its state, so that they need no poll."""
        for wait in self._joined.get(prediction["id"], ()):
            wait.tell(prediction)

    async def until_due(self, wait: Wait) -> None:
        """Waits until the wait must poll by itself, or its state was told; leads the rounds if nobody else does."""
        self._waiting[wait] = None
        if wait.due < self._next_due:
            self._sooner.set()
        try:
            while not wait.woken:
                if self._leader is None:
                    self._leader = wait
                if self._leader is wait:
                    await self._lead(wait)
                else:
                    await wait.until_nudged()
        finally:
            del self._waiting[wait]
            if self._leader is wait:
                self._hand_over()
        wait.rest()

    def _hand_over(self) -> None:
        self._leader = next(iter(self._waiting), None)
        if self._leader is not None:
            self._leader.nudge()

    async def _lead(self, wait: Wait) -> None:
        errors: list[Exception] = []

        async def run() -> None:
            try:
                await self._run()
            except Exception as error:  # noqa: BLE001 -- raised below, out of the task group
                errors.append(error)
                wait.nudge()

        with ungrouped():
            async with create_task_group() as tasks:
                tasks.start_soon(run)
                await wait.until_nudged()
                tasks.cancel_scope.cancel()
        if errors:
            raise errors.pop()

    async def _run(self) -> None:
        while True:
            self._sooner = Event()
            waiting = [wait for wait in self._waiting if not wait.woken]
            self._next_due = min((wait.due for wait in waiting), default=float("inf"))
            pause = self._next_due - current_time()
            if pause > 0:
                with move_on_after(pause):
                    await self._sooner.wait()
                continue
            due = [wait for wait in waiting if wait.due <= current_time()]
            if self._worth_a_list(due, len(waiting)):
                await self._round(waiting)
            else:
                for wait in due:
                    wait.wake()
            # A server with answers ready at hand must not keep the event loop busy.
            await checkpoint()

    def _worth_a_list(self, due: list[Wait], waiting: int) -> bool:
        """Whether a list costs less than the polls that it saves, now or by having all waits due together."""
        now = current_time()
        if any(probe.failing_since is None for probe in self._probes):
            self._probes, self._list_rests_until = [], now + scaled(LIST_REST)
        last = self._last_reading
        pages = 1 + waiting // self._running_list.page_size if last is None else last.pages
        if not self._listable or now < self._list_rests_until or waiting <= pages:
            return False
        fallow = now - self._listed_at
        return len(due) > pages or fallow >= min(wait.interval for wait in due)

    async def _round(self, waits: list[Wait]) -> None:
        began = self._listed_at = current_time()
        for wait in waits:
            # Before the request: a round that is broken off with its leader counts, it is not asked for again.
            wait.listed(began)
        reading = Reading(self._last_reading)
        awaited = {wait.prediction_id for wait in waits}
        try:
            await self._running_list.read(reading, awaited, partial(self._miss, began))
        except (APIConnectionError, APIResponseError, APIStatusError) as error:
            self._listable = self._listable and is_passing(error)
            self._probes = waits[:PROBES]
            logger.info("the list that %d waits share did not come: %s", len(waits), reason(error))
            ended = current_time()
            for number, wait in enumerate(waits):
                # What was asked for again and again took time: the probes have an interval to tell whether all fails.
                wait.listed(ended)
                if not (self._listable and wait.outlives(error)) or number < PROBES:
                    wait.wake()
            return
        self._last_reading = reading
        for wait in waits:
            wait.failing_since = None
            if wait.prediction_id not in reading.ids and wait in self._waiting:
                wait.missing(began)

    def _miss(self, began: float, prediction_id: str) -> None:
        for wait in self._joined.get(prediction_id, ()):
            # If the leader woke now, it would break the round off.
            if wait in self._waiting and wait is not self._leader:
                wait.missing(began)
