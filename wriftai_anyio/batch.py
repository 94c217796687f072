"""Many predictions as one job: inputs are read as fast as predictions end, and results come as they end."""

import math
import threading
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from os import PathLike
from types import TracebackType
from typing import Final

from anyio import EndOfStream, Semaphore, create_memory_object_stream, create_task_group, sleep_forever
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ._batch.inputs import CallersInputs, Inputs, Params, Taken
from ._batch.job import Job, JournaledJob, Work, journaled
from ._blocking.calls import Caller, Started
from ._blocking.guard import refuse_event_loop
from ._concurrency.cancellation import finish, ungrouped
from ._instrumentation.log import logger
from ._types.prediction import PredictionWithIO
from .api import API
from .errors import BatchJournalError

__all__ = ["AsyncBatch", "Batch", "BatchResult"]

DEFAULT_IN_FLIGHT: Final = 500


@dataclass(frozen=True)
class BatchResult:
    """The result of one input of a batch.

    Attributes:
        index: The number of the input, from 0.
        params: The input as it was when it was read, as JSON; if it was refused, the object that was given.
        prediction: The ended prediction, whether it succeeded or not; `None` if there was an error.
        error: Why there is no ended prediction; `None` if there is one.
    """

    index: int
    params: Params
    prediction: PredictionWithIO | None
    error: Exception | None


class AsyncBatch:
    """A running batch: enter it with `async with`, and iterate over its results once.

    Leaving the block early cancels the work in progress, and returns when that has ended. The predictions go on on the
    server, unless the wait options say `cancel_on_exit`.
    """

    def __init__(self, job: Job, inputs: Inputs, max_in_flight: int, journal: str | PathLike[str] | None) -> None:
        if max_in_flight < 1:
            raise ValueError(f"max_in_flight must be 1 or more, not {max_in_flight!r}.")
        self._job = job
        self._inputs = inputs
        self._places = Semaphore(max_in_flight)
        self._journal = journal
        self._open = AsyncExitStack()
        self._send: MemoryObjectSendStream[BatchResult | Exception]
        self._receive: MemoryObjectReceiveStream[BatchResult | Exception]
        self._tasks: TaskGroup | None = None
        self._journaled: JournaledJob | None = None

    async def __aenter__(self) -> "AsyncBatch":
        if self._tasks is not None:
            raise RuntimeError("A batch runs once. Make a new one; with the same journal it goes on.")
        if self._journal is not None:
            self._journaled = await self._open.enter_async_context(journaled(self._job, self._journal))
        self._send, self._receive = create_memory_object_stream[BatchResult | Exception](math.inf)
        self._tasks = await create_task_group().__aenter__()
        self._tasks.start_soon(self._take_in)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tasks is None:
            return
        try:
            self._tasks.cancel_scope.cancel()
            with ungrouped():
                # The block's own error goes on by itself: the group would wrap it in an exception group.
                await self._tasks.__aexit__(None, None, None)
        finally:
            self._send.close()
            self._receive.close()
            await self._open.aclose()

    def __aiter__(self) -> "AsyncBatch":
        return self

    async def __anext__(self) -> BatchResult:
        if self._tasks is None:
            raise RuntimeError("Use a batch as `async with …`, and iterate over it inside the block.")
        try:
            result = await self._receive.receive()
        except EndOfStream:
            raise StopAsyncIteration from None
        self._places.release()
        if isinstance(result, Exception):
            raise result
        return result

    async def _take_in(self) -> None:
        failure: Exception | None = None
        async with create_task_group() as workers:
            try:
                failure = await self._work_off(workers)
            finally:
                # In the task that reads them, since a generator may have a cancel scope open.
                error = await finish(self._inputs.aclose)
                if error is not None:
                    logger.warning("the inputs of a batch could not be closed: %s", error)
        if failure is not None:
            self._send.send_nowait(failure)
        self._send.close()

    async def _work_off(self, workers: TaskGroup) -> Exception | None:
        """Takes inputs in to their end, and returns why there are no more, to be raised after the last result."""
        for index in count():
            await self._places.acquire()
            try:
                taken = await anext(self._inputs)
            except StopAsyncIteration:
                break
            except Exception as error:  # noqa: BLE001 -- raised where the results are taken
                return error
            if index == 0 and taken.is_bare and isinstance(taken.outcome, ValueError):
                return taken.outcome
            try:
                work = await self._work_on(index, taken)
            except BatchJournalError as error:
                return error
            except Exception as error:  # noqa: BLE001 -- one failure does not stop the others
                self._send.send_nowait(BatchResult(index, taken.params, None, error))
            else:
                workers.start_soon(self._work, index, taken.params, work)
        return None

    async def _work_on(self, index: int, taken: Taken) -> Work:
        if isinstance(taken.outcome, ValueError):
            raise taken.outcome
        if self._journaled is not None:
            return await self._journaled.take_in(index, taken.outcome)
        return partial(self._job.run, taken.outcome)

    async def _work(self, index: int, params: Params, work: Work) -> None:
        result: BatchResult | Exception
        try:
            result = BatchResult(index, params, await work(), None)
        except BatchJournalError as error:
            result = error
        except Exception as error:  # noqa: BLE001 -- one failure does not stop the others
            result = BatchResult(index, params, None, error)
        self._send.send_nowait(result)


class Batch:
    """A running batch: enter it with `with`, and iterate over its results once.

    The inputs are read in your thread, while it waits for the next result. Leaving the block early cancels the work in
    progress. The predictions go on on the server, unless the wait options say `cancel_on_exit`.
    """

    def __init__(self, api: API, batch: AsyncBatch, inputs: CallersInputs) -> None:
        self._api = api
        self._batch = batch
        self._inputs = inputs
        self._started: Started[None] | None = None
        self._entered = False
        self._turn = threading.Lock()

    def __enter__(self) -> "Batch":
        if self._started is not None:
            raise RuntimeError("A batch runs once. Make a new one; with the same journal it goes on.")
        host = Caller()
        self._started = self._api.blocking.start("async_batch", partial(self._host, host), host)
        while not self._entered:
            if not self._started.wait_woken():
                self._started.result()
        return self

    async def _host(self, host: Caller) -> None:
        async with self._batch:
            self._entered = True
            host.wake()
            await sleep_forever()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._started is not None:
            self._started.cancel()
            self._inputs.close()

    def __iter__(self) -> "Batch":
        return self

    def __next__(self) -> BatchResult:
        if not self._entered:
            refuse_event_loop("async_batch")
            raise RuntimeError("Use a batch as `with …`, and iterate over it inside the block.")
        with self._turn:
            result = self._api.blocking.call_with_callbacks("async_batch", lambda _: self._next(), self._inputs.caller)
        if result is None:
            raise StopIteration
        return result

    async def _next(self) -> BatchResult | None:
        return await anext(self._batch, None)
