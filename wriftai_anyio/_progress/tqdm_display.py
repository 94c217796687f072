"""Progress bars with tqdm."""

import sys
import time
from typing import Any, Final, NoReturn, TextIO

from tqdm.auto import tqdm

from wriftai_anyio._blocking.guard import in_notebook

from .display import Display, Line, PlainDisplay, Unit, plain_line

_STATUS_FORMAT: Final = "{desc} [{elapsed}]"


def tqdm_display(file: TextIO | None) -> Display:
    """Makes a display for a file.

    Args:
        file: The file; by default standard error.

    Returns:
        Bars, or plain lines where the file is neither a terminal nor the output of a notebook.
    """
    file = file or sys.stderr
    if file is None:  # a program without a console
        return PlainDisplay(lambda _: None)
    if file.isatty() or (file is sys.stderr and in_notebook()):
        return _TqdmDisplay(file)
    return PlainDisplay(lambda line: print(line, file=file, flush=True))


class _TqdmDisplay:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def open(self, name: str, unit: Unit) -> Line:
        return _TqdmLine(self._file, name, unit)

    def close(self) -> None:
        # Clearing the last bar may have left the cursor at its end.
        self._file.write("\r")


class _TqdmLine:
    def __init__(self, file: TextIO, name: str, unit: Unit) -> None:
        self._file = file
        self._name = name
        self._unit = unit
        self._began = self._shown_at = time.time()
        self._summary = ""
        self._bar: tqdm[NoReturn] | None = None

    def show(self, done: int, total: int | None, note: str = "") -> None:
        self._summary, self._shown_at = self._unit.summary(done, total, note), time.time()
        if self._bar is None:
            # Not earlier: in a notebook the total of a bar cannot be changed.
            self._bar = self._new_bar(total)
        bar = self._bar
        bar.total = total
        if self._unit is Unit.STATUS:
            bar.set_description_str(f"{self._name} {note}")
            return
        bar.set_postfix_str(note, refresh=False)
        bar.update(done - bar.n)

    def _new_bar(self, total: int | None) -> "tqdm[NoReturn]":
        return tqdm(
            desc=self._name,
            total=total,
            file=self._file,
            leave=False,
            miniters=1,
            dynamic_ncols=True,
            bar_format=_STATUS_FORMAT if self._unit is Unit.STATUS else None,
            unit="B" if self._unit is Unit.BYTES else " predictions",
            unit_scale=self._unit is Unit.BYTES,
        )

    def end(self) -> None:
        bar = self._bar
        if bar is None:
            return
        seconds = self._shown_at - self._began
        if self._unit is Unit.STATUS:
            last = plain_line(self._name, self._summary, seconds)
        else:
            # Until its last update: a bar that has long been full must not look slow.
            values: dict[str, Any] = {**bar.format_dict, "elapsed": seconds, "rate": None}
            last = bar.format_meter(**values)
        # If the bar left its own line, it would leave remnants of the bars below it.
        tqdm.write(last, file=self._file)
        bar.close()
