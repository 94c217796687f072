"""Calls the function of a model, of any kind."""

import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import anyio.to_thread

from ._models import ModelFunction

Emit = Callable[[object], Awaitable[None]]
T = TypeVar("T")

SLICE_SECONDS: Final = 0.005


async def execute(function: ModelFunction, given: object, emit: Emit, threads: anyio.CapacityLimiter) -> object:
    """Call a function, and return its output.

    Args:
        function: A function, coroutine function, generator function or asynchronous generator function.
        given: The input.
        emit: Awaited with each value that a generator yields.
        threads: Limits the threads in which plain functions and generators run.
    """
    if inspect.isasyncgenfunction(function):
        return await _exhaust_async(function(given), emit)
    if inspect.iscoroutinefunction(function):
        return await function(given)
    result = await _in_thread(threads, partial(function, given))
    if inspect.isgenerator(result):
        return await _exhaust(result, emit, threads)
    return result


async def _in_thread(threads: anyio.CapacityLimiter, function: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(function, abandon_on_cancel=True, limiter=threads)


async def _exhaust_async(generator: AsyncGenerator[object, None], emit: Emit) -> object:
    parts: list[object] = []
    async with aclosing(generator):
        async for part in generator:
            parts.append(part)
            await emit(part)
    return _joined(parts)


@dataclass
class _Slice:
    """What a generator did in a slice of time: the parts it yielded, and how it ended if it did."""

    parts: list[object] = field(default_factory=list[object])
    ended: bool = False
    result: object = None
    error: Exception | None = None


def _run_slice(generator: Iterator[object]) -> _Slice:
    taken = _Slice()
    stop_at = time.monotonic() + SLICE_SECONDS
    try:
        while time.monotonic() < stop_at:
            taken.parts.append(next(generator))
    except StopIteration as stop:
        taken.ended, taken.result = True, stop.value
    except Exception as error:  # noqa: BLE001 - raised again once the earlier parts are sent
        taken.error = error
    return taken


async def _exhaust(generator: Iterator[object], emit: Emit, threads: anyio.CapacityLimiter) -> object:
    parts: list[object] = []
    while True:
        taken = await _in_thread(threads, partial(_run_slice, generator))
        for part in taken.parts:
            parts.append(part)
            await emit(part)
        if taken.error is not None:
            raise taken.error
        if taken.ended:
            return _joined(parts) if taken.result is None else taken.result


def _joined(parts: list[object]) -> object:
    """Return the output made of the parts: one string if all are strings, else a list of them."""
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if len(texts) == len(parts) else parts
