"""`on_poll`: functions and coroutine functions, on the event loop or in the thread of a blocking caller."""

import inspect
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import TypeAlias

import anyio

from wriftai_anyio._blocking.calls import Caller
from wriftai_anyio._instrumentation.log import logger
from wriftai_anyio._parsing.arguments import call_problem, is_coroutine_function, shown
from wriftai_anyio._types.prediction import PredictionWithIO

OnPoll: TypeAlias = Callable[[PredictionWithIO], Awaitable[None] | None]


def check_on_poll(on_poll: object) -> None:
    """Checks that a callback can be called with a prediction.

    Raises:
        ValueError: If it cannot.
    """
    wanted = "on_poll must be a function or a coroutine function that takes the prediction"
    if not callable(on_poll):
        raise ValueError(f"{wanted}, or None, not {shown(on_poll)}.")  # noqa: TRY004 -- as all bad arguments
    if inspect.isgeneratorfunction(on_poll) or inspect.isasyncgenfunction(on_poll):
        raise ValueError(f"{wanted}, not a generator: nothing would run it.")
    problem = call_problem(on_poll, 1)
    if problem:
        raise ValueError(f"{wanted}, not {shown(on_poll)}: {problem}.")


def in_thread_of(caller: Caller, on_poll: OnPoll) -> OnPoll:
    """Returns a callback that runs in the thread of a blocking caller; a coroutine function stays on the event loop.

    Args:
        caller: The thread.
        on_poll: The callback.
    """
    if is_coroutine_function(on_poll):
        return on_poll

    async def run(prediction: PredictionWithIO) -> None:
        def call() -> Awaitable[None] | None:
            with failures_named(prediction["id"]):
                return on_poll(prediction)

        result = await caller.run(call)
        if isinstance(result, Awaitable):
            await result

    return run


async def call_back(on_poll: OnPoll, prediction: PredictionWithIO) -> None:
    """Calls a callback, and awaits what it returns if that can be awaited.

    Args:
        on_poll: The callback.
        prediction: What it gets; its own.

    Raises:
        BaseException: What the callback raised, with a note that names the prediction.
    """
    with failures_named(prediction["id"]):
        result = on_poll(prediction)
        if isinstance(result, Awaitable):
            await result


@contextmanager
def failures_named(prediction_id: str) -> Generator[None]:
    """Adds the prediction to what a callback raises, and logs it: it was paid for, and must not be lost.

    Args:
        prediction_id: The prediction's id.

    Raises:
        BaseException: What the block raised.
    """
    try:
        yield
    except BaseException as error:
        if not _is_cancellation(error) and name_prediction(error, prediction_id):
            logger.warning(
                "on_poll raised %s; no longer waiting for prediction %s, which may still be running",
                type(error).__name__,
                prediction_id,
            )
        raise


def name_prediction(error: BaseException, prediction_id: str) -> bool:
    """Adds a note with a prediction's id to an error.

    Args:
        error: The error.
        prediction_id: The id.

    Returns:
        Whether the error did not have it yet.
    """
    notes: list[str] = getattr(error, "__notes__", [])
    note = f"Raised while waiting for prediction {prediction_id}, which exists on the server."
    if note in notes:
        return False
    vars(error)["__notes__"] = [*notes, note]  # as `add_note` does, which came with Python 3.11
    return True


def _is_cancellation(error: BaseException) -> bool:
    try:
        return isinstance(error, anyio.get_cancelled_exc_class())
    except anyio.NoEventLoopError:
        return False
