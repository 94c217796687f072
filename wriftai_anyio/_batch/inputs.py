"""Reads the inputs of a batch, from any iterable or async iterable, or in the thread of a blocking caller."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

from wriftai_anyio._blocking.calls import Caller
from wriftai_anyio._parsing.arguments import shown
from wriftai_anyio._predictions.json_input import JsonInput
from wriftai_anyio._predictions.params import are_params, taken

T = TypeVar("T")

Params: TypeAlias = Any
"""A `CreatePredictionParams`, or whatever a caller passed in its place."""


class Taken(NamedTuple):
    """An input as it was when it was yielded: its generator may use the same dictionary for the next one.

    Attributes:
        params: The snapshot as a dictionary; or what was yielded, if that is refused.
        outcome: The snapshot; or why what was yielded is refused.
    """

    params: Params
    outcome: JsonInput | ValueError

    @classmethod
    def now(cls, params: Params) -> "Taken":
        """Takes a snapshot of an input. Call it before anything else can run."""
        try:
            snapshot = taken(params)
        except ValueError as error:
            return cls(params, error)
        return cls(snapshot.value, snapshot)

    @property
    def is_bare(self) -> bool:
        """Whether it is a bare input in place of params: a mistake of the program, not of this one input."""
        return not are_params(self.params)


class Inputs(AsyncIterator[Taken], ABC):
    """The inputs of a batch, each taken as it is yielded."""

    @abstractmethod
    async def aclose(self) -> None:
        """Closes the generator that makes them, if there is one, so that it can clean up."""


def reader(inputs: Iterable[Params] | AsyncIterable[Params]) -> Inputs:
    """Makes an iterator over inputs of either kind.

    Args:
        inputs: The inputs.

    Raises:
        ValueError: If they cannot be iterated over.
    """
    return _AsyncRead(aiter(inputs)) if isinstance(inputs, AsyncIterable) else _Read(iterator_of(inputs))


def iterator_of(inputs: Iterable[T]) -> Iterator[T]:
    """Begins to iterate over the inputs of a caller.

    Args:
        inputs: The inputs.

    Raises:
        ValueError: If they cannot be iterated over, or are one input in place of many.
    """
    given: object = inputs
    if isinstance(inputs, (str, bytes, bytearray, Mapping)):
        raise ValueError(f"inputs must be an iterable of inputs, such as [{shown(given)}]. Nothing was sent.")  # noqa: TRY004 -- like all bad arguments
    if isinstance(inputs, AsyncIterable):
        raise ValueError(  # noqa: TRY004
            "inputs is an async iterable, which a blocking call cannot read: use the coroutine of the same name "
            "with `async_`, or make a list of it first. Nothing was sent."
        )
    try:
        return iter(inputs)
    except TypeError:
        raise ValueError(
            f"inputs must be an iterable, such as a list of inputs, not {shown(given)}. Nothing was sent."
        ) from None


class _Read(Inputs):
    def __init__(self, inputs: Iterator[Params]) -> None:
        self._inputs = inputs

    async def __anext__(self) -> Taken:
        try:
            return Taken.now(next(self._inputs))
        except StopIteration:
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        _close_generator(self._inputs)


class _AsyncRead(Inputs):
    def __init__(self, inputs: AsyncIterator[Params]) -> None:
        self._inputs = inputs

    async def __anext__(self) -> Taken:
        return Taken.now(await anext(self._inputs))

    async def aclose(self) -> None:
        if isinstance(self._inputs, AsyncGenerator):
            await cast("AsyncGenerator[object, object]", self._inputs).aclose()


class CallersInputs(Inputs):
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

    async def __anext__(self) -> Taken:
        # The snapshot is also made in that thread, where the generator continues.
        taken = await self.caller.run(lambda: next(map(Taken.now, self._inputs), None))
        if taken is None:
            raise StopAsyncIteration
        return taken

    async def aclose(self) -> None:
        """Does nothing: the caller's thread calls `close`."""

    def close(self) -> None:
        """Closes the generator that makes them, if there is one. Call it in the caller's thread."""
        _close_generator(self._inputs)


def _close_generator(inputs: Iterator[Params]) -> None:
    if isinstance(inputs, Generator):
        cast("Generator[object, object, object]", inputs).close()
