"""Results on standard output: as JSON lines, as text, as tables."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO

from ._stops import Stopped

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BROKEN_PIPE: Final[int] = getattr(signal, "SIGPIPE", 13)


def print_json(value: object) -> None:
    """Prints a value as one line of JSON."""
    is_utf8 = sys.stdout.encoding.lower() in {"utf-8", "utf8"}
    _write(json.dumps(value, ensure_ascii=not is_utf8) + "\n")


def print_value(value: object) -> None:
    """Prints a value for people: a text as it is, `None` not at all, all else as indented JSON."""
    if value is None:
        return
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    print_text(text if text.endswith("\n") else text + "\n")


def print_text(text: str) -> None:
    """Prints a text at once, as it is; a terminal gets it without control characters, which could do anything."""
    _write(_harmless(text) if sys.stdout.isatty() else text)


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints a table to a terminal; elsewhere each row as a line, its cells separated by tabs.

    Args:
        headings: The headings of the columns. The first column is shown whole, whatever the terminal's width.
        rows: The cells.
    """
    if not sys.stdout.isatty():
        for row in rows:
            _write("\t".join(" ".join(cell.split()) for cell in row) + "\n")
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_harmless(cell)) for cell in row))
    Console().print(table)


def print_fields(fields: Mapping[str, str | None]) -> None:
    """Prints names and values below each other; those that are `None` are left out.

    Args:
        fields: The values by name.
    """
    known = {name: value for name, value in fields.items() if value is not None}
    width = max(map(len, known))
    for name, value in known.items():
        print_text(f"{name:<{width}}  {value}\n")


def _harmless(text: str) -> str:
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def discard(stream: TextIO) -> None:
    """Has nothing more come out of a stream that nobody reads.

    What is still buffered would fail again when the interpreter exits, with an exit code of its own.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
        raise Stopped(_BROKEN_PIPE) from None
