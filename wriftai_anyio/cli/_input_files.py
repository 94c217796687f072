"""Reads the inputs of a batch from a file: JSON lines, or the rows of a CSV file."""

import csv
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ._inputs import json_or_text, parse_json

if TYPE_CHECKING:
    from wriftai_anyio.common_types import JsonValueWithFile

CSV_SUFFIX: Final = ".csv"
_LONGEST_CELL: Final = 2**31 - 1
"""The largest limit that Python accepts on every system; its default is 131,072 characters."""
_DELIMITERS: Final = ",;\t"


def is_csv(path: Path) -> bool:
    """Returns whether a file contains rows of CSV rather than lines of JSON."""
    return path.suffix.lower() == CSV_SUFFIX


def read_inputs(
    path: Path, texts: Container[str] = (), on_empty: Callable[[int], None] | None = None
) -> "Iterator[JsonValueWithFile]":
    """Reads the inputs one by one.

    Args:
        path: A file of JSON lines; or, if its name ends in `.csv`, of rows below a header with the names of fields. An
            empty cell leaves the field out; any other is text if its field is in `texts`, and otherwise JSON if it is
            valid JSON. A row with only empty cells, such as spreadsheets add at the end, is not an input.
        texts: The fields of a CSV file whose cells are always text, even `007`, `true` or `1.10`.
        on_empty: Called with the line number of each row with only empty cells.

    Raises:
        ValueError: If a line or row is not valid.
        OSError: If the file cannot be read.
    """
    try:
        yield from _rows(path, texts, on_empty) if is_csv(path) else _lines(path)
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8: save it as UTF-8.") from None


def _lines(path: Path) -> "Iterator[JsonValueWithFile]":
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                yield parse_json(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}, is not JSON: {error}.") from None


def _rows(path: Path, texts: Container[str], on_empty: Callable[[int], None] | None) -> "Iterator[JsonValueWithFile]":
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = file.readline()
        file.seek(0)
        # Excel writes semicolons in locales with a decimal comma.
        reader = csv.reader(file, delimiter=max(_DELIMITERS, key=header.count), strict=True)
        try:
            names = next(reader, list[str]())
            _check_names(path, names)
            for cells in reader:
                if len(cells) > len(names):
                    raise ValueError(f"{path}, line {reader.line_num}, has {len(cells)} cells for {len(names)} fields.")
                given = {name: cell for name, cell in zip(names, cells, strict=False) if cell}
                if given:
                    yield {name: cell if name in texts else json_or_text(cell) for name, cell in given.items()}
                elif len(cells) == len(names) == 1:
                    yield {names[0]: ""}  # written as quotes, since an empty line has no cell
                elif cells and on_empty is not None:
                    on_empty(reader.line_num)
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}, is not CSV: {error}.") from None


def _check_names(path: Path, names: list[str]) -> None:
    if not names or not all(names):
        raise ValueError(f"The first line of {path} must name the fields of the input.")
    if len(set(names)) < len(names):
        raise ValueError(f"The first line of {path} names a field twice.")
