"""The rounds of polls that the waits on one event loop share, and who leads them.

One round asks for the list of running predictions, once for all waits; those that are missing from it are made
ready, and each fetches its own prediction. There is no task of the poller's own that could outlive the waits:

    wait A ── leads: its task group runs the rounds ──── leaves │
    wait B ── sleeps ───────────────────────────────── signal ──► leads ──── ends │
    wait C ── sleeps ────── made ready: fetches ── sleeps ──────────────── signal ──► leads …

Any sleeping wait may lead; at a change, the one that began to sleep last takes over. If it were the first, waits whose
deadlines come one after another would break off every round that takes longer than the time between them. A leader
leaves by being made ready, by its timeout, by a cancellation or by an error, all of which go through one `finally`,
where the next one is signalled. A round that is broken off with its leader is not repeated at once, or leaders that
leave one after another would each ask for a list.
"""

from functools import partial
from heapq import nsmallest
from operator import attrgetter
from typing import Final

from anyio import Event, Semaphore, create_task_group, current_time, move_on_after
from anyio.lowlevel import checkpoint

from wriftai_anyio._concurrency.bounded_dict import BoundedDict
from wriftai_anyio._concurrency.call_soon import CallSoon
from wriftai_anyio._concurrency.cancellation import ungrouped
from wriftai_anyio._concurrency.outcome import Outcome
from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio._instrumentation.log import logger, reason
from wriftai_anyio._types.prediction import PredictionWithIO
from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError

from .running_list import Reading, RunningList
from .wait import Wait, is_passing

FETCHES: Final = 100
"""Predictions fetched concurrently on one event loop: more would gain nothing and cost memory."""
FEW: Final = 10
"""The number of waits below which first polls come sooner. More waits share their polls: about one request each."""
PROBES: Final = 10
"""Predictions fetched after a list that failed, to see whether only lists fail."""
LIST_REST: Final = 30.0
"""Seconds for which no list is asked for, when lists alone fail, are stale, or are never read to their end."""
LIST_TRUST: Final = 60.0
"""Seconds for which lists alone are trusted that a prediction runs. Then it is fetched anyway: at least one in each
round, and up to a tenth of what the lists cost."""
LONGEST_LAG: Final = 20.0
"""Seconds after its end from which a prediction that a list still shows makes the list stale. A smaller lag only makes
waits end that much later, while fetching thousands one by one would take minutes of their account's limit."""
MOST_BROKEN_OFF: Final = 3
"""Lists in a row that were broken off with their leaders, after which none is asked for during `LIST_REST`."""
LONGEST_UNREAD: Final = 15.0
"""Seconds since the first of them began that must also have passed."""
ENDS: Final = 100
"""The predictions that ended last, which show whether a list is stale."""


class SharedPolls:
    """The waits on one event loop, and the rounds that one of them leads for all.

    Args:
        running_list: Lists which predictions run.
    """

    def __init__(self, running_list: RunningList) -> None:
        self.call_soon = CallSoon()
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
        self._broken_off: list[float] = []
        self._ended: BoundedDict[str, float] = BoundedDict(ENDS)

    @property
    def idle(self) -> bool:
        """Whether nobody waits here."""
        return not self._joined

    @property
    def few(self) -> bool:
        """Whether so few wait here that extra polls for each of them are no burden."""
        return len(self._joined) < FEW

    def join(self, wait: Wait) -> None:
        """Adds a wait, at its beginning."""
        self._joined.setdefault(wait.prediction_id, []).append(wait)

    def leave(self, wait: Wait) -> None:
        """Removes a wait, at its end."""
        waits = self._joined[wait.prediction_id]
        waits.remove(wait)
        if not waits:
            del self._joined[wait.prediction_id]

    def note_ended(self, prediction_id: str) -> None:
        """Notes that a prediction is known to have ended."""
        self._ended[prediction_id] = current_time()

    def awaits(self, prediction_id: str) -> bool:
        """Whether somebody waits here for a prediction; safe from any thread."""
        return prediction_id in self._joined

    def deliver(self, prediction: PredictionWithIO) -> None:
        """Delivers a state of a prediction to its waits, so that they need no poll."""
        for wait in self._joined.get(prediction["id"], ()):
            wait.note_told(prediction)

    async def until_ready(self, wait: Wait) -> None:
        """Sleeps until the wait must fetch its prediction, or was told its state; leads the rounds if nobody does."""
        self._waiting[wait] = None
        if wait.due < self._next_due:
            self._sooner.set()
        try:
            await self._begin_alone(wait)
            while not wait.ready:
                if self._leader is None:
                    self._leader = wait
                if self._leader is wait:
                    await self._lead(wait)
                else:
                    await wait.signalled()
        finally:
            del self._waiting[wait]
            if self._leader is wait:
                self._hand_over()
        wait.begin_work()

    async def _begin_alone(self, wait: Wait) -> None:
        """Makes a wait ready whose poll is due, if nobody else waits: rounds would do the same, at twice the cost."""
        if len(self._waiting) == 1:
            # After it, waits that began at the same time as this one have joined.
            await checkpoint()
            if len(self._waiting) == 1 and wait.due <= current_time():
                wait.make_ready()

    def _hand_over(self) -> None:
        self._leader = next(reversed(self._waiting), None)
        if self._leader is not None:
            self._leader.signal()

    async def _lead(self, wait: Wait) -> None:
        outcome: Outcome[None] = Outcome()

        async def run() -> None:
            await outcome.run(self._hold_rounds)
            wait.signal()

        with ungrouped():
            async with create_task_group() as tasks:
                tasks.start_soon(run)
                await wait.signalled()
                tasks.cancel_scope.cancel()
        if outcome.failed:
            outcome.take()

    async def _hold_rounds(self) -> None:
        while True:
            self._sooner = Event()
            waiting = [wait for wait in self._waiting if not wait.ready]
            self._next_due = min((wait.due for wait in waiting), default=float("inf"))
            pause = self._next_due - current_time()
            if pause > 0:
                with move_on_after(pause):
                    await self._sooner.wait()
                continue
            due = [wait for wait in waiting if wait.due <= current_time()]
            if self._worth_a_list(due, len(waiting)):
                await self._hold_round(waiting)
            else:
                for wait in due:
                    wait.make_ready()
            # A server that answers at once must not keep the event loop busy.
            await checkpoint()

    def _worth_a_list(self, due: list[Wait], waiting: int) -> bool:
        """Whether a list costs less than the polls that it saves, now or by having all waits due together."""
        now = current_time()
        if any(probe.failing_since is None for probe in self._probes):
            self._probes, self._list_rests_until = [], now + scaled(LIST_REST)
        if len(self._broken_off) >= MOST_BROKEN_OFF and now - self._broken_off[0] > scaled(LONGEST_UNREAD):
            self._broken_off, self._list_rests_until = [], now + scaled(LIST_REST)
        last = self._last_reading
        pages = 1 + waiting // self._running_list.page_size if last is None else last.pages
        if not self._listable or now < self._list_rests_until or waiting <= pages:
            return False
        fallow = now - self._listed_at
        return len(due) > pages or fallow >= min(wait.interval for wait in due)

    async def _hold_round(self, waits: list[Wait]) -> None:
        began = self._listed_at = current_time()
        self._broken_off.append(began)  # until it has come
        for wait in waits:
            # Before the request: a round that is broken off with its leader counts, it is not asked for again.
            wait.note_listing(began)
        reading = Reading(self._last_reading)
        awaited = {wait.prediction_id for wait in waits}
        try:
            await self._running_list.read(reading, awaited, partial(self._note_gone, began))
        except (APIConnectionError, APIResponseError, APIStatusError) as error:
            self._broken_off = []
            self._listable = self._listable and is_passing(error)
            self._probes = waits[:PROBES]
            logger.info("could not get the list of predictions that %d waits share: %s", len(waits), reason(error))
            ended = current_time()
            for number, wait in enumerate(waits):
                # Retries took time: the probes get an interval to show whether everything fails.
                wait.note_listing(ended)
                if not (self._listable and wait.outlives(error, of_list=True)) or number < PROBES:
                    wait.make_ready()
            return
        self._last_reading, self._broken_off = reading, []
        # Then not only lists failed, although the probes succeed from here on.
        self._probes = []
        for wait in waits:
            runs = wait.prediction_id in reading.ids
            wait.note_list(runs=runs)
            if not runs and wait in self._waiting:
                wait.note_missing(began)
        self._doubt(reading, began)

    def _doubt(self, reading: Reading, began: float) -> None:
        """Makes some waits fetch that only lists have answered for a while: a list may be stale, even forever."""
        unchecked_since = current_time() - scaled(LIST_TRUST)
        doubted = [
            wait for wait in self._waiting if wait.checked_at <= unchecked_since and wait.prediction_id in reading.ids
        ]
        for wait in nsmallest(max(1, reading.pages // 10), doubted, key=attrgetter("checked_at")):
            wait.make_ready()
        is_stale = any(
            began - ended > scaled(LONGEST_LAG) and each in reading.ids for each, ended in self._ended.items()
        )
        if is_stale:
            self._list_rests_until = current_time() + scaled(LIST_REST)

    def _note_gone(self, began: float, prediction_id: str) -> None:
        for wait in self._joined.get(prediction_id, ()):
            # Not the leader: making it ready now would break off the round. It is checked after the round.
            if wait in self._waiting and wait is not self._leader:
                wait.note_missing(began)
