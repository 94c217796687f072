"""Makes text from outside harmless where it is shown: a terminal, a log, a spreadsheet, a page, a shell.

What a server, a model or another user wrote may contain escape sequences that control a terminal, line breaks that
forge a log line, formulas, or HTML. Everything that the package itself shows goes through these functions.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

__all__ = ["csv_cell", "html_table", "html_text", "json_text", "one_line", "printable", "shell_command"]

_DIRECTIONS: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of text, which can make it show other words than it contains."""
# A match starts only at the first of several blanks: starting at each would take quadratic time.
# Strings, which `re` compiles on first use: compiling them on import would add 3 ms to each start.
_BREAKS: Final = "(?<![ \t])[ \t]*(?:\r\n|[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029])[ \t]*"
# Lone surrogates are among them: JSON can express them, but UTF-8 cannot, so a page or a log could not be written.
_UNPRINTABLE: Final = f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_DIRECTIONS}]"
_FORMULA: Final = r"[=+\-@\t\r\uff0b\uff0d\uff1d\uff20]"
"""How a cell begins that spreadsheets evaluate; the wide forms come from Chinese and Japanese keyboards."""
_NUMBER: Final = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"

LONGEST_CELL: Final = 120
"""Characters of a cell of an HTML table."""


def printable(text: str) -> str:
    """Replace all control characters but line breaks and tabs, for a terminal.

    Args:
        text: The text.

    Returns:
        The text with U+FFFD in place of each C0 or C1 control character, DEL, each character that changes the direction
        of text, and each lone surrogate.
    """
    return re.sub(_UNPRINTABLE, "\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def one_line(value: object, longest: int | None = None) -> str:
    """Make one printable line of a value, for a log, a table or a progress bar.

    Args:
        value: The value; it is converted to a string. An integer with more digits than Python writes becomes
            hexadecimal.
        longest: How many characters the line may have; a longer one is cut, and ends in `…`. By default it is not cut.

    Returns:
        The line. Each line break or tab becomes a single space, with the spaces around it; the rest is as in
        `printable`.
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
    r"""Escape the characters in a JSON document that a terminal would obey; its value stays the same.

    Args:
        text: The document. JSON itself already forbids most control characters.

    Returns:
        The document, with escapes such as `\u009b`.
    """
    return re.sub(_UNPRINTABLE, lambda match: f"\\u{ord(match[0]):04x}", text)


def csv_cell(value: object) -> object:
    """Make a value safe for a cell of a CSV file, so that spreadsheets do not take it for a formula.

    Args:
        value: The value.

    Returns:
        A string that begins with `=`, `+`, `-`, `@`, a tab or a carriage return gets a `'` in front, unless it is a
        plain number; anything else is returned as is.

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
        caption: The text above the table.
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
