"""Programs in copies of an interpreter that has imported what they need: imports take most of a short program's time.

A copy is a process of its own, with its own signals, streams, threads and event loops. It costs 0.05 s of processor
time in the place of 0.5. Programs that are about imports, or about what Python does at its start or at its end, need an
interpreter that is no copy: at its end, the modules of a copy's template stay for longer than its own.
"""

import atexit
import functools
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests.support.subprocesses import CHECKOUT

_STAND_IN = Path(__file__).with_name("stand_in.py")
_numbers = itertools.count()

_TEMPLATE = """
import sys
{preparation}
from tests.support.template import next_program
exec(next_program(*map(int, sys.argv[-2:])))
"""


class Copy:
    """A program that runs, with as much of `subprocess.Popen` as tests need.

    Args:
        status: What says its process id, and later how it ended.
        stdout: Where to read its standard output, if that goes into a pipe.
        stderr: The same of its standard error.
    """

    def __init__(self, status: int, stdout: int | None, stderr: int | None) -> None:
        self._status = os.fdopen(status, encoding="ascii")
        self.pid = int(self._status.readline())
        self.stdout = _reader(stdout)
        self.stderr = _reader(stderr)

    @functools.cached_property
    def returncode(self) -> int:
        """How it ends, which this waits for: its exit code, or a signal below zero."""
        with self._status:
            return int(self._status.readline())

    def send_signal(self, number: int) -> None:
        """Sends a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Asks it to end."""
        self.send_signal(signal.SIGTERM)

    def wait(self, timeout: float) -> int:
        """Waits for its end, which comes after so many seconds at the latest."""
        watchdog = threading.Timer(timeout, self.kill)
        watchdog.start()
        try:
            return self.returncode
        finally:
            watchdog.cancel()

    def communicate(self) -> tuple[str, str]:
        """Waits for its end; returns what it has written since."""
        assert self.stdout is not None
        assert self.stderr is not None
        errors: list[str] = []
        reading = threading.Thread(target=lambda stream: errors.append(stream.read()), args=(self.stderr,))
        with self.stdout, self.stderr:
            reading.start()
            output = self.stdout.read()
            reading.join()
        assert isinstance(self.returncode, int)
        return output, errors[0]


def _reader(descriptor: int | None) -> IO[str] | None:
    return None if descriptor is None else os.fdopen(descriptor, encoding="utf-8")


class Template:
    """An interpreter of which programs get copies.

    Args:
        preparation: What it runs before; its last two arguments are not the programs'.
        settings: More variables of its environment.
        arguments: Its arguments.
    """

    def __init__(self, preparation: str, settings: Mapping[str, str] | None = None, *arguments: str) -> None:
        self._preparation = preparation
        self._settings = settings or {}
        self._arguments = arguments

    def start(
        self,
        source: str,
        *arguments: str | Path,
        settings: Mapping[str, str],
        folder: Path = CHECKOUT,
        terminal: int | None = None,
    ) -> "Copy | subprocess.Popen[str]":
        """Starts a program.

        Args:
            source: What it runs after the preparation.
            *arguments: Its arguments.
            settings: More variables of its environment.
            folder: Where it runs.
            terminal: What it writes to, instead of to pipes.
        """
        environment = {**os.environ, **self._settings, **settings}
        if sys.platform != "linux":
            return self._start_anew(source, arguments, environment, folder, terminal)
        output, stdout = (terminal, None) if terminal is not None else _pipe()
        errors, stderr = (terminal, None) if terminal is not None else _pipe()
        ours, theirs = os.pipe()
        request = {
            "source": source,
            "arguments": list(map(str, arguments)),
            "environment": environment,
            "folder": str(folder),
        }
        with Path(os.devnull).open("rb") as nothing:
            streams = [nothing.fileno(), output, errors, theirs]
            socket.send_fds(self._requests, [json.dumps(request).encode()], streams)
        for each in {output, errors, theirs} - {terminal}:
            os.close(each)
        return Copy(ours, stdout, stderr)

    def command(self, source: str) -> list[str]:
        """Returns the command of a program, for a shell or others to start with streams and variables of theirs.

        What they start is a small process that stands in for the copy: signals go through it, and it ends as that does.

        Args:
            source: What it runs after the preparation.
        """
        if sys.platform != "linux":
            return [sys.executable, "-W", "error", "-c", f"{self._preparation}\n{source}"]
        assert self._requests
        return [sys.executable, "-I", "-S", str(_STAND_IN), self._address, source]

    def _start_anew(
        self,
        source: str,
        arguments: Sequence[str | Path],
        environment: Mapping[str, str],
        folder: Path,
        terminal: int | None,
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", f"{self._preparation}\n{source}", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if terminal is None else terminal,
            stderr=subprocess.PIPE if terminal is None else terminal,
            encoding="utf-8",
        )

    @functools.cached_property
    def _address(self) -> str:
        """Where those that stand in for copies reach the template, in Linux's namespace without files."""
        return f"wriftai_anyio-{os.getpid()}-{next(_numbers)}"

    @functools.cached_property
    def _requests(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(f"\0{self._address}")
            listener.listen()
            template = subprocess.Popen(
                [
                    sys.executable,
                    "-W",
                    "error",
                    "-c",
                    _TEMPLATE.format(preparation=self._preparation),
                    *self._arguments,
                    str(theirs.fileno()),
                    str(listener.fileno()),
                ],
                cwd=CHECKOUT,
                env={**os.environ, **self._settings},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno(), listener.fileno()],
            )
        atexit.register(_end, template, ours)
        return ours


def _pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    return writing, reading


def _end(template: subprocess.Popen[bytes], requests: socket.socket) -> None:
    requests.close()
    template.wait()
