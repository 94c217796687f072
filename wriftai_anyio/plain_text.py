"""Text from outside, made harmless for where it is shown: a terminal, a log, a spreadsheet, a page, a shell.

What a server, a model or another user wrote may hold escape sequences that command a terminal, line breaks that forge a
line of a log, formulas, or HTML. All that the package itself shows goes through these functions.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["csv_cell", "html_table", "html_text", "json_text", "one_line", "printable", "shell_command"]

_DIRECTIONS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""What changes the direction of text, and so can show other words than there are."""
# From the first of several blanks alone: from each, the time would grow with the square of their number.
# As strings, which `re` compiles when they are first used: with the import they would take 3 ms of each start.
_BREAKS: Final = "(?<![ \t])[ \t]*(?:\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029])[ \t]*"
# Half a character, which JSON can say, is among them: UTF-8 cannot, so a page or a log with it could not be written.
_UNPRINTABLE: Final = f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_DIRECTIONS}]"
_FORMULA: Final = r"[=+\-@\t\r\uff0b\uff0d\uff1d\uff20]"
"""How a cell begins that spreadsheets calculate; the wide forms are those of Chinese and Japanese keyboards."""
_NUMBER: Final = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"

LONGEST_CELL: Final = 120
"""Characters of a cell of an HTML table."""


def printable(text: str) -> str:
    """Replace all control characters but line breaks and tabs, for a terminal.

    Args:
        text: The text.

    Returns:
        The text with U+FFFD in place of each control character of C0 and C1, DEL, each character that changes the
        direction of text, and each lone surrogate.
    """
    return re.sub(_UNPRINTABLE, "\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(value: object, longest: int | None = None) -> str:
    """Make one printable line of a value, for a log, a table or a progress bar.

    Args:
        value: The value; it is turned into a string, an integer of more digits than Python writes into its hexadecimal.
        longest: How many characters the line may have; a longer one is cut, and ends in `…`. By default it is not cut.

    Returns:
        The line, in which each line break or tab, with the blanks around it, is a single space; else as of `printable`.
    """
    try:
        text = str(value)
    except ValueError:
        text = hex(value) if isinstance(value, int) else f"{type(value).__name__} of long integers"
    except RecursionError:
        text = f"{type(value).__name__} of many levels"
    line = printable(re.sub(_BREAKS, " ", text).strip())
    return line if longest is None or len(line) <= longest else line[: max(0, longest - 1)] + "…"


def json_text(text: str) -> str:
    r"""Escape in a JSON document what a terminal would obey; it stays the same JSON.

    Args:
        text: The document, of which JSON's own rules keep most control characters out.

    Returns:
        The document, with escapes such as `\u009b`.
    """
    return re.sub(_UNPRINTABLE, lambda match: f"\\u{ord(match[0]):04x}", text)


def csv_cell(value: object) -> object:
    """Make a value harmless as a cell of a CSV file, which spreadsheets may take for a formula.

    Args:
        value: The value.

    Returns:
        A string that begins with `=`, `+`, `-`, `@`, a tab or a carriage return, with `'` before it, unless it is a
        plain number; all else as it is.

    Example:
        ```python
        writer.writerow({name: csv_cell(value) for name, value in result.to_row().items()})
        ```
    """
    if isinstance(value, str) and re.match(_FORMULA, value) and not re.fullmatch(_NUMBER, value):
        return f"'{value}"
    return value


def html_text(value: object, longest: int | None = None) -> str:
    """Escape a value for HTML, as one printable line.

    Args:
        value: The value.
        longest: How many characters it may have; see `one_line`.

    Returns:
        The escaped text.
    """
    from html import escape

    return escape(one_line(value, longest))


def html_table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Make a small HTML table, for a notebook.

    Args:
        caption: What stands above it.
        headings: The headings of the columns.
        rows: The cells, which are escaped and cut; `None` is an empty cell.

    Returns:
        The HTML.
    """
    head = "".join(f"<th>{html_text(heading)}</th>" for heading in headings)
    body = "".join(
        "<tr>" + "".join(f"<td>{'' if cell is None else html_text(cell, LONGEST_CELL)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return (
        f'<table><caption style="text-align: left">{html_text(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def shell_command(words: Iterable[object]) -> str:
    """Quote words so that a shell takes each as one argument, and runs none of them.

    Args:
        words: The program and its arguments.

    Returns:
        The command line, as one printable line.
    """
    import shlex

    return one_line(shlex.join(map(str, words)))
