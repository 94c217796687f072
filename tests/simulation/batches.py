"""Batches that are killed at random points, and resumed by another process."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio import CancelScope, sleep

from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import AsyncWaitOptions

from .callers import MODEL, Caller, Process, inputs_of
from .plan import Call, ClientPlan, Run
from .world import World


@dataclass
class RunOutcome:
    """What came of one run of a batch.

    Attributes:
        plan: The run.
        killed: Whether its process was killed.
        left: When its caller left.
        ended: When it was over.
        results: What it handed out.
        error: What ended the iteration.
        complete: Whether the iteration came to its end.
    """

    plan: Run
    killed: bool = False
    left: float | None = None
    ended: float | None = None
    results: list[BatchResult] = field(default_factory=list)
    error: BaseException | None = None
    complete: bool = False


class BatchCaller(Caller):
    """Runs a batch again and again, each time in a process of its own.

    Args:
        world: The world.
        process: Whose settings the clients have.
        call: The call.
        folder: Where the journal is.
    """

    def __init__(self, world: World, process: Process, call: Call, folder: Path) -> None:
        super().__init__(world, process, call, folder)
        self.runs: list[RunOutcome] = []

    async def _batch(self) -> object:
        plan = self.call.batch
        for number, run in enumerate(plan.runs):
            outcome = RunOutcome(run)
            self.runs.append(outcome)
            settings = self.process.plan
            client_plan = ClientPlan(process=100 + 10 * self.call.number + number, max_retries=settings.max_retries)
            process = Process(self._world, client_plan, f"batch {self.call.number} run {number}")
            try:
                await self._run(process, outcome, self._folder / f"{self.call.number}-{number}")
            finally:
                with CancelScope(shield=True):
                    await process.close()
        return self.runs

    async def _run(self, process: Process, outcome: RunOutcome, folder: Path) -> None:
        run, world = outcome.plan, self._world
        with CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                if run.killed_after is not None:
                    tasks.start_soon(self._kill, process, outcome, folder, scope)
                if run.left_after is not None:
                    tasks.start_soon(self._leave, outcome, scope)
                try:
                    await self._take_results(process, outcome, folder)
                except Exception as error:
                    outcome.error = error
                tasks.cancel_scope.cancel()
        outcome.ended = world.now()
        world.note(f"run {len(self.runs) - 1} of batch {self.call.number} ended: {len(outcome.results)} results")
        if not outcome.killed:
            self._keep_journal(folder)

    async def _kill(self, process: Process, outcome: RunOutcome, folder: Path, scope: CancelScope) -> None:
        assert outcome.plan.killed_after is not None
        await sleep(outcome.plan.killed_after)
        self._world.kills += 1
        self._world.note(f"run {len(self.runs) - 1} of batch {self.call.number} is killed")
        outcome.killed = process.network.dead = True
        self._keep_journal(folder)
        scope.cancel()

    async def _leave(self, outcome: RunOutcome, scope: CancelScope) -> None:
        assert outcome.plan.left_after is not None
        await sleep(outcome.plan.left_after)
        self._world.cancels += 1
        self._world.note(f"run {len(self.runs) - 1} of batch {self.call.number} is left")
        outcome.left = self._world.now()
        scope.cancel()

    def _keep_journal(self, folder: Path) -> None:
        """Copies the journal as it is now on the disk, for the next run: a killed one writes no more."""
        following = self._folder / f"{self.call.number}-{len(self.runs)}"
        if folder.exists() and not following.exists():
            shutil.copytree(folder, following)

    async def _take_results(self, process: Process, outcome: RunOutcome, folder: Path) -> None:
        call, run = self.call, outcome.plan
        options: dict[str, Any] = {}
        if call.batch.journal:
            folder.mkdir(exist_ok=True)  # noqa: ASYNC240 -- in memory
            options["journal"] = folder / "journal"
            options["recreate_unknown"] = run.recreate_unknown
            options["find_unknown"] = run.find_unknown
        wait_options = AsyncWaitOptions(timeout=call.timeout and call.timeout + 1, cancel_on_exit=call.cancel_on_exit)
        async with process.client.predictions.async_batch(
            [{"input": given} for given in inputs_of(call)],
            MODEL,
            max_in_flight=call.batch.max_in_flight,
            wait_options=wait_options,
            **options,
        ) as results:
            async for result in results:
                outcome.results.append(result)
        outcome.complete = True
