"""Many predictions as one job: taken in as fast as they are worked off, results as they end."""

import math
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Final, TypeAlias, cast

from anyio import (
    EndOfStream,
    Semaphore,
    create_memory_object_stream,
    create_task_group,
    sleep_forever,
)
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ._batch_work import Job, JournaledJob, Params
from ._blocking import Caller, Started, refuse_event_loop
from ._journal import Journal
from ._leaving import finish
from ._prediction import PredictionWithIO
from ._threads import Worker
from .api import API
from .errors import BatchJournalError

__all__ = ["AsyncBatch", "Batch", "BatchResult"]

DEFAULT_IN_FLIGHT: Final = 500


@dataclass(frozen=True)
class BatchResult:
    """What came of one input of a batch.

    Attributes:
        index: The input's number, from 0.
        params: The input.
        prediction: The ended prediction, in whatever terminal status; `None` if there was an error.
        error: Why there is no ended prediction; `None` if there is one.
    """

    index: int
    params: Params
    prediction: PredictionWithIO | None
    error: Exception | None


class _End:
    """Stands for the end of the inputs."""


NextInput: TypeAlias = Callable[[], Awaitable[Params]]
"""Gives the next input, or an `_End`."""


class AsyncBatch:
    """A batch under way; use it as `async with`, and iterate over its results once.

    Leaving the block early cancels what is under way, and returns when it has ended. On the server predictions
    run on, unless the wait options say `cancel_on_exit`.
    """

    def __init__(self, job: Job, inputs: "Iterable[Params] | AsyncIterable[Params] | NextInput") -> None:
        if job.max_in_flight < 1:
            raise ValueError(f"max_in_flight must be 1 or more, not {job.max_in_flight!r}.")
        self._job = job
        self._inputs = inputs
        self._next_input = inputs if callable(inputs) else _reader(inputs)
        self._places = Semaphore(job.max_in_flight, fast_acquire=True)
        self._send: MemoryObjectSendStream[BatchResult | Exception]
        self._receive: MemoryObjectReceiveStream[BatchResult | Exception]
        self._tasks: TaskGroup | None = None
        self._thread: Worker | None = None
        self._journaled: JournaledJob | None = None

    async def __aenter__(self) -> "AsyncBatch":
        if self._tasks is not None:
            raise RuntimeError("A batch runs once. Make a new one; with the same journal it goes on.")
        if self._job.journal is not None:
            await self._open_journal(Worker(), self._job.journal)
        self._send, self._receive = create_memory_object_stream[BatchResult | Exception](math.inf)
        self._tasks = await create_task_group().__aenter__()
        self._tasks.start_soon(self._take_in)
        return self

    async def _open_journal(self, thread: Worker, path: str | PathLike[str]) -> None:
        await thread.__aenter__()
        try:
            journal = await thread.run(Journal, path)
            thread.cleanup.callback(journal.close)
        except BaseException:
            await thread.__aexit__(None, None, None)
            raise
        self._thread, self._journaled = thread, JournaledJob(self._job, journal, thread)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tasks is None:
            return
        try:
            self._tasks.cancel_scope.cancel()
            # The block's own error goes on by itself: the group would wrap it in an exception group.
            await self._tasks.__aexit__(None, None, None)
        finally:
            self._send.close()
            self._receive.close()
            if isinstance(self._inputs, AsyncGenerator):
                await finish(cast("AsyncGenerator[object, object]", self._inputs).aclose)
            if self._thread is not None:
                await self._thread.__aexit__(None, None, None)

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
        tasks = self._tasks
        if tasks is None:
            raise AssertionError("the task group runs this")
        index = 0
        async with create_task_group() as workers:
            while True:
                await self._places.acquire()
                try:
                    params = await self._next_input()
                except Exception as error:  # noqa: BLE001 -- raised where the results are taken
                    self._send.send_nowait(error)
                    break
                if isinstance(params, _End):
                    break
                workers.start_soon(self._work, index, params)
                index += 1
        self._send.close()

    async def _work(self, index: int, params: Params) -> None:
        result: BatchResult | Exception
        try:
            prediction = await self._outcome(index, params)
            result = BatchResult(index, params, prediction, None)
        except BatchJournalError as error:
            result = error
        except Exception as error:  # noqa: BLE001 -- one failure does not stop the others
            result = BatchResult(index, params, None, error)
        self._send.send_nowait(result)

    async def _outcome(self, index: int, params: Params) -> PredictionWithIO:
        if self._journaled is not None:
            return await self._journaled.run(index, params)
        return await self._job.run(params)


def _reader(inputs: "Iterable[Params] | AsyncIterable[Params]") -> NextInput:
    if isinstance(inputs, AsyncIterable):
        asynchronous = aiter(inputs)

        async def read_async() -> Params:
            return await anext(asynchronous, _END)

        return read_async
    iterator = iter(inputs)

    async def read() -> Params:
        return next(iterator, _END)

    return read


_END = _End()


class Batch:
    """A batch under way; use it as `with`, and iterate over its results once.

    The inputs are taken in this thread, while it asks for the next result. Leaving the block early cancels what is
    under way. On the server predictions run on, unless the wait options say `cancel_on_exit`.
    """

    def __init__(self, api: API, make_job: Callable[[Caller], Job], inputs: Iterable[Params]) -> None:
        self._api = api
        self._caller = Caller()
        self._job = make_job(self._caller)
        self._inputs = iter(inputs)
        self._batch: AsyncBatch | None = None
        self._started: Started[None] | None = None

    def __enter__(self) -> "Batch":
        if self._started is not None:
            raise RuntimeError("A batch runs once. Make a new one; with the same journal it goes on.")
        host = Caller()
        self._started = self._api.start("async_batch", partial(self._host, host), host)
        while self._batch is None:
            if not self._started.wait_woken():
                self._started.result()
        return self

    async def _host(self, host: Caller) -> None:
        async with AsyncBatch(self._job, self._next_input) as batch:
            self._batch = batch
            host.wake()
            await sleep_forever()

    async def _next_input(self) -> Params:
        values: list[Params] = []
        await self._caller.run(lambda: values.append(next(self._inputs, _END)))
        return values[0]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._started is not None:
            self._started.cancel()

    def __iter__(self) -> "Batch":
        return self

    def __next__(self) -> BatchResult:
        batch = self._batch
        if batch is None:
            refuse_event_loop("async_batch")
            raise RuntimeError("Use a batch as `with …`, and iterate over it inside the block.")
        result = self._api.call_with_callbacks("async_batch", lambda _: _next_or_none(batch), self._caller)
        if result is None:
            raise StopIteration
        return result


async def _next_or_none(batch: AsyncBatch) -> BatchResult | None:
    return await anext(batch, None)
