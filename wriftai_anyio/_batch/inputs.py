"""Where a batch takes its inputs from: any iterable or async iterable, or the thread of a blocking caller."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias, cast

from wriftai_anyio._blocking.calls import Caller

Params: TypeAlias = Any
"""A `CreatePredictionParams`, which `predictions` defines, and which is checked before it is sent."""


def reader(inputs: Iterable[Params] | AsyncIterable[Params]) -> AsyncIterator[Params]:
    """Makes an iterator over inputs of either kind.

    Args:
        inputs: The inputs.

    Raises:
        TypeError: If they cannot be iterated over.
    """
    return aiter(inputs) if isinstance(inputs, AsyncIterable) else _Read(iter(inputs))


class _Read(AsyncIterator[Params]):
    def __init__(self, inputs: Iterator[Params]) -> None:
        self.inputs = inputs

    async def __anext__(self) -> Params:
        try:
            return next(self.inputs)
        except StopIteration:
            raise StopAsyncIteration from None


class CallersInputs(AsyncIterator[Params]):
    """Inputs that the thread of a blocking caller reads, while it waits for a result.

    Args:
        inputs: The inputs.
        caller: The thread.

    Attributes:
        caller: As given.
    """

    caller: Caller

    def __init__(self, inputs: Iterator[Params], caller: Caller) -> None:
        self._inputs = inputs
        self.caller = caller

    async def __anext__(self) -> Params:
        values: list[Params] = []
        await self.caller.run(lambda: values.extend(islice(self._inputs, 1)))
        if not values:
            raise StopAsyncIteration
        return values.pop()

    def close(self) -> None:
        """Closes them if a generator makes them; to be called in the caller's thread."""
        _close_generator(self._inputs)


async def close(inputs: AsyncIterator[Params]) -> None:
    """Closes inputs that a generator makes, so that it ends what it has under way.

    Args:
        inputs: The inputs; those of a blocking caller are left to him.
    """
    if isinstance(inputs, _Read):
        _close_generator(inputs.inputs)
    if isinstance(inputs, AsyncGenerator):
        await cast("AsyncGenerator[object, object]", inputs).aclose()


def _close_generator(inputs: Iterator[Params]) -> None:
    if isinstance(inputs, Generator):
        cast("Generator[object, object, object]", inputs).close()
