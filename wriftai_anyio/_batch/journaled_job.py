"""Runs the inputs of a batch with a journal, from intent to result."""

from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from os import PathLike
from typing import Final

from anyio import CancelScope, Lock
from anyio.lowlevel import checkpoint

from wriftai_anyio._concurrency.cancellation import SendShield, finish
from wriftai_anyio._concurrency.threads import Worker
from wriftai_anyio._parsing.ids import is_same_id
from wriftai_anyio._parsing.shapes import ShapeError
from wriftai_anyio._pipeline.attempt_hooks import AttemptHooks
from wriftai_anyio._predictions.create import Create
from wriftai_anyio._predictions.json_input import JsonInput
from wriftai_anyio._predictions.operations import Followed
from wriftai_anyio._types.prediction import UNSUCCESSFUL_STATUSES, PredictionWithIO, is_terminal
from wriftai_anyio.errors import BatchJournalError, CreateOutcomeUnknown, WriftAIError

from .digest import digest
from .job import Job, Kept, Work
from .journal import Change, Entry, Journal, created, ended, intended, not_created, taken_in
from .lost_creates import LostCreates, find_lost_creates

_AFTER_FAILURE: Final = (
    "No more predictions were created. Those just created keep running, and may be missing from the journal. Run the "
    "batch again (in Python with find_unknown=True) to find them."
)


class JournaledJob:
    """A job that later runs continue where this one stops.

    Creates are not held: a held create has no id until its prediction has ended, and if the run is killed before that,
    the outcome is unknown.

    Args:
        job: The job.
        journal: The journal, with the entries of earlier runs.
        thread: The thread in which the journal is used.
        lost: Predictions that earlier runs may have created without noting it.
    """

    def __init__(self, job: Job, journal: Journal, thread: Worker, lost: LostCreates) -> None:
        self._job = job
        self._journal = journal
        self._thread = thread
        self._lost = lost
        self._lock = Lock()
        self._unwritten: list[Change] = []
        self._failure: str | None = None

    async def resume(self, number: int, params: JsonInput) -> Kept | Work | None:
        """Returns how to continue an input that an earlier run noted. Call it in the order of the inputs.

        Args:
            number: The input's number, from 0.
            params: The input.

        Returns:
            Its result, or the work that is left; `None` if `create` must create it.

        Raises:
            BatchJournalError: If the journal belongs to other inputs, is damaged, or cannot be read.
            ValueError: If the input cannot be identified, since it contains a stream.
        """
        identity, entry = await self._thread.run(self._look_up, number, params)
        if entry is None:
            self._unwritten.append(taken_in(number, identity))
            return None
        if entry.result is not None:
            return self._keep(number, entry)
        if entry.prediction_id is not None:
            return partial(self._follow, number, entry.prediction_id, None)
        if not entry.is_sent:
            return None
        if (found := self._lost.claim(params.value["input"])) is not None:
            return partial(self._adopt, number, found)
        if self._job.recreate_unknown:
            return partial(self._run, number, params, may_exist=True)
        return partial(_report_unknown, number, was_sought=self._job.find_unknown)

    def create(self, number: int, params: JsonInput) -> Work:
        """Returns the work for an input for which nothing has been created."""
        return partial(self._run, number, params, may_exist=False)

    def _look_up(self, number: int, params: JsonInput) -> tuple[bytes, Entry | None]:
        identity = digest(params.value, self._job.model)
        return identity, self._journal.entry(number, identity)

    def _keep(self, number: int, entry: Entry) -> Kept | None:
        try:
            prediction = self._job.parser.detailed(entry.result)
        except ShapeError as error:
            raise BatchJournalError(f"The journal is damaged: the result of input {number}: {error}.") from None
        if not is_terminal(prediction) or not is_same_id(prediction["id"], entry.prediction_id or ""):
            raise BatchJournalError(
                f"The journal is damaged: the result stored for input {number} is not that of its finished prediction."
            )
        if self._job.retry_failed and prediction["status"] in UNSUCCESSFUL_STATUSES:
            return None
        return Kept(prediction)

    async def _adopt(self, number: int, prediction: PredictionWithIO) -> PredictionWithIO:
        await self._note(created(number, prediction["id"]))
        return await self._follow(number, prediction["id"], prediction)

    async def _run(self, number: int, params: JsonInput, *, may_exist: bool) -> PredictionWithIO:
        create = await self._job.prepare(params, self._job.model)
        prediction_id, seen = await self._create(number, create, may_exist=may_exist)
        return await self._follow(number, prediction_id, seen)

    async def _follow(self, number: int, prediction_id: str, seen: PredictionWithIO | None) -> PredictionWithIO:
        operations, options = self._job.operations, self._job.options
        if options.poll:
            prediction = await operations.wait(prediction_id, options, seen)
        else:
            prediction = seen or await operations.get(prediction_id)
        if is_terminal(prediction):
            await self._note(ended(number, prediction))
        return prediction

    async def _create(self, number: int, create: Create, *, may_exist: bool) -> tuple[str, PredictionWithIO | None]:
        """Creates an input's prediction. Returns its id, and its state unless the answer was lost."""
        take_back = partial(self._note, not_created(number))
        hooks = AttemptHooks(partial(self._intend, number), checkpoint if may_exist else take_back)
        followed = Followed(create=create)
        send = partial(self._send, number, create, followed.shield, hooks)
        try:
            prediction = await self._job.operations.let_finish(followed, send)
        except CreateOutcomeUnknown as error:
            if error.prediction_id is None:
                raise
            return error.prediction_id, None
        except BaseException as error:
            if self._job.options.cancel_on_exit:
                await self._job.operations.cancel_left_behind(followed, error)
            raise
        return prediction["id"], prediction

    async def _intend(self, number: int) -> None:
        # The time of this attempt, which may have waited for the rate limit, or follow one that was refused.
        await self._note(intended(number, self._job.listing.api.pipeline.clock_lead))

    async def _send(self, number: int, create: Create, shield: SendShield, hooks: AttemptHooks) -> PredictionWithIO:
        try:
            prediction = await self._job.operations.create(create, shield, hooks)
        except CreateOutcomeUnknown as error:
            if error.prediction_id is not None:
                await self._note(created(number, error.prediction_id))
            raise
        except WriftAIError:
            await hooks.after_failure()
            raise
        await self._note(created(number, prediction["id"]))
        return prediction

    async def _note(self, change: Change) -> None:
        """Writes a change, in one transaction with others that arrive during the previous write.

        It is shielded: the journal must be correct when a caller leaves. After a failure nothing more is written.
        """
        self._unwritten.append(change)
        changes = self._unwritten
        with CancelScope(shield=True):
            async with self._lock:
                if changes is self._unwritten and self._failure is None:
                    self._unwritten = []
                    try:
                        await self._thread.run(self._journal.change, changes)
                    except BatchJournalError as error:
                        self._failure = f"{error} {_AFTER_FAILURE}"
        if self._failure is not None:
            raise BatchJournalError(self._failure)


async def _report_unknown(number: int, *, was_sought: bool) -> PredictionWithIO:
    sought = "It was not found among the newest predictions (find_unknown=True). " if was_sought else ""
    raise CreateOutcomeUnknown(
        f"An earlier run sent the create for input {number} but got no answer, so the prediction may or may not exist. "
        f"{sought}Check with predictions.list(); recreate_unknown=True creates it again, perhaps a second time."
    )


@asynccontextmanager
async def journaled(job: Job, path: str | PathLike[str]) -> AsyncGenerator[JournaledJob]:
    """Opens a job's journal for the duration of the block.

    Args:
        job: The job.
        path: The journal's path.

    Raises:
        BatchJournalError: If the file is not a journal, is damaged, or is in use. It is left as it was.
    """
    async with Worker() as thread:
        journal = await thread.run(_open, path, thread.cleanup)
        try:
            yield JournaledJob(job, journal, thread, await _find_lost(job, journal, thread))
        finally:
            await finish(partial(thread.run, journal.close))


async def _find_lost(job: Job, journal: Journal, thread: Worker) -> LostCreates:
    async def is_known(prediction_id: str) -> bool:
        return await thread.run(journal.has, prediction_id)

    since = await thread.run(journal.unknown_since) if job.find_unknown else None
    if since is None:
        return LostCreates([])
    pipeline = job.listing.api.pipeline
    return await find_lost_creates(
        job.listing, job.operations.get, is_known, job.model, since, lambda: pipeline.clock_lead
    )


def _open(path: str | PathLike[str], cleanup: ExitStack) -> Journal:
    journal = Journal(path)
    # A caller who is cancelled while the journal opens never sees it.
    cleanup.callback(journal.close)
    return journal
