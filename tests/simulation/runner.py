"""Runs worlds: sets time, chance and threads, lets the callers loose, and looks at what is left.

Blocking calls are not simulated: the callers' threads are the operating system's, which runs them in no order that a
seed could bring again. Their tests, and the soak in real time, are what looks after them; the coroutines below them are
the same.
"""

import asyncio
import gc
import logging
import sys
import tempfile
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import trio
from anyio import create_task_group, move_on_after, sleep
from trio.testing import MockClock

from tests.support.clients import VirtualTimeLoop
from wriftai_anyio._concurrency import system
from wriftai_anyio.errors import RateLimitError, WriftAIError

from .batches import BatchCaller
from .callers import OUTLIVED, Caller, Process, webhooks_of
from .internals import leaks
from .invariants import look
from .plan import ClientPlan, Plan, draw
from .world import Lines, World

PATIENCE: Final = 300.0
"""Seconds within which a client must still be of use when all is over."""
BACKENDS: Final = ("asyncio", "trio")


@dataclass(frozen=True)
class Report:
    """What came of a world.

    Attributes:
        plan: The world.
        violations: What must never be, and was.
        trace: What happened.
        faults: Which request met which fault.
        hours: How long it lasted.
        requests: How many requests there were.
        cancels: How many calls were left early.
        kills: How many processes were killed.
    """

    plan: Plan
    violations: tuple[str, ...]
    trace: tuple[str, ...]
    faults: dict[int, str]
    hours: float
    requests: int
    cancels: int
    kills: int


class _CountedTask(asyncio.Task[Any]):
    """A task whose hash does not depend on where it lies in memory, so that sets of tasks have an order."""

    _count = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        type(self)._count += 1
        self._number = self._count
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _Loop(VirtualTimeLoop):
    def __init__(self, world_errors: list[str]) -> None:
        super().__init__()
        _CountedTask._count = 0
        self.set_task_factory(lambda loop, coroutine, **kwargs: _CountedTask(coroutine, loop=loop, **kwargs))
        self.set_exception_handler(lambda _, context: world_errors.append(str(context)))


def run_seed(seed: int, backend: str) -> Report:
    """Draws a world and runs it."""
    return run(draw(seed, native=backend == "asyncio"), backend)


def run(plan: Plan, backend: str) -> Report:
    """Runs a world.

    Args:
        plan: The world.
        backend: "asyncio" or "trio".
    """
    errors: list[str] = []
    with ExitStack() as stack:
        if backend == "asyncio":
            loop = _Loop(errors)
            world = World(plan, loop.time)
            options: dict[str, Any] = {"loop_factory": lambda: loop}
        else:
            clock = MockClock(autojump_threshold=0)
            world = World(plan, clock.current_time)
            options = {"clock": clock}
            stack.enter_context(_ordered_trio(plan.seed))
        stack.enter_context(_replaced(world, errors))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_memory())))
        anyio.run(_live, world, folder, backend=backend, backend_options=options)
    for error in errors:
        world.violated(f"outside of all calls: {error}")
    return Report(
        plan,
        tuple(world.violations),
        tuple(world.trace),
        world.faults,
        world.now() / 3600,
        world.requests,
        world.cancels,
        world.kills,
    )


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


@contextmanager
def _ordered_trio(seed: int) -> Generator[None]:
    run_module: Any = trio._core._run
    state, ordered = run_module._r.getstate(), run_module._ALLOW_DETERMINISTIC_SCHEDULING
    run_module._r.seed(seed)
    run_module._ALLOW_DETERMINISTIC_SCHEDULING = True
    try:
        yield
    finally:
        run_module._r.setstate(state)
        run_module._ALLOW_DETERMINISTIC_SCHEDULING = ordered


@contextmanager
def _replaced(world: World, errors: list[str]) -> Generator[None]:
    replacements: dict[str, Any] = {
        "wall_time": world.wall_time,
        "monotonic": world.now,
        "uniform": world.chance.uniform,
        "SerialThread": world.thread,
    }
    before = {name: getattr(system, name) for name in replacements}
    hook, logger = sys.unraisablehook, logging.getLogger("wriftai_anyio")
    handler, level, propagates = Lines(world), logger.level, logger.propagate
    try:
        for name, replacement in replacements.items():
            setattr(system, name, replacement)
        sys.unraisablehook = lambda unraisable: errors.append(f"unraisable: {unraisable.exc_value!r}")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
        errors += [f"a warning: {each.message}" for each in caught]
    finally:
        for name, original in before.items():
            setattr(system, name, original)
        sys.unraisablehook = hook
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagates


async def _live(world: World, folder: Path) -> None:
    plan = world.plan
    processes = [Process(world, client, f"client {number}") for number, client in enumerate(plan.clients)]
    callers = [_caller(world, processes[call.client], call, folder) for call in plan.calls]
    async with create_task_group() as tasks:
        world.server.on_created = webhooks_of(world, processes, tasks)
        tasks.start_soon(_others, world)
        for process in processes:
            if process.plan.closed_at is not None:
                tasks.start_soon(_close, process)
        with move_on_after(OUTLIVED):
            async with create_task_group() as calls:
                for caller in callers:
                    calls.start_soon(caller.run)
        tasks.cancel_scope.cancel()
    await _try_out(world, processes)
    await _follow_dropped(world)
    for process in processes:
        await process.close()
    look(world, processes, callers)
    for leak in leaks([process.client for process in processes]):
        world.violated(leak)


def _caller(world: World, process: Process, call: Any, folder: Path) -> Caller:
    return (BatchCaller if call.kind == "batch" else Caller)(world, process, call, folder)


async def _others(world: World) -> None:
    for number, at in enumerate(world.plan.surroundings.others_create):
        await sleep(max(0.0, at - world.now()))
        world.server.prepare(0xFFFF, {"others": number}, world.now(), 5.0, "succeeded", by_others=True)
    await anyio.sleep_forever()


async def _close(process: Process) -> None:
    assert process.plan.closed_at is not None
    await sleep(process.plan.closed_at)
    process.world.note("a client is closed")
    await process.close()
    await anyio.sleep_forever()


async def _try_out(world: World, processes: list[Process]) -> None:
    """Makes sure that each client is still of use: nothing that it needs was lost."""
    for number, process in enumerate(processes):
        process.network.perfect = True
        if process.closed_at is not None:
            continue
        with move_on_after(PATIENCE) as scope:
            while True:
                try:
                    await process.client.predictions.async_list()
                    break
                except WriftAIError:
                    await sleep(1)
        if scope.cancelled_caught:
            world.violated(f"client {number} is of no use any more")


async def _follow_dropped(world: World) -> None:
    """Makes sure that the next client closes the connections of those that were dropped unclosed."""
    for attempt in range(2):
        if all(network.closed for network in world.dropped):
            return
        if attempt:
            # The tracebacks of errors that it outlived may hold it, and themselves.
            gc.collect()
        following = Process(world, ClientPlan(process=99), "following")
        following.network.perfect = True
        with suppress(RateLimitError):
            await following.client.predictions.async_list()
        await following.close()
    if not all(network.closed for network in world.dropped):
        world.violated("a client was dropped unclosed, and its connections stay open")
