"""Operations on predictions: create, get, wait and cancel; their deadlines, and what must finish on leaving early.

The path of a create: the value (`create`) is sent through the pipeline, which waits for the rate limit, makes attempts
and parses the answer; the observer is notified; the poller waits if asked to.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from functools import partial

import httpx
from anyio import current_time, move_on_after
from anyio.lowlevel import checkpoint

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.cancellation import GracePeriod, SendShield, finish_in_own_task, finish_what_is_sent
from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio._instrumentation.log import logger
from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio._parsing.shapes import nothing
from wriftai_anyio._pipeline.attempt_hooks import AttemptHooks
from wriftai_anyio._pipeline.responses import shaped
from wriftai_anyio._polling.callbacks import name_prediction
from wriftai_anyio._polling.options import AsyncWaitOptions
from wriftai_anyio._polling.poller import Poller
from wriftai_anyio._resources.paths import prediction_path
from wriftai_anyio._transport.sse import is_event_stream
from wriftai_anyio._types.prediction import PredictionWithIO, is_terminal
from wriftai_anyio.api import API
from wriftai_anyio.errors import APIStatusError, CreateOutcomeUnknown, WaitTimeoutError, WriftAIError

from .create import Create, Hold
from .create_outcome import outcome_told, outcome_unknown
from .holds import Holds


class Followed:
    """What a call knows about its prediction, for when its caller leaves.

    Args:
        prediction_id: The prediction's id, if it exists already.
        create: Otherwise, the create that makes it.

    Attributes:
        was_sent: Whether the create was sent, and not certainly refused since.
    """

    __slots__ = ("_began", "_create", "_unknown", "grace", "last", "prediction_id", "shield", "was_sent")

    def __init__(self, prediction_id: str | None = None, create: Create | None = None) -> None:
        self.prediction_id = prediction_id
        self.last: PredictionWithIO | None = None
        self.shield: SendShield = SendShield()
        self.grace: GracePeriod = GracePeriod()
        self.was_sent = False
        self._create = create
        self._began = system.wall_time()
        self._unknown = False

    def note(self, prediction: PredictionWithIO) -> None:
        """Notes a state of the prediction."""
        self.prediction_id = prediction["id"]
        self.last = prediction

    @property
    def sending(self) -> AttemptHooks:
        """Hooks that note, for each attempt to send the create, whether the server may have taken it."""

        async def note_sent() -> None:
            await checkpoint()
            self.was_sent = True

        async def note_nothing_done() -> None:
            self.was_sent = False
            await checkpoint()

        return AttemptHooks(note_sent, note_nothing_done)

    def note_unknown(self, error: CreateOutcomeUnknown) -> None:
        """Notes that the create may have been taken."""
        self.prediction_id = error.prediction_id
        self._unknown = True

    @property
    def may_run(self) -> bool:
        """Whether the prediction may run on the server."""
        if self.prediction_id is None:
            return self._unknown or self.shield.broken_off
        return self.last is None or not is_terminal(self.last)

    @property
    def traces(self) -> str:
        """What to look for on the server, where no id is known."""
        model = "" if self._create is None else f" of {self._create.body['model']}"
        since = datetime.fromtimestamp(self._began, timezone.utc).isoformat(timespec="seconds")
        return f"a prediction{model} created since {since}"


class Operations:
    """Creates predictions, and follows them for those who wait.

    Args:
        api: What sends the requests.
        parser: Turns answers into predictions.
        poller: What the waits share.
    """

    def __init__(self, api: API, parser: PredictionParser, poller: Poller) -> None:
        self._api = api
        self._parser = parser
        self.poller: Poller = poller
        self._holds = Holds()

    async def wait(
        self, prediction_id: str, options: AsyncWaitOptions, seen: PredictionWithIO | None = None
    ) -> PredictionWithIO:
        """Waits for a prediction to end.

        Args:
            prediction_id: The prediction's id.
            options: How to wait.
            seen: Its state, if that was just seen.
        """
        if seen is not None and is_terminal(seen):
            return seen
        followed = Followed(prediction_id)
        is_new = seen is not None
        with self._api.observer.following(prediction_id):
            poll = partial(self.poller.wait, prediction_id, options, followed.note, just_seen=is_new, is_new=is_new)
            return await self._bounded(followed, options, poll)

    def get(self, prediction_id: str) -> Awaitable[PredictionWithIO]:
        """Gets a prediction as it is now."""
        return self.poller.fetch(prediction_id)

    async def create(
        self, create: Create, shield: SendShield | None = None, hooks: AttemptHooks | None = None
    ) -> PredictionWithIO:
        """Creates a prediction, and returns it as it is then."""
        with self._api.observer.creating(create) as created:
            return await self._post(create, created, None, shield, hooks)

    async def open(
        self, create: Create, headers: Mapping[str, str], timeout: httpx.Timeout
    ) -> httpx.Response | PredictionWithIO:
        """Creates a prediction whose events are to be the answer.

        Args:
            create: The create.
            headers: Those of an event stream.
            timeout: Those of an event stream.

        Returns:
            The answer, unread; or the prediction, from a server that answers with it at once.

        Raises:
            CreateOutcomeUnknown: If the server may have taken it.
            APIStatusError: If the API refused; nothing was created.
            APIConnectionError: If it certainly did not reach the server.
        """
        with outcome_told():
            response = await self._api.pipeline.open(
                "POST", "/predictions", json=create.body, headers={**create.headers, **headers}, timeout=timeout
            )
            if is_event_stream(response.headers.get("content-type")):
                return response
            return shaped(await self._api.http.read(response), self._parser.detailed)

    async def _post(
        self,
        create: Create,
        created: Callable[[PredictionWithIO], None],
        hold: Hold | None,
        shield: SendShield | None = None,
        hooks: AttemptHooks | None = None,
    ) -> PredictionWithIO:
        """Sends a create, and tells the observer and the poller what it made."""
        with outcome_told(), self._holds.watched(hold, hooks) as noting:
            prediction = await self._api.pipeline.ask(
                "POST",
                "/predictions",
                self._parser.detailed,
                json=create.body,
                headers=create.headers,
                hold=hold.preference if hold else None,
                timeout=hold.extended(self._api.config.timeout) if hold else None,
                shield=shield,
                hooks=noting,
            )
        created(prediction)
        if create.has_webhook and not is_terminal(prediction):
            self.poller.expect_webhook(prediction["id"])
        return prediction

    async def create_and_wait(self, create: Create, options: AsyncWaitOptions) -> PredictionWithIO:
        """Creates a prediction and waits for it to end, or, without polls, for the answer to the create."""
        followed = Followed(create=create)
        with self._api.observer.creating(create) as created:

            async def create_then_poll() -> PredictionWithIO:
                began = current_time()
                prediction = await self._create(followed, create, created, options)
                if is_terminal(prediction) or not options.poll:
                    return prediction
                # A prediction that the server held for a while runs longer: it is polled at the usual interval.
                is_new = current_time() - began < max(1.0, options.poll_interval)
                return await self.poller.wait(prediction["id"], options, followed.note, just_seen=True, is_new=is_new)

            return await self._bounded(followed, options, create_then_poll)

    async def cancel(self, prediction_id: str) -> None:
        """Asks the server to cancel a prediction; asking again is safe."""
        path = prediction_path(prediction_id, "/cancel")
        await self._api.pipeline.ask("POST", path, nothing, repeatable=True, urgent=True)

    async def _cancel_unless_ended(self, prediction_id: str) -> None:
        try:
            await self.cancel(prediction_id)
        except APIStatusError as refusal:
            if refusal.status_code >= 500 or not await self._has_ended(prediction_id):
                raise

    async def _has_ended(self, prediction_id: str) -> bool:
        """Returns whether a prediction that could not be cancelled has ended, for which the API refuses it."""
        with suppress(WriftAIError):
            return is_terminal(await self.get(prediction_id))
        return False

    async def _create(
        self,
        followed: Followed,
        create: Create,
        created: Callable[[PredictionWithIO], None],
        options: AsyncWaitOptions,
    ) -> PredictionWithIO:
        if not options.cancel_on_exit:
            hold = None if create.streams else self._holds.fitting(options)
            prediction = await self._post(create, created, hold, hooks=followed.sending)
            followed.note(prediction)
            return prediction
        return await self.let_finish(
            followed, lambda: self._post(create, created, None, followed.shield, followed.sending)
        )

    async def let_finish(self, followed: Followed, send: Callable[[], Awaitable[PredictionWithIO]]) -> PredictionWithIO:
        """Sends a create, and lets it finish once it is under way, so that it is known what a caller leaves behind.

        Args:
            followed: Notes what becomes of it.
            send: Sends it, with the shield of `followed`.
        """

        async def send_and_note() -> PredictionWithIO:
            try:
                return await send()
            except CreateOutcomeUnknown as error:
                # Noted here: if the caller has left, nobody gets the error.
                followed.note_unknown(error)
                raise

        with self._api.departures.noted():
            await finish_what_is_sent(followed.shield, send_and_note, followed.note, followed.grace)
        if followed.last is None:
            raise outcome_unknown("the task that sent it was cancelled")
        return followed.last

    async def _bounded(
        self, followed: Followed, options: AsyncWaitOptions, work: Callable[[], Awaitable[PredictionWithIO]]
    ) -> PredictionWithIO:
        try:
            if options.cancel_on_exit:
                return await self._left_by_close(followed, options, work)
            if options.timeout is None:
                # Without a scope, which takes a tenth of the memory of a wait.
                return await work()
            with move_on_after(scaled(options.timeout)):
                return await work()
            raise _timeout_error(followed, options)
        except BaseException as error:
            if followed.last is not None and isinstance(error, Exception):
                name_prediction(error, followed.last["id"])
            if options.cancel_on_exit:
                await self.cancel_left_behind(followed, error)
            raise

    async def _left_by_close(
        self, followed: Followed, options: AsyncWaitOptions, work: Callable[[], Awaitable[PredictionWithIO]]
    ) -> PredictionWithIO:
        departures = self._api.departures
        departures.check_open()
        with move_on_after(None if options.timeout is None else scaled(options.timeout)) as scope:
            with departures.noted(scope):
                return await work()
        departures.check_open()
        raise _timeout_error(followed, options)

    async def cancel_left_behind(self, followed: Followed, error: BaseException) -> None:
        """Asks the server to cancel a prediction whose caller leaves; what may run on is named in the log.

        Args:
            followed: What is known of the prediction.
            error: Why its caller leaves.
        """
        prediction_id = followed.prediction_id
        if not followed.may_run:
            return
        if prediction_id is not None:
            with self._api.departures.noted():
                await finish_in_own_task(
                    lambda: self._cancel_unless_ended(prediction_id),
                    lambda failure: logger.warning(
                        "could not cancel prediction %s, which may still be running: %s", prediction_id, failure
                    ),
                    followed.grace,
                )
        elif not isinstance(error, CreateOutcomeUnknown):
            logger.warning(
                "stopped waiting for the answer to a create; if it created a prediction, that was not cancelled: "
                "check predictions.list() for %s",
                followed.traces,
            )


def _timeout_error(followed: Followed, options: AsyncWaitOptions) -> WaitTimeoutError:
    if followed.prediction_id is None and not followed.was_sent:
        text = (
            f"No create was accepted within {options.timeout:g} s: it could not be sent, or was refused each time (for "
            "example by the rate limit). Nothing was created; it is safe to try again."
        )
        return WaitTimeoutError(text, prediction_id=None)
    if followed.prediction_id is None:
        text = (
            f"The create was not answered within {options.timeout:g} s. The prediction may exist: look with "
            "predictions.list() before you create it again."
        )
        return WaitTimeoutError(text, prediction_id=None)
    status = f"is still {followed.last['status']}" if followed.last else "has not ended"
    if options.cancel_on_exit:
        then = "The client will ask the server to cancel it."
    else:
        then = "It keeps running: wait for it again, or cancel it."
    return WaitTimeoutError(
        f"Prediction {followed.prediction_id} {status} after {options.timeout:g} s. {then}",
        prediction_id=followed.prediction_id,
        prediction=followed.last,
    )
