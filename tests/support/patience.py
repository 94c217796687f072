"""Bounds in real time, for what a machine that is busy with much else may delay.

A test that passes never takes so long. Five seconds were once not enough for a thread to begin a call.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

PATIENCE: Final = 60.0
"""Seconds until a test gives up what must come."""
AT_ONCE: Final = 4.0
"""Seconds that what ends at once may take, where the fault would take longer by far: see each test."""


def until(condition: Callable[[], object]) -> None:
    """Waits for what another thread, or another process, makes true."""
    give_up = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up, "it did not come to be"
        time.sleep(0.002)


async def until_async(condition: Callable[[], object]) -> None:
    """Waits for what another task, or another thread, makes true."""
    with anyio.fail_after(PATIENCE):
        while not condition():
            await anyio.sleep(0.002)


async def leave_when(condition: Callable[[], object], function: Callable[[], Awaitable[object]]) -> None:
    """Awaits a coroutine function, and cancels it as soon as it has made something true."""

    async def run() -> None:
        await function()
        raise AssertionError("it ended before it was left")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await until_async(condition)
        tasks.cancel_scope.cancel()
