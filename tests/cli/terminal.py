"""Running the command line: in this process, or in one of its own that gets signals."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import MAIN, TEMPLATE
from tests.support.copies import Copy, Template
from tests.support.patience import PATIENCE
from tests.support.subprocesses import settings_for
from wriftai_anyio.cli import main
from wriftai_anyio.sandbox import Sandbox

PROGRAM = [sys.executable, "-W", "error", "-m", "wriftai_anyio"]


def start(
    sandbox: Sandbox | None,
    *arguments: str,
    settings: Mapping[str, str] | None = None,
    template: Template = TEMPLATE,
    folder: Path | None = None,
    terminal: int | None = None,
) -> Copy | subprocess.Popen[str]:
    """Starts the program in a process of its own, in this folder unless another is named."""
    return template.start(
        MAIN,
        *arguments,
        settings={**(settings_for(sandbox) if sandbox else {}), **(settings or {})},
        folder=folder or Path.cwd(),
        terminal=terminal,
    )


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        """The JSON lines on standard output."""
        return [json.loads(line) for line in self.out.splitlines()]


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    """Runs the program in this process."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert isinstance(code, int)
    printed = capsys.readouterr()
    return Ended(code, printed.out, printed.err)


class Program:
    """The program in a process of its own."""

    def __init__(self, sandbox: Sandbox, *arguments: str, settings: Mapping[str, str] | None = None) -> None:
        self._process = start(sandbox, *arguments, settings=settings)
        self._watchdog = threading.Timer(PATIENCE, self._process.kill)
        self._watchdog.start()

    def send(self, number: int = signal.SIGINT) -> None:
        """Sends a signal, by default Ctrl-C."""
        self._process.send_signal(number)

    def line(self) -> str:
        """Waits for the next line on standard error."""
        assert self._process.stderr is not None
        return self._process.stderr.readline()

    def end(self) -> Ended:
        """Waits for its end; returns that, with the rest of what it wrote."""
        out, err = self._process.communicate()
        self._watchdog.cancel()
        return Ended(self._process.returncode, out, err)
