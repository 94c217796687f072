"""Runs batches in processes that can be killed: a program that forks one for each line on its standard input.

It forks before it has any thread, so that a run need not import everything again. A run prints its process id, and
what came of its inputs once it has all results; its parent prints when it has ended.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import anyio
import httpcore  # noqa: F401 -- the first request would import it

from wriftai_anyio import Client
from wriftai_anyio.predictions import CreatePredictionParams, WaitOptions

MODEL = "sandbox/echo"
ENDED = "ended"


@dataclass(frozen=True)
class Run:
    """One run of a batch."""

    base_url: str
    access_token: str
    backend: str
    count: int
    journal: str

    def outcomes(self) -> dict[int, object]:
        """Runs it, and returns the output of each input, or the name of its error."""
        inputs: list[CreatePredictionParams] = [{"input": number} for number in range(self.count)]
        options = WaitOptions(poll_interval=0.1)
        with (
            Client(self.access_token, self.base_url, backend=self.backend) as client,
            client.predictions.batch(inputs, MODEL, journal=self.journal, wait_options=options) as results,
        ):
            return {
                each.index: each.prediction["output"] if each.prediction else type(each.error).__name__
                for each in results
            }


class Runner:
    """Starts runs, one after another."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        self._input, self._output = process.stdin, process.stdout

    def start(self, run: Run) -> int:
        """Starts a run and returns its process id."""
        print(json.dumps(asdict(run)), file=self._input, flush=True)
        return int(self._output.readline())

    def outcomes(self) -> dict[int, object]:
        """Waits for the run to end and returns its outcomes; none if it was killed."""
        lines = list(iter(lambda: self._output.readline().strip(), ENDED))
        return {int(index): outcome for line in lines for index, outcome in json.loads(line).items()}


@contextmanager
def batch_runner() -> Iterator[Runner]:
    command = [sys.executable, "-m", __name__]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Runner(process)
        finally:
            process.kill()


def _fork_for_each_line() -> None:
    for backend in ("asyncio", "trio"):
        anyio.run(anyio.sleep, 0, backend=backend)
    pid = 0
    for line in sys.stdin:
        if pid:
            os.waitpid(pid, 0)
        pid = os.fork()
        if pid == 0:
            print(os.getpid(), flush=True)
            print(json.dumps(Run(**json.loads(line)).outcomes()), flush=True)
            os._exit(0)
        # Reaped only with the next line: until then its id is no other process's, whenever it is killed.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        print(ENDED, flush=True)


if __name__ == "__main__":
    _fork_for_each_line()
