"""Outputs of many predictions, in the order of their inputs."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from ._batch.inputs import iterator_of
from ._blocking.guard import refuse_event_loop
from ._parsing.arguments import check_flags
from ._predictions.outcome import OutputReader
from .batch import AsyncBatch, Batch, BatchResult

T = TypeVar("T")

__all__ = ["AsyncOutputMap", "OutputMap"]


class _Outputs:
    """Turns results into outputs.

    Args:
        read: Reads the output of a prediction.
        return_exceptions: Whether errors are returned in place of outputs.
    """

    def __init__(self, read: OutputReader, *, return_exceptions: bool) -> None:
        check_flags(return_exceptions=return_exceptions)
        self._read = read
        self._return_exceptions = return_exceptions

    def _output(self, result: BatchResult) -> Any:  # noqa: ANN401 -- of the output type
        try:
            if result.prediction is None:
                raise result.error or AssertionError("an input has no result")
            return self._read(result.prediction)
        except Exception as error:
            if not self._return_exceptions:
                raise
            return error


class AsyncOutputMap(_Outputs, AsyncIterator[T], Generic[T]):
    """The outputs of `Client.async_map`, in the order of the inputs; use it in `async with`, and iterate over it once.

    The block holds a task group. Do not leave it open across a `yield` in your own async generator: trio and anyio then
    cannot tell which tasks belong to whom, and a cancellation may reach the wrong one. Enter the block outside, and let
    the generator only iterate.

    Args:
        batch: The predictions.
        read: Reads the output of a prediction.
        return_exceptions: Whether errors are returned in place of outputs.
    """

    def __init__(self, batch: AsyncBatch, read: OutputReader, *, return_exceptions: bool) -> None:
        super().__init__(read, return_exceptions=return_exceptions)
        self._batch = batch
        self._is_entered = False

    def _repr_html_(self) -> str:
        return self._batch._repr_html_()  # pyright: ignore[reportPrivateUsage] -- the protocol of notebooks

    async def __anext__(self) -> T:
        if not self._is_entered:
            raise RuntimeError(
                "Write `async with client.async_map(…) as outputs:`, and iterate over it inside the block."
            )
        return cast("T", self._output(await anext(self._batch)))

    async def __aenter__(self) -> "AsyncOutputMap[T]":
        await self._batch.__aenter__()
        self._is_entered = True
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self._batch.__aexit__(*reason)


class OutputMap(_Outputs, Iterator[T], Generic[T]):
    """The outputs of `Client.map`, in the order of the inputs; iterate over it once.

    Nothing is created before you ask for the first output. Use it in `with` if you may leave the loop early, so that
    what is under way has ended when you leave the block; if you only drop it, that happens a little later.

    Args:
        batch: The predictions.
        read: Reads the output of a prediction.
        return_exceptions: Whether errors are returned in place of outputs.
    """

    def __init__(self, batch: Batch, read: OutputReader, *, return_exceptions: bool) -> None:
        super().__init__(read, return_exceptions=return_exceptions)
        self._batch = batch
        self._is_begun = False
        self._is_over = False
        self._is_left = False

    def _repr_html_(self) -> str:
        return self._batch._repr_html_()  # pyright: ignore[reportPrivateUsage] -- the protocol of notebooks

    def __next__(self) -> T:
        if self._is_left:
            raise RuntimeError(
                "This map's block has ended, so it gives no more outputs. Read them inside the block, such as "
                "`outputs = list(outputs)`."
            )
        if self._is_over:
            raise StopIteration
        if not self._is_begun:
            refuse_event_loop("async_map")
            self._is_begun = True
            self._batch.__enter__()
        try:
            result = next(self._batch)
        except BaseException:
            # Also at the end, so that a loop without a `with` block closes the batch.
            self.close()
            raise
        return cast("T", self._output(result))

    def __del__(self) -> None:
        if getattr(self, "_is_begun", False) and not self._is_over:
            self._batch.leave()

    def close(self) -> None:
        """Cancel what is under way. It is safe to call it twice."""
        if not self._is_over:
            self._is_over = True
            self._batch.__exit__(None, None, None)

    def __enter__(self) -> "OutputMap[T]":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_left = not self._is_over
        self.close()


def as_params(inputs: Iterable[object]) -> Iterator[Mapping[str, object]]:
    """Makes params of bare inputs.

    Args:
        inputs: The inputs.

    Raises:
        ValueError: If they are one input instead of many, or cannot be iterated over.
    """
    return _wrapped(iterator_of(inputs))


def as_async_params(
    inputs: Iterable[object] | AsyncIterable[object],
) -> Iterator[Mapping[str, object]] | AsyncIterator[Mapping[str, object]]:
    """Makes params of bare inputs, of an iterable or an async iterable; raises what `as_params` raises."""
    if isinstance(inputs, AsyncIterable):
        return _async_wrapped(aiter(inputs))
    return as_params(inputs)


def _wrapped(inputs: Iterator[object]) -> Iterator[Mapping[str, object]]:
    try:
        for each in inputs:
            yield {"input": each}
    finally:
        if isinstance(inputs, Generator):
            cast("Generator[object, object, object]", inputs).close()


async def _async_wrapped(inputs: AsyncIterator[object]) -> AsyncIterator[Mapping[str, object]]:
    try:
        async for each in inputs:
            yield {"input": each}
    finally:
        if isinstance(inputs, AsyncGenerator):
            await cast("AsyncGenerator[object, object]", inputs).aclose()
