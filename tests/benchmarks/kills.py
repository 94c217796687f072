"""`kill -9` at random moments of a batch with a journal, each time resumed to its end."""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from wriftai_anyio import CreateOutcomeUnknown
from wriftai_anyio.sandbox import RateLimits, Sandbox

from ._batch_process import Run, Runner, batch_runner
from ._measure import Figure, print_table

MOMENTS = 20
INPUTS = 200
LIMITS = RateLimits(creates=150, others=150)
MOST_UNDER_WAY = 75
"""Creates under way at once, at most, where these limits hold: those of half a second."""


@dataclass
class Found:
    """What came of all kills."""

    inputs: int
    missing: int = 0
    wrong: int = 0
    twice: int = 0
    unknown: list[int] = field(default_factory=list[int])
    seen: list[int] = field(default_factory=list[int])

    def add(self, outcomes: dict[int, object], created: Counter[int]) -> None:
        unknown = {index for index, outcome in outcomes.items() if outcome == CreateOutcomeUnknown.__name__}
        self.missing += len(set(range(self.inputs)) - outcomes.keys())
        self.wrong += sum(outcome != index for index, outcome in outcomes.items() if index not in unknown)
        self.twice += sum(times > 1 for times in created.values())
        self.unknown.append(len(unknown))


def main(moments: int = MOMENTS, inputs: int = INPUTS) -> None:
    with batch_runner() as runner:
        for limits in (None, LIMITS):
            found = Found(inputs)
            began = time.perf_counter()
            with Sandbox(rate_limits=limits) as sandbox:
                for number in range(moments):
                    sandbox.reset()
                    _kill_and_resume(runner, sandbox, "asyncio" if number % 2 else "trio", found)
            where = "without limits" if limits is None else f"at {LIMITS.creates} a second"
            title = f"{moments} kills of a batch of {inputs} {where}, in {time.perf_counter() - began:.0f} s"
            print_table(title, _figures(found, inputs if limits is None else MOST_UNDER_WAY))


def _figures(found: Found, most_unknown: int) -> list[Figure]:
    requests = " ".join(map(str, sorted(found.seen)))
    return [
        Figure("results missing", found.missing, 0, detail=f"killed after so many requests: {requests}"),
        Figure("results that are wrong", found.wrong, 0),
        Figure("inputs created twice", found.twice, 0),
        Figure(
            "reported as unknown after a kill, at most",
            max(found.unknown),
            most_unknown,
            detail=f"each time: {' '.join(map(str, found.unknown))}",
        ),
    ]


def _kill_and_resume(runner: Runner, sandbox: Sandbox, backend: str, found: Found) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Run(sandbox.base_url, sandbox.access_token, backend, found.inputs, str(Path(folder, "journal")))
        pid = runner.start(run)
        # A run that is not killed sends a create and a fetch for each input, about.
        _wait_for(sandbox, random.randint(1, 2 * found.inputs))
        os.kill(pid, signal.SIGKILL)
        found.seen.append(len(sandbox.requests))
        runner.outcomes()
        runner.start(run)
        found.add(runner.outcomes(), Counter(each["input"] for each in sandbox.predictions))


def _wait_for(sandbox: Sandbox, requests: int) -> None:
    give_up = time.monotonic() + 30
    while len(sandbox.requests) < requests and time.monotonic() < give_up:
        time.sleep(random.uniform(0.0, 0.004))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
