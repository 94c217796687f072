"""The results file of a batch: one line for each ended prediction, however often the batch is run."""

import csv
import errno
import io
import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn

from wriftai_anyio.json_codec import decode_json, encode_json
from wriftai_anyio.plain_text import csv_cell

from ._answers import at
from ._input_files import CSV_SUFFIX

if TYPE_CHECKING:
    from wriftai_anyio.predictions import PredictionWithIO

_SUCCEEDED: Final = "succeeded"
_COLUMNS: Final = ("index", "id", "status", "output", "error", "setup_time", "execution_time")


@dataclass(frozen=True)
class Entry:
    """A line of a results file.

    Attributes:
        index: The number of the input.
        succeeded: Whether its prediction succeeded.
    """

    index: int
    succeeded: bool


class Format(ABC):
    """A format of results."""

    header: bytes = b""

    @abstractmethod
    def entry(self, line: bytes) -> Entry:
        """Reads a line.

        Raises:
            ValueError: If it is not a line of a result.
        """

    @abstractmethod
    def is_beginning(self, rest: bytes) -> bool:
        """Returns whether something may be the beginning of a line that was cut off."""

    @abstractmethod
    def line(self, index: int, prediction: "PredictionWithIO") -> str:
        """Writes a line."""

    def is_whole(self, line: bytes) -> bool:
        """Returns whether a line has ended."""
        return line.endswith(b"\n")


class JsonLines(Format):
    """One JSON object per line: `{"index": 0, "prediction": {…}}`."""

    _BEGINNING: Final = b'{"index": '

    def entry(self, line: bytes) -> Entry:
        """Reads a line; see the base."""
        try:
            value: Any = decode_json(line)
            index = int(value["index"])
        except (TypeError, KeyError):
            raise ValueError("not a result") from None
        return Entry(index, at(value, "prediction", "status") == _SUCCEEDED)

    def is_beginning(self, rest: bytes) -> bool:
        """Returns whether it begins as a line does."""
        return rest.startswith(self._BEGINNING) or self._BEGINNING.startswith(rest)

    def line(self, index: int, prediction: "PredictionWithIO") -> str:
        """Writes a line; see the base."""
        return encode_json({"index": index, "prediction": prediction}, ensure_ascii=False) + "\n"


class CsvRows(Format):
    """Rows of CSV, as `BatchResult.to_row` makes them; a cell may have several lines."""

    header = ",".join(_COLUMNS).encode() + b"\n"
    _BEGINNING: Final = re.compile(rb"\d+(,.*)?", re.DOTALL)

    def entry(self, line: bytes) -> Entry:
        """Reads a row; see the base."""
        if not self._BEGINNING.fullmatch(line.rstrip(b"\n")):
            raise ValueError("not a result")
        cells = next(csv.reader(io.StringIO(line.decode(errors="replace"), newline="")))
        if len(cells) != len(_COLUMNS):
            raise ValueError("not a result")
        return Entry(int(cells[0]), cells[2] == _SUCCEEDED)

    def is_beginning(self, rest: bytes) -> bool:
        """Returns whether it begins as a row does."""
        return self._BEGINNING.fullmatch(rest) is not None

    def line(self, index: int, prediction: "PredictionWithIO") -> str:
        """Writes a row; see the base."""
        from wriftai_anyio import BatchResult

        row = BatchResult(index, {}, prediction, None).to_row()
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerow([csv_cell(row[name]) for name in _COLUMNS])
        return text.getvalue()

    def is_whole(self, line: bytes) -> bool:
        """Returns whether the row has ended, outside of quotes."""
        return line.endswith(b"\n") and line.count(b'"') % 2 == 0


class ResultsFile:
    """Keeps the results of earlier runs, and adds new ones.

    Args:
        path: The file; it is created if it does not exist, as CSV if its name ends in `.csv`. A last line that a kill
            cut off is removed.
        retry_failed: Whether to remove results that did not succeed, since they are tried again.

    Attributes:
        indexes: The numbers of the inputs whose results are in the file.

    Raises:
        ValueError: If it contains anything but results. It is left unchanged.
    """

    indexes: set[int]

    def __init__(self, path: Path, *, retry_failed: bool = False) -> None:
        self._path = path
        self._format: Format = CsvRows() if path.suffix.lower() == CSV_SUFFIX else JsonLines()
        # Unbuffered: each line is written in one call, so that a signal cannot cut it in two.
        self._file = path.open("a+b", buffering=0)
        try:
            failed = self._read()
            if failed and retry_failed:
                self._drop_failed()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> bool:
        """Reads the results, and removes a line that was cut off; returns whether some results did not succeed."""
        self.indexes = set()
        whole, failed = len(self._format.header), False
        for line in self._lines():
            try:
                entry = self._format.entry(line)
            except ValueError:
                self._refuse()
            failed |= not entry.succeeded
            self.indexes.add(entry.index)
            whole += len(line)
        self._file.truncate(whole)
        if not self.indexes:
            self._file.truncate(0)
            self._write(self._format.header)
        return failed

    def _lines(self) -> Iterator[bytes]:
        """Yields the lines below the header, without a last line that was cut off."""
        with self._path.open("rb") as file:
            header = file.readline() if self._format.header else b""
            if header != self._format.header:
                if self._format.header.startswith(header) and not file.read(1):
                    return
                self._refuse()
            line = b""
            for part in file:
                line += part
                if self._format.is_whole(line):
                    yield line
                    line = b""
        if line and not self._format.is_beginning(line):
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValueError(f"{self._path} holds something other than results: give another --out. It was left as it is.")

    def _drop_failed(self) -> None:
        """Replaces the file with one that has only the results that succeeded."""
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            Path(temporary).chmod(self._path.stat().st_mode & 0o777)
            with open(descriptor, "wb") as file:  # noqa: PTH123 -- a descriptor, not a path
                self._keep_succeeded(file)
            Path(temporary).replace(self._path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        self._file.close()
        self._file = self._path.open("a+b", buffering=0)

    def _keep_succeeded(self, file: BinaryIO) -> None:
        self.indexes = set()
        file.write(self._format.header)
        for line in self._lines():
            entry = self._format.entry(line)
            if entry.succeeded:
                file.write(line)
                self.indexes.add(entry.index)

    def add(self, index: int, prediction: "PredictionWithIO") -> None:
        """Adds a result, unless it is already there.

        Args:
            index: The number of its input.
            prediction: The ended prediction.
        """
        if index in self.indexes:
            return
        # Half of a surrogate pair, which UTF-8 cannot encode, is written as its JSON escape.
        self._write(self._format.line(index, prediction).encode("utf-8", "backslashreplace"))
        self.indexes.add(index)

    def _write(self, content: bytes) -> None:
        if self._file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def __enter__(self) -> "ResultsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
