"""Lines that show the progress of something, and a display of them that needs no terminal."""

import time
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

QUIET_SECONDS: Final = 30.0
"""Seconds between two plain lines for the same thing, unless its status changes."""

_SIZES: Final = ("B", "kB", "MB", "GB")


class Unit(Enum):
    """What a line counts."""

    STATUS = "status"
    """Nothing: only the note is shown, until the end (1 of 1)."""
    PREDICTIONS = "predictions"
    BYTES = "bytes"

    def summary(self, done: int, total: int | None, note: str) -> str:
        """Describes the progress in a few words.

        Args:
            done: How much is done.
            total: How much there is, if that is known.
            note: Further text.
        """
        if self is Unit.STATUS:
            return note
        count = _size if self is Unit.BYTES else str
        counted = count(done) if total is None else f"{count(done)}/{count(total)}"
        return f"{counted}, {note}" if note else counted


def plain_line(name: str, summary: str, seconds: float) -> str:
    """Returns a line with the progress of something and the seconds that have passed."""
    return f"{name}: {summary} ({seconds:.0f} s)"


def _size(count: int) -> str:
    value, power = float(count), 0
    while abs(value) >= 1000 and power < len(_SIZES) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.1f} {_SIZES[power]}" if power else f"{count} B"


class Line(Protocol):
    """Shows the progress of one thing."""

    def show(self, done: int, total: int | None, note: str = "") -> None:
        """Shows the new progress.

        Args:
            done: How much is done.
            total: How much there is, if that is known.
            note: Further text.
        """
        ...

    def end(self) -> None:
        """Ends the line and leaves it on the screen; a status moves out of the bars to a line above them."""
        ...


class Display(Protocol):
    """Shows several lines at once."""

    def open(self, name: str, unit: Unit) -> Line:
        """Adds a line.

        Args:
            name: The name of the thing.
            unit: What it counts.
        """
        ...

    def close(self) -> None:
        """Gives the screen back; all lines have ended."""
        ...


class PlainDisplay:
    """Writes a line for each new status, one every half minute for counts, and one at the end.

    Args:
        write: Writes a line.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write

    def open(self, name: str, unit: Unit) -> Line:
        """Adds a thing to write lines about."""
        return _PlainLine(self._write, name, unit)

    def close(self) -> None:
        """Does nothing: the written lines stay."""


class _PlainLine:
    def __init__(self, write: Callable[[str], object], name: str, unit: Unit) -> None:
        self._write = write
        self._name = name
        self._unit = unit
        self._began = self._written_at = time.monotonic()
        self._summary = self._written = ""

    def show(self, done: int, total: int | None, note: str = "") -> None:
        self._summary = self._unit.summary(done, total, note)
        changed = self._unit is Unit.STATUS and self._summary != self._written
        if changed or time.monotonic() - self._written_at >= QUIET_SECONDS:
            self._write_now()

    def end(self) -> None:
        if self._summary != self._written:
            self._write_now()

    def _write_now(self) -> None:
        self._written, self._written_at = self._summary, time.monotonic()
        self._write(plain_line(self._name, self._summary, self._written_at - self._began))
