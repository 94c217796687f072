"""Prints results on standard output, as JSON lines, text or tables."""

import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TextIO

from wriftai_anyio.json_codec import encode_json
from wriftai_anyio.plain_text import json_text, one_line, printable

from ._stops import Stopped

_BROKEN_PIPE: Final[int] = getattr(signal, "SIGPIPE", 13)
NARROWEST_COLUMN: Final = 14
"""The fewest characters of a folded column of a table; below that, rows are printed as blocks."""


def encoded(value: object, indent: int | None = None, *, ascii_only: bool = False) -> str:
    """Encodes JSON, without control characters for terminals.

    Args:
        value: The value.
        indent: By how many spaces each level is indented; by default the result is one line.
        ascii_only: Whether to escape everything that is not ASCII.
    """
    return json_text(encode_json(value, ensure_ascii=ascii_only, indent=indent))


def print_json(value: object) -> None:
    """Prints a value as one line of JSON."""
    _write(encoded(value, ascii_only=not _takes_any_character()) + "\n")


def print_value(value: object) -> None:
    """Prints a value for people: a string as is, `None` not at all, everything else as indented JSON."""
    if value is None:
        return
    text = value if isinstance(value, str) else encoded(value, 2, ascii_only=not _takes_any_character())
    print_text(text if text.endswith("\n") else text + "\n")


def _takes_any_character() -> bool:
    # In other encodings, missing characters would become Python escapes, which are not JSON.
    return sys.stdout.encoding.lower() in {"utf-8", "utf8"}


def print_text(text: str) -> None:
    """Prints a string at once, as is; in a terminal without control characters, which could do anything."""
    _write(printable(text) if sys.stdout.isatty() else text)


def print_sentence(sentence: str) -> None:
    """Prints a sentence, wrapped between words in a terminal."""
    print_text(_wrapped(sentence, "", "") if sys.stdout.isatty() else f"{sentence}\n")


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, whole: int = 0) -> None:
    """Prints a table in a terminal, or a block for each row if the terminal is too narrow; elsewhere, lines of cells.

    Args:
        headings: The headings of the columns.
        rows: The cells; if the output is not a terminal, they are separated by tabs.
        whole: The column that is never folded, so that it can be copied.
    """
    if not sys.stdout.isatty():
        for row in rows:
            _write("\t".join(map(one_line, row)) + "\n")
        return
    lines = [tuple(map(one_line, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    needed = sum(width if number == whole else min(width, NARROWEST_COLUMN) for number, width in enumerate(widths))
    if needed + 2 * (len(headings) - 1) > _screen_width():
        _print_blocks(headings, lines, whole)
    else:
        _print_columns(headings, lines, [n == whole or width <= NARROWEST_COLUMN for n, width in enumerate(widths)])


def _print_columns(headings: Sequence[str], lines: Iterable[Sequence[str]], kept: Sequence[bool]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading, is_kept in zip(headings, kept, strict=True):
        table.add_column(heading, no_wrap=is_kept, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    Console().print(table)


def _print_blocks(headings: Sequence[str], lines: Iterable[Sequence[str]], whole: int) -> None:
    """Prints each row as a few lines: the cells before the whole one, that one, and the others with their headings."""
    for line in lines:
        before = "  ".join(cell for cell in line[:whole] if cell)
        if before:
            print_text(_wrapped(before, "", "  "))
        print_text(_wrapped(line[whole], "  " if before else "", "  "))
        for heading, cell in zip(headings[whole + 1 :], line[whole + 1 :], strict=True):
            if cell:
                print_text(_wrapped(f"{heading}: {cell}", "  ", "    "))


def print_fields(fields: Mapping[str, str | None]) -> None:
    """Prints names and values, one pair per line; values that are `None` are left out.

    Args:
        fields: The values by name.
    """
    known = {name: one_line(value) for name, value in fields.items() if value is not None}
    indent = max(map(len, known)) + 2
    is_terminal, room = sys.stdout.isatty(), _screen_width() - indent
    for name, value in known.items():
        label = f"{name:<{indent}}"
        if not is_terminal:
            print_text(f"{label}{value}\n")
        elif max(map(len, value.split()), default=0) > room:
            # A word that is too long, such as an id, must not be broken, so that it can be copied.
            print_text(f"{name}\n" + _wrapped(value, "  ", "  "))
        else:
            print_text(_wrapped(value, label, " " * indent))


def _wrapped(text: str, first: str, others: str) -> str:
    lines = textwrap.wrap(
        text,
        _screen_width(),
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines or [first.rstrip()]) + "\n"


def _screen_width() -> int:
    return shutil.get_terminal_size().columns


def discard(stream: TextIO) -> None:
    """Discards all further output to a stream that nobody reads.

    Otherwise buffered output would fail again when the interpreter exits, and change the exit code.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Unfailing:
    """Standard error that ignores failures: work under way costs money, so it is not stopped for them.

    Its reader may have exited, its terminal may be closed, or its disk may be full: then nothing more is shown.

    Args:
        stream: The stream; all other attributes are taken from it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes a string, or drops it."""
        try:
            return self._stream.write(text)
        except OSError:
            discard(self._stream)
            return len(text)

    def flush(self) -> None:
        """Writes what is buffered, or drops it."""
        try:
            self._stream.flush()
        except OSError:
            discard(self._stream)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the stream has
        return getattr(self._stream, name)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        discard(sys.stdout)
        raise Stopped(_BROKEN_PIPE) from None
