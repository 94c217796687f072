"""One input of a batch, from its intent to its result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from os import PathLike
from typing import Any, TypeAlias

from anyio import CancelScope, Lock

from ._creating import Create
from ._following import Follower
from ._journal import Change, Journal, created, digest, ended, intended, not_created
from ._leaving import Sending, finish, finish_what_is_sent
from ._prediction import PredictionShape, PredictionWithIO, is_terminal
from ._threads import Worker
from ._wait_options import AsyncWaitOptions
from .errors import APIConnectionError, APIStatusError, BatchJournalError, CreateOutcomeUnknown

Params: TypeAlias = Any
"""A `CreatePredictionParams`, which `predictions` defines, and which is checked before it is sent."""


@dataclass(frozen=True)
class Job:
    """What all inputs of a batch have in common.

    Attributes:
        follower: What creates and waits.
        shape: Checks predictions.
        prepare: Makes a create of params and a model, files uploaded.
        model: The model's reference.
        options: How to wait for each prediction.
        max_in_flight: How many inputs may be taken in and their results not yet taken out.
        journal: The path of the journal.
        recreate_unknown: Whether to create again what an earlier run may have created.
    """

    follower: Follower
    shape: PredictionShape
    prepare: Callable[[Params, str], Awaitable[Create]]
    model: str
    options: AsyncWaitOptions
    max_in_flight: int
    journal: str | PathLike[str] | None
    recreate_unknown: bool

    async def run(self, params: Params) -> PredictionWithIO:
        """Brings one input to its end, without a journal."""
        create = await self.prepare(params, self.model)
        return await self.follower.create_and_wait(create, self.options)


class _Commit:
    """Changes that are written together."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.failure: str | None = None


class JournaledJob:
    """A job whose later runs go on where this one stops.

    Creates are not held: a held create has no id before its prediction has ended, and a run that is killed
    meanwhile could not say what became of it.

    Args:
        job: The job.
        journal: What earlier runs left.
        thread: The thread that the journal is used on.
    """

    def __init__(self, job: Job, journal: Journal, thread: Worker) -> None:
        self._job = job
        self._journal = journal
        self._thread = thread
        self._commit = _Commit()
        self._lock = Lock()

    async def _note(self, change: Change) -> None:
        """Writes a change, in one transaction with those that come while another is being written."""
        commit = self._commit
        commit.changes.append(change)
        async with self._lock:
            if commit is self._commit:
                self._commit = _Commit()
                try:
                    with CancelScope(shield=True):
                        await self._thread.run(self._journal.change, commit.changes)
                except BatchJournalError as error:
                    commit.failure = str(error)
        if commit.failure is not None:
            raise BatchJournalError(commit.failure)

    async def run(self, number: int, params: Params) -> PredictionWithIO:
        """Brings one input to its end, from wherever an earlier run left it.

        Args:
            number: The input's number, from 0.
            params: The input.

        Raises:
            CreateOutcomeUnknown: If it may have been created, now or in an earlier run, and its id is not known.
            BatchJournalError: If the journal is that of other inputs, or cannot be written.
        """
        identity = digest(params, self._job.model)
        entry = await self._thread.run(self._journal.entry, number, identity)
        if entry is not None and entry.result is not None:
            return self._job.shape.detailed(entry.result)
        if entry is not None and entry.prediction_id is not None:
            return await self._follow(number, entry.prediction_id, None)
        if entry is not None and not self._job.recreate_unknown:
            raise CreateOutcomeUnknown(
                f"An earlier run was stopped while it created input {number}, and whether the server took it is "
                "unknown. Look with predictions.list(); recreate_unknown=True creates it again."
            )
        create = await self._job.prepare(params, self._job.model)
        prediction_id, seen = await self._create(number, identity, create)
        return await self._follow(number, prediction_id, seen)

    async def _follow(self, number: int, prediction_id: str, seen: PredictionWithIO | None) -> PredictionWithIO:
        follower, options = self._job.follower, self._job.options
        if options.poll:
            prediction = await follower.wait(prediction_id, options, seen)
        else:
            prediction = seen or await follower.look(prediction_id)
        if is_terminal(prediction):
            await self._note(ended(number, prediction))
        return prediction

    async def _create(self, number: int, identity: bytes, create: Create) -> tuple[str, PredictionWithIO | None]:
        follower = self._job.follower
        sending = Sending()
        predictions: list[PredictionWithIO] = []
        try:
            await self._note(intended(number, identity))
            await finish_what_is_sent(sending, lambda: follower.create(create, None, sending), predictions.append)
        except CreateOutcomeUnknown as error:
            if error.prediction_id is None:
                raise
            prediction_id, seen = error.prediction_id, None
        except (APIConnectionError, APIStatusError):
            await self._note(not_created(number))
            raise
        except BaseException:
            if predictions:
                await self._leave_behind(number, predictions[0]["id"])
            elif not sending.begun:
                await finish(lambda: self._note(not_created(number)))
            raise
        else:
            seen = predictions[0]
            prediction_id = seen["id"]
        await self._note(created(number, prediction_id))
        return prediction_id, seen

    async def _leave_behind(self, number: int, prediction_id: str) -> None:
        await finish(lambda: self._note(created(number, prediction_id)))
        if self._job.options.cancel_on_exit:
            await finish(lambda: self._job.follower.cancel(prediction_id))
