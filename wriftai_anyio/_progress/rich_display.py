"""Progress bars with rich."""

import sys
import time
from importlib.util import find_spec
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.table import Column
from rich.text import Text

from .display import Display, Line, PlainDisplay, Unit, plain_line

NARROW: Final = 60
"""Columns below which there is no bar."""


def rich_display(console: Console | None) -> Display:
    """Makes a display for a console.

    Args:
        console: The console; by default standard error.

    Returns:
        Bars, or plain lines where bars cannot be drawn.
    """
    console = console or Console(stderr=True)
    # Without ipywidgets, rich warns at each refresh of a bar in a notebook, and draws nothing.
    drawable = find_spec("ipywidgets") is not None if console.is_jupyter else console.is_interactive
    return _RichDisplay(console) if drawable else PlainDisplay(lambda line: console.out(line, highlight=False))


class _RichDisplay:
    def __init__(self, console: Console) -> None:
        # In a narrow terminal the name is shortened: rich would shorten all columns alike.
        is_narrow = console.width < NARROW
        name = Column(overflow="ellipsis", ratio=1, no_wrap=True) if is_narrow else None
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=name),
            *(() if is_narrow else (BarColumn(bar_width=16),)),
            TextColumn("{task.fields[summary]}", markup=False, table_column=Column(no_wrap=True)),
            _Times(Column(no_wrap=True), is_short=is_narrow),
            expand=is_narrow,
            console=console,
            # Printed lines appear above the bars, so on this console: not if they should go to a file or a pipe.
            redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
        )
        self._progress.start()

    def open(self, name: str, unit: Unit) -> Line:
        return _RichLine(self._progress, name, unit)

    def close(self) -> None:
        self._progress.stop()


class _RichLine:
    def __init__(self, progress: Progress, name: str, unit: Unit) -> None:
        self._progress = progress
        self._name = name
        self._unit = unit
        self._began = time.monotonic()
        self._summary = ""
        # Invisible until there is something to show: a failure at once, such as a bad address, leaves no empty bar.
        self._task = progress.add_task(name, total=None, summary="", visible=False)

    def show(self, done: int, total: int | None, note: str = "") -> None:
        before, self._summary = self._summary, self._unit.summary(done, total, note)
        # A status may be over before the next refresh.
        refresh = self._unit is Unit.STATUS and self._summary != before
        self._progress.update(
            self._task, completed=done, total=total, summary=self._summary, refresh=refresh, visible=True
        )

    def end(self) -> None:
        if self._unit is not Unit.STATUS:
            self._progress.stop_task(self._task)
            return
        self._progress.remove_task(self._task)
        line = plain_line(self._name, self._summary, time.monotonic() - self._began)
        self._progress.console.print(Text(line))


class _Times(ProgressColumn):
    """The time that has passed and, if there is room, an estimate of the time left."""

    def __init__(self, column: Column, *, is_short: bool) -> None:
        super().__init__(column)
        self._is_short = is_short

    def render(self, task: Task) -> Text:
        passed = task.finished_time if task.finished else task.elapsed
        left = None if task.finished or self._is_short else task.time_remaining
        text = _clock(passed or 0.0) if left is None else f"{_clock(passed or 0.0)}, {_clock(left)} left"
        return Text(text, style="progress.elapsed")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
