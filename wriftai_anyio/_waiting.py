"""The shared poller: all waits of a client on one event loop learn together which predictions have ended.

There is no background task. The first waiter leads: in a task group of its own, under its cancel scope, it asks
for the list of running predictions, once for all waits. When it leaves, for whatever reason, another takes the
lead. Each waiter whose prediction is missing from the list fetches that prediction itself, in its own scope.
"""

import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

from anyio import RunFinishedError, current_time, from_thread
from anyio.lowlevel import current_token

from ._log import logger, reason
from ._prediction import PredictionShape, PredictionWithIO, is_terminal
from ._process import PerProcess
from ._resource import segment
from ._rounds import Rounds, Wait
from ._running_list import RunningList
from .api import API
from .errors import APIConnectionError, APIResponseError, APIStatusError

WEBHOOK_INTERVAL: Final = 30.0
"""Seconds between two polls of a prediction whose webhook is expected here, at least."""
REMEMBERED: Final = 1000
"""Ended predictions told by webhooks that are kept for waits which begin later."""

OnPoll: TypeAlias = Callable[[PredictionWithIO], Awaitable[None]]


class Poller:
    """Waits for predictions to end.

    Args:
        api: What sends the requests.
        shape: Checks predictions.
    """

    def __init__(self, api: API, shape: PredictionShape) -> None:
        self._api = api
        self._shape = shape
        self._running = RunningList(api, shape)
        self._loops: PerProcess[dict[object, Rounds]] = PerProcess(dict)
        self._told: OrderedDict[str, PredictionWithIO] = OrderedDict()
        self._expected: OrderedDict[str, None] = OrderedDict()
        self.webhooks_arrive: bool = False

    async def fetch(self, prediction_id: str) -> PredictionWithIO:
        """Gets a prediction with its details."""
        path = f"/predictions/{segment(prediction_id, 'prediction_id')}"
        return await self._api.ask("GET", path, self._shape.detailed)

    async def wait(
        self,
        prediction_id: str,
        poll_interval: float,
        on_poll: OnPoll | None,
        note: Callable[[PredictionWithIO], None],
        *,
        just_seen: bool,
    ) -> PredictionWithIO:
        """Waits until a prediction has ended.

        Args:
            prediction_id: The prediction's id.
            poll_interval: Seconds between the beginnings of two polls, at least.
            on_poll: Awaited with each poll's prediction, which is fetched by itself then.
            note: Called with each state that is fetched, to remember it.
            just_seen: Whether its state was just seen, so that the first poll comes after an interval.

        Raises:
            APIStatusError: If the API refuses, or fails for a minute on end.
            APIConnectionError: If nothing comes back for a minute on end.
        """
        if prediction_id in self._expected:
            poll_interval = max(poll_interval, WEBHOOK_INTERVAL)
        wait = Wait(prediction_id, poll_interval, just_seen=just_seen)
        loops = self._loops.get()
        loop = current_token()
        rounds = loops.get(loop.native_token)
        if rounds is None:
            rounds = loops[loop.native_token] = Rounds(loop, self._running)
        rounds.join(wait)
        # Only now: a webhook that comes in another thread must find either the wait or its reader.
        told = self._told.get(prediction_id)
        if told is not None:
            wait.tell(told)
        try:
            return await self._follow(rounds, wait, on_poll, note)
        finally:
            rounds.leave(wait)
            if rounds.idle and loops.get(loop.native_token) is rounds:
                del loops[loop.native_token]

    async def _follow(
        self, rounds: Rounds, wait: Wait, on_poll: OnPoll | None, note: Callable[[PredictionWithIO], None]
    ) -> PredictionWithIO:
        while True:
            await (rounds.until_due(wait) if on_poll is None else wait.until_due())
            prediction = wait.told or await self._poll(rounds, wait)
            if prediction is None:
                continue
            note(prediction)
            if on_poll is not None:
                await on_poll(prediction)
            if is_terminal(prediction):
                return prediction

    async def _poll(self, rounds: Rounds, wait: Wait) -> PredictionWithIO | None:
        """Fetches a wait's prediction; `None` if a passing fault prevented it."""
        try:
            async with rounds.fetches:
                wait.polled(current_time())
                prediction = await self.fetch(wait.prediction_id)
        except (APIConnectionError, APIResponseError, APIStatusError) as error:
            if not wait.outlives(error):
                raise
            delay = max(0.0, wait.due - current_time())
            logger.info("polling prediction %s again after %.2f s: %s", wait.prediction_id, delay, reason(error))
            return None
        wait.failing_since = None
        return prediction

    def expect_webhook(self, prediction_id: str) -> None:
        """Notes that a prediction's webhook is expected here, so that polls of it may be rare."""
        if self.webhooks_arrive:
            self._expected[prediction_id] = None
            if len(self._expected) > REMEMBERED * 100:
                self._expected.popitem(last=False)

    def notify(self, prediction: PredictionWithIO) -> None:
        """Tells the waits of a prediction its state, from whatever thread; never blocks.

        Args:
            prediction: The prediction as its webhook has it.
        """
        self.webhooks_arrive = True
        if not is_terminal(prediction):
            return
        self._told[prediction["id"]] = prediction
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        for rounds in list(self._loops.get().values()):
            if _runs_here(rounds):
                rounds.tell(prediction)
            elif rounds.awaits(prediction["id"]):
                threading.Thread(target=_tell_elsewhere, args=(rounds, prediction), daemon=True).start()


def _runs_here(rounds: Rounds) -> bool:
    try:
        return current_token().native_token is rounds.loop.native_token
    except RuntimeError:
        return False


def _tell_elsewhere(rounds: Rounds, prediction: PredictionWithIO) -> None:
    with suppress(RunFinishedError):
        from_thread.run_sync(rounds.tell, prediction, token=rounds.loop)
