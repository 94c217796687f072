"""The sandbox in a process of its own, which tells how many requests it saw and refused."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final, Literal

from wriftai_anyio.sandbox import RateLimits, Sandbox
from wriftai_anyio.sandbox._requests import RecordedRequest

Window = Literal["bucket", "fixed"]
WINDOWS: Final[tuple[Window, ...]] = ("bucket", "fixed")


@dataclass(frozen=True)
class Report:
    """What a server has seen so far."""

    requests: int
    refused: int
    created: int


class LimitedServer:
    """A sandbox that runs in another process."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.base_url, self.access_token = self._read_line().split()

    def report(self) -> Report:
        if self._process.stdin is None:
            raise AssertionError("stdin is a pipe")
        self._process.stdin.write("report\n")
        self._process.stdin.flush()
        return Report(**json.loads(self._read_line()))

    def _read_line(self) -> str:
        if self._process.stdout is None:
            raise AssertionError("stdout is a pipe")
        return self._process.stdout.readline()


@contextmanager
def limited_server(
    creates: int | None = None, others: int | None = None, *, window: Window = "bucket", hold: bool = True
) -> Iterator[LimitedServer]:
    """Runs a sandbox; without numbers there are no limits."""
    limits = None if creates is None or others is None else asdict(RateLimits(creates, others, window))
    command = [sys.executable, "-m", "tests.benchmarks._limited_server", json.dumps({"limits": limits, "hold": hold})]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield LimitedServer(process)
        finally:
            process.kill()


def _reported(requests: Sequence[RecordedRequest], created: int) -> Report:
    return Report(len(requests), sum(request.status == 429 for request in requests), created)


def _serve(settings: str) -> None:
    options = json.loads(settings)
    limits = options["limits"]
    with Sandbox(rate_limits=RateLimits(**limits) if limits else None, hold=options["hold"]) as sandbox:
        print(sandbox.base_url, sandbox.access_token, flush=True)
        for _ in sys.stdin:
            print(json.dumps(asdict(_reported(sandbox.requests, len(sandbox.predictions)))), flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
