"""The shared poller: all waits of a client on one event loop learn together which predictions have ended.

There is no background task. The first waiter leads: in its own task group and cancel scope, it asks for the list of
running predictions, once for all waits. When it leaves, for any reason, another takes the lead. Each waiter whose
prediction is missing from the list fetches that prediction itself, in its own scope.
"""

from collections.abc import Callable
from functools import partial
from weakref import WeakValueDictionary

from anyio import current_time
from anyio.lowlevel import current_token

from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio._instrumentation.log import logger, reason
from wriftai_anyio._parsing.ids import is_same_id
from wriftai_anyio._parsing.json_copy import copy_json
from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio._parsing.shapes import ShapeError
from wriftai_anyio._pipeline.attempt_hooks import AttemptHooks
from wriftai_anyio._resources.paths import prediction_path
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio._types.prediction import PredictionWithIO, is_terminal
from wriftai_anyio.api import API
from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError

from .callbacks import OnPoll, call_back
from .options import AsyncWaitOptions
from .running_list import RunningList
from .shared_polls import SharedPolls
from .wait import Wait
from .webhook_hints import WebhookHints


class Poller:
    """Waits for predictions to end.

    Args:
        api: What sends the requests.
        parser: Turns answers into predictions.
    """

    def __init__(self, api: API, parser: PredictionParser) -> None:
        self._api = api
        self._parser = parser
        self._running = RunningList(api, parser)
        # Keyed by the id of the event loop, which they keep alive. Weak, so that only the waits hold them, and a loop
        # that is closed while a wait is under way is not kept alive from here.
        self._loops: PerProcess[WeakValueDictionary[int, SharedPolls]] = PerProcess(WeakValueDictionary)
        self._hints: PerProcess[WebhookHints] = PerProcess(WebhookHints)

    async def fetch(self, prediction_id: str, hooks: AttemptHooks | None = None) -> PredictionWithIO:
        """Gets a prediction with its details.

        Args:
            prediction_id: The prediction's id.
            hooks: Awaited around each attempt.

        Raises:
            APIResponseError: If the answer is another prediction, as from a faulty cache on the way.
        """
        path = prediction_path(prediction_id)

        def asked_for(value: JsonValue) -> PredictionWithIO:
            prediction = self._parser.detailed(value)
            if not is_same_id(prediction["id"], prediction_id):
                raise ShapeError(f"it is another prediction, {prediction['id']!r}")
            return prediction

        prediction = await self._api.pipeline.ask("GET", path, asked_for, hooks=hooks)
        self._api.observer.seen(prediction)
        return prediction

    async def wait(
        self,
        prediction_id: str,
        options: AsyncWaitOptions,
        note: Callable[[PredictionWithIO], None],
        *,
        just_seen: bool,
        is_new: bool,
    ) -> PredictionWithIO:
        """Waits until a prediction has ended.

        Args:
            prediction_id: The prediction's id.
            options: How often to poll, and what to call with each poll's prediction, which is fetched on its own then.
            note: Called with each state that is fetched, to remember it.
            just_seen: Whether its state was just seen, so that the first poll is not due at once.
            is_new: Whether it was just created: the first polls come sooner then, unless many wait.

        Raises:
            APIStatusError: If the API refuses, or fails for a minute on end.
            APIConnectionError: If nothing comes back for a minute on end.
        """
        hints = self._hints.get()
        silence = 0.0 if just_seen else hints.silence(prediction_id)
        loops = self._loops.get()
        loop = id(current_token().native_token)
        polls = loops.get(loop)
        if polls is None:
            polls = loops[loop] = SharedPolls(self._running)
        wait = Wait(
            prediction_id,
            scaled(options.poll_interval),
            hints.patience,
            seen_at=None if silence is None else current_time() - silence,
            wants_each=options.on_poll is not None,
            eager=is_new and polls.few,
        )
        polls.join(wait)
        # Only now: a webhook that comes in another thread must find either the wait or its reader.
        told = hints.ended(prediction_id)
        if told is not None:
            wait.note_told(told)
        try:
            return await self._follow(polls, wait, options.on_poll, note)
        finally:
            polls.leave(wait)
            if polls.idle:
                loops.pop(loop, None)

    async def _follow(
        self, polls: SharedPolls, wait: Wait, on_poll: OnPoll | None, note: Callable[[PredictionWithIO], None]
    ) -> PredictionWithIO:
        hints = self._hints.get()
        while True:
            told_so_far = hints.count
            await (polls.until_ready(wait) if on_poll is None else wait.sleep_until_ready())
            prediction = wait.take_told() or await self._poll(polls, wait)
            if prediction is None:
                continue
            note(prediction)
            if on_poll is not None:
                await call_back(on_poll, copy_json(prediction))
            if is_terminal(prediction):
                hints.note_ended(wait.prediction_id, told_so_far)
                polls.note_ended(wait.prediction_id)
                return prediction

    async def _poll(self, polls: SharedPolls, wait: Wait) -> PredictionWithIO | None:
        """Fetches a wait's prediction; `None` if a passing fault prevented it."""
        try:
            async with polls.fetches:
                wait.note_fetch(current_time())
                prediction = await self.fetch(wait.prediction_id, AttemptHooks(before=wait.note_attempt))
        except (APIConnectionError, APIResponseError, APIStatusError) as error:
            if not wait.outlives(error):
                raise
            delay = max(0.0, wait.due - current_time())
            logger.info("polling prediction %s again after %.2f s: %s", wait.prediction_id, delay, reason(error))
            return None
        wait.failing_since = None
        return prediction

    def expect_webhooks(self) -> None:
        """Notes that webhooks are received in this process."""
        self._hints.get().announce()

    def expect_webhook(self, prediction_id: str) -> None:
        """Notes that a prediction that has just been seen has a webhook; if it comes here, polls may be rare."""
        self._hints.get().expect(prediction_id)

    def notify(self, prediction: PredictionWithIO) -> None:
        """Passes a prediction's state to its waits, from any thread; never blocks.

        Args:
            prediction: The prediction as its webhook has it.
        """
        # A copy, since the caller may change the object before the waits have taken it.
        told = copy_json(prediction)
        self._api.observer.seen(told)
        self._hints.get().note_told(told)
        for reference in self._loops.get().valuerefs():
            polls = reference()
            if polls is not None and polls.awaits(told["id"]):
                polls.call_soon(partial(polls.deliver, told))
