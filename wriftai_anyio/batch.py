"""Many predictions as one job: inputs are read as fast as predictions end, and results come as they end."""

import math
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from ._batch.duplicates import Duplicates
from ._batch.failure_limit import FailureLimit
from ._batch.inputs import CallersInputs, Inputs, Params, Taken
from ._batch.job import Job, Kept, Plan, Repeated, Work
from ._blocking.calls import Caller, Started
from ._blocking.guard import refuse_event_loop
from ._concurrency.cancellation import finish, ungrouped
from ._instrumentation.log import logger
from ._parsing.arguments import MOST_BITS, check_flags, checked_path, checked_whole
from ._types.prediction import UNSUCCESSFUL_STATUSES, PredictionWithIO, told_error
from .api import API
from .common_types import seconds
from .errors import BatchJournalError
from .json_codec import encode_json
from .plain_text import html_table

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from ._batch.journaled_job import JournaledJob

__all__ = ["AsyncBatch", "Batch", "BatchResult"]

DEFAULT_IN_FLIGHT: Final = 500


@dataclass(frozen=True)
class BatchResult:
    """The result of one input of a batch.

    Attributes:
        index: The position of the input, from 0.
        params: The input as it was when it was read, as JSON; if it was refused, the object that was given.
        prediction: The ended prediction, whether it succeeded or not; `None` if there was an error.
        error: Why there is no ended prediction; `None` if there is one.
    """

    index: int
    params: Params
    prediction: PredictionWithIO | None
    error: Exception | None

    @property
    def failure(self) -> str | None:
        """The status of a prediction that did not succeed, or the name of the error; `None` if it succeeded."""
        if self.prediction is None:
            return type(self.error).__name__
        return self.prediction["status"] if self.prediction["status"] in UNSUCCESSFUL_STATUSES else None

    def __repr__(self) -> str:
        params, prediction = _shown(self.params), _shown(self.prediction)
        return f"BatchResult(index={self.index}, params={params}, prediction={prediction}, error={self.error!r})"

    def _repr_html_(self) -> str:
        known = ((name, value) for name, value in self.to_row().items() if value is not None)
        return html_table(f"Result {self.index}", ("field", "value"), known)

    def to_row(self) -> dict[str, str | int | float | bool | None]:
        """Return the result as a flat dictionary, for a CSV row or a DataFrame.

        Returns:
            `index`, `id`, `status` (`error` if there is no prediction), `output` (lists and objects as JSON),
            `error` (its message), `setup_time` and `execution_time` (in seconds).
        """
        prediction: Mapping[str, Any] = self.prediction or {}
        return {
            "index": self.index,
            "id": prediction.get("id"),
            "status": str(prediction.get("status", "error")),
            "output": _cell(prediction.get("output")),
            "error": _cell(told_error(prediction).get("message")) if self.error is None else str(self.error),
            "setup_time": _seconds(prediction.get("setup_time")),
            "execution_time": _seconds(prediction.get("execution_time")),
        }


def _shown(value: object) -> str:
    try:
        return repr(value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, or deep nesting
        return encode_json(value, ensure_ascii=False, default=repr)


def _cell(value: object) -> str | int | float | bool | None:
    is_long = isinstance(value, int) and value.bit_length() > MOST_BITS
    if value is None or (isinstance(value, (str, int, float)) and not is_long):
        return value
    return encode_json(value, ensure_ascii=False)


def _seconds(duration: str | None) -> float | None:
    try:
        return seconds(duration)
    except ValueError:  # a format newer than this version: no reason to fail a row
        return None


class BatchLimits(NamedTuple):
    """What bounds a batch.

    Attributes:
        max_in_flight: The most inputs read whose results have not been taken yet.
        max_failures: The number of results without success after which no more inputs are read; `None` for no limit.
        deduplicate: Whether equal inputs are created once.
        journal: The path of the journal, if there is one.
        in_order: Whether results come in the order of their inputs, rather than as they end.
    """

    max_in_flight: int
    max_failures: int | None
    deduplicate: bool
    journal: str | PathLike[str] | None
    in_order: bool = False


class InOrder:
    """Puts results that come as they end into the order of their inputs."""

    def __init__(self) -> None:
        self._next = 0
        self._early: dict[int, BatchResult] = {}
        self._turn = anyio.Lock()

    async def receive(self, take: Callable[[], Awaitable[BatchResult]]) -> BatchResult:
        """Returns the result whose turn it is.

        Args:
            take: Waits for the next result to arrive.
        """
        async with self._turn:
            while self._next not in self._early:
                result = await take()
                self._early[result.index] = result
            self._next += 1
            return self._early.pop(self._next - 1)


class AsyncBatch(AsyncIterator[BatchResult]):
    """A running batch: enter it with `async with`, and iterate over its results once.

    Leaving the block early cancels the work in progress, and returns when that has ended. The predictions go on on the
    server, unless the wait options say `cancel_on_exit`.

    The block holds a task group. Do not leave it open across a `yield` in your own async generator: trio and anyio then
    cannot tell which tasks belong to whom, and a cancellation may reach the wrong one. Enter the block outside, and let
    the generator only iterate.

    Example:
        ```python
        async def outputs(results):
            async for result in results:
                yield result.error or result.prediction["output"]

        async with client.predictions.async_batch(inputs, "sandbox/word-count") as results:
            async for output in outputs(results):
                print(output)
        ```
    """

    def __init__(self, job: Job, inputs: Inputs, limits: BatchLimits) -> None:
        _check(job, limits)
        self._job = job
        self._inputs = inputs
        self._places = anyio.Semaphore(limits.max_in_flight)
        self._failure_limit = FailureLimit(limits.max_failures)
        self._in_order = InOrder() if limits.in_order else None
        self._duplicates = Duplicates(job.model) if limits.deduplicate else None
        self._journal = limits.journal
        self._open = AsyncExitStack()
        self._send: MemoryObjectSendStream[BatchResult | Exception]
        self._receive: MemoryObjectReceiveStream[BatchResult | Exception]
        self._tasks: TaskGroup | None = None
        self._is_exhausted = False
        self._is_left = False
        self._journaled: JournaledJob | None = None

    async def __aenter__(self) -> "AsyncBatch":
        if self._tasks is not None:
            raise RuntimeError("A batch runs once. Make a new one; with the same journal it goes on.")
        if self._journal is not None:
            self._journaled = await self._open.enter_async_context(_journaled(self._job, self._journal))
        self._send, self._receive = anyio.create_memory_object_stream[BatchResult | Exception](math.inf)
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._take_in)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._tasks is None:
            return
        self._is_left = True
        try:
            self._tasks.cancel_scope.cancel()
            with ungrouped():
                # The block's own error goes on alone: the group would wrap it in an exception group.
                await self._tasks.__aexit__(None, None, None)
        finally:
            self._send.close()
            self._receive.close()
            await self._open.aclose()

    def _repr_html_(self) -> str:
        counts = {name: count for name, count in self._failure_limit.counts.items() if count}
        return html_table(f"{self._job.model}: a batch", ("inputs", "number"), counts.items())

    async def __anext__(self) -> BatchResult:
        if self._tasks is None:
            raise RuntimeError("Use a batch as `async with …`, and iterate over it inside the block.")
        self._check_block()
        try:
            result = await (self._in_order.receive(self._take) if self._in_order else self._take())
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            # `ClosedResourceError` comes in a task that waited here when the block was left.
            self._check_block()
            self._is_exhausted = True
            raise StopAsyncIteration from None
        # Only now: results that wait for their turn hold their places, so that their number is bounded.
        self._places.release()
        return result

    def _check_block(self) -> None:
        if self._is_left and not self._is_exhausted:
            raise RuntimeError(
                "This batch's block has ended, so it gives no more results. Read them inside the block, such as "
                "`results = list(batch)`; a new batch with the same journal continues."
            )

    async def _take(self) -> BatchResult:
        result = await self._receive.receive()
        if isinstance(result, Exception):
            raise result
        return result

    async def _take_in(self) -> None:
        failure: Exception | None = None
        async with anyio.create_task_group() as workers:
            try:
                failure = await self._work_off(workers)
            finally:
                # In the task that reads them, since a generator may hold a cancel scope open.
                error = await finish(self._inputs.aclose)
                if error is not None:
                    logger.warning("the inputs of a batch could not be closed: %s", error)
        failure = failure or self._failure_limit.error()
        if failure is not None:
            self._send.send_nowait(failure)
        self._send.close()

    async def _work_off(self, workers: "TaskGroup") -> Exception | None:
        """Reads the inputs to their end; returns an error that stopped it, to be raised after the last result."""
        for index in count():
            await self._places.acquire()
            try:
                if not await self._failure_limit.admit() or (taken := await anext(self._inputs, None)) is None:
                    return None
            except Exception as error:  # noqa: BLE001 -- raised where the results are taken
                return error
            if self._failure_limit.is_closed:
                return None
            if index == 0 and taken.is_bare and isinstance(taken.outcome, ValueError):
                return taken.outcome
            self._failure_limit.begin()
            try:
                plan = await self._plan(index, taken)
            except BatchJournalError as error:
                return error
            except Exception as error:  # noqa: BLE001 -- one failure does not stop the others
                self._give(BatchResult(index, taken.params, None, error))
            else:
                workers.start_soon(self._work, index, taken.params, plan)
        return None

    async def _plan(self, index: int, taken: Taken) -> Plan:
        params, plan = taken.outcome, None
        if isinstance(params, ValueError):
            raise params
        create: Work = partial(self._job.run, params)
        if self._journaled is not None:
            plan = await self._journaled.resume(index, params)
            create = self._journaled.create(index, params)
        if self._duplicates is not None:
            return self._duplicates.work(params, plan, create)
        return plan or create

    async def _work(self, index: int, params: Params, plan: Plan) -> None:
        if isinstance(plan, Kept):
            self._give(BatchResult(index, params, plan.prediction, None), is_free=True)
            return
        is_repeated = isinstance(plan, Repeated)
        work = plan.work if isinstance(plan, Repeated) else plan
        try:
            self._give(BatchResult(index, params, await work(), None), is_free=is_repeated)
        except BatchJournalError as error:
            self._send.send_nowait(error)
        except Exception as error:  # noqa: BLE001 -- one failure does not stop the others
            self._give(BatchResult(index, params, None, error), is_free=is_repeated)

    def _give(self, result: BatchResult, *, is_free: bool = False) -> None:
        self._failure_limit.end(result.failure, is_free=is_free)
        self._send.send_nowait(result)


def _check(job: Job, limits: BatchLimits) -> None:
    about_earlier_runs = {
        "recreate_unknown": job.recreate_unknown,
        "find_unknown": job.find_unknown,
        "retry_failed": job.retry_failed,
    }
    check_flags(**about_earlier_runs, deduplicate=limits.deduplicate, in_order=limits.in_order)
    checked_whole(limits.max_in_flight, "max_in_flight", 1)
    if limits.journal is not None:
        checked_path(limits.journal, "journal")
        return
    for name, is_asked_for in about_earlier_runs.items():
        if is_asked_for:
            raise ValueError(f"{name} needs a journal: it is about what an earlier run left. Nothing was sent.")


def _journaled(job: Job, journal: str | PathLike[str]) -> AbstractAsyncContextManager["JournaledJob"]:
    try:
        # Only this part of the package needs SQLite, which some builds of Python lack.
        from ._batch.journaled_job import journaled
    except ImportError as error:
        raise BatchJournalError(
            f"A journal needs the module sqlite3, which this Python lacks ({error}). Run the batch without one, or "
            "with another Python. Nothing was sent."
        ) from error
    return journaled(job, journal)


class Batch(Iterator[BatchResult]):
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
        self._is_exhausted = False
        self._turn = threading.Lock()

    def __enter__(self) -> "Batch":
        if self._started is not None:
            raise RuntimeError("A batch runs once. Make a new one; with the same journal it goes on.")
        host = self._api.blocking.caller()
        self._started = self._api.blocking.start("async_batch", partial(self._host, host), host)
        while not self._entered:
            if not self._started.wait_woken():
                self._started.result()
        return self

    async def _host(self, host: Caller) -> None:
        async with self._batch:
            self._entered = True
            host.wake()
            await anyio.sleep_forever()

    def __exit__(self, *_: object) -> None:
        if self._started is not None:
            self._started.cancel()
            self._inputs.close()

    def leave(self) -> None:
        """Cancel what is under way, without waiting for its end. A finalizer may call this, in any thread."""
        if self._started is not None:
            self._started.leave()
            with suppress(ValueError):  # a generator that is running in another thread
                self._inputs.close()

    def _repr_html_(self) -> str:
        return self._batch._repr_html_()  # pyright: ignore[reportPrivateUsage] -- the protocol of notebooks

    def __next__(self) -> BatchResult:
        if not self._entered:
            refuse_event_loop("async_batch")
            raise RuntimeError("Use a batch as `with …`, and iterate over it inside the block.")
        with self._turn:
            if self._is_exhausted:
                raise StopIteration
            result = self._api.blocking.call_with_callbacks(
                "async_batch", lambda _: anext(self._batch, None), self._inputs.caller
            )
            self._is_exhausted = result is None
        if result is None:
            raise StopIteration
        return result
