"""Turns Ctrl-C, SIGTERM, SIGHUP and deadlines into exceptions in the main thread."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

GRACE: Final = 5.0
"""Seconds for which a block that must finish may go on after the program was told to stop."""

_SIGNALS: Final = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
_ALARM: Final[signal.Signals] = getattr(signal, "SIGALRM", signal.SIGINT)


class Stopped(BaseException):
    """The program was told to stop.

    Not a `KeyboardInterrupt`, which typer would catch.

    Args:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


class Stops:
    """Turns signals into `Stopped` for the duration of its block. Ignored signals stay ignored."""

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
        """Raises an error inside the block when the time is up.

        Args:
            seconds: How long the block may take; `None` for no limit.
            error: The error to raise.
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
        """Delays a stop until the block has ended, at most five seconds, or until another stop arrives."""
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
            # A signal delivered to another thread would not wake the main thread if it waits for a lock.
            signal.pthread_kill(main_thread, _ALARM)
        else:
            signal.raise_signal(_ALARM)
