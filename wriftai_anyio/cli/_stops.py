"""Requests to stop, as an exception in the main thread: Ctrl-C, SIGTERM, SIGHUP, and deadlines."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

GRACE: Final = 5.0
"""Seconds for which a block that must not be left in its middle goes on after the program was told to stop."""

_SIGNALS: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_ALARM: Final[signal.Signals] = getattr(signal, "SIGALRM", signal.SIGINT)


class Stopped(BaseException):
    """The program was told to stop.

    No `KeyboardInterrupt`, which typer would take for itself.

    Args:
        number: The signal that says so.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Stops:
    """Turns signals into `Stopped` while its block lasts. A signal that is ignored stays ignored."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._due: BaseException | None = None
        self._in_grace = False
        self._held: BaseException | None = None

    def __enter__(self) -> "Stops":
        for number in {*_SIGNALS, _ALARM}:
            if number == _ALARM or signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def deadline(self, seconds: float | None, error: BaseException) -> Generator[None]:
        """Raises an error in the middle of the block when its time is over.

        Args:
            seconds: How long the block may take; `None` for no end.
            error: What is raised then.
        """
        if seconds is None:
            yield
            return
        timer = threading.Timer(seconds, self._ring, [error])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._due = None

    @contextmanager
    def grace(self) -> Generator[None]:
        """Holds a stop back until the block has ended, for five seconds at most, or until the next one comes."""
        self._in_grace = True
        try:
            yield
        finally:
            self._in_grace = False
            held, self._held = self._held, None
        if held is not None:
            raise held

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        if number == _ALARM != signal.SIGINT and self._due is None:
            return
        error, self._due = self._due or Stopped(number), None
        if not self._in_grace or self._held is not None:
            raise error
        self._held = error
        timer = threading.Timer(GRACE, self._ring_if_held, [error])
        timer.daemon = True
        timer.start()

    def _ring_if_held(self, error: BaseException) -> None:
        if self._held is error:
            self._ring(error)

    def _ring(self, error: BaseException) -> None:
        self._due = error
        main_thread = threading.main_thread().ident
        if hasattr(signal, "pthread_kill") and main_thread is not None:
            # A signal that another thread gets does not wake the main thread from its wait for a lock.
            signal.pthread_kill(main_thread, _ALARM)
        else:
            signal.raise_signal(_ALARM)
