"""The file of a batch's results: a line for each ended prediction, each once, however often it is run."""

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
    """What a line of a results file says.

    Attributes:
        index: The number of the input.
        succeeded: Whether its prediction succeeded.
    """

    index: int
    succeeded: bool


class Format(ABC):
    """How results are written."""

    header: bytes = b""

    @abstractmethod
    def entry(self, line: bytes) -> Entry:
        """Reads a line.

        Raises:
            ValueError: If it is not a line of a result.
        """

    @abstractmethod
    def is_beginning(self, rest: bytes) -> bool:
        """Returns whether something may be a line of a result that was cut off."""

    @abstractmethod
    def line(self, index: int, prediction: "PredictionWithIO") -> str:
        """Writes a line."""

    def is_whole(self, line: bytes) -> bool:
        """Returns whether a line has ended."""
        return line.endswith(b"\n")


class JsonLines(Format):
    """A JSON object a line: `{"index": 0, "prediction": {…}}`."""

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
    """A row of CSV, as `BatchResult.to_row` makes it; a cell may have several lines."""

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
        """Returns whether the row has ended: outside of quotes."""
        return line.endswith(b"\n") and line.count(b'"') % 2 == 0


class ResultsFile:
    """Keeps the results of earlier runs, and adds those that are new.

    Args:
        path: The file; made if it does not exist, as CSV if its name ends in `.csv`. A last line that a kill cut off is
            taken away.
        retry_failed: Whether what did not succeed is taken away, since it is tried again.

    Attributes:
        indexes: The numbers of the inputs whose results are there.

    Raises:
        ValueError: If it holds anything but results. It is left as it was.
    """

    indexes: set[int]

    def __init__(self, path: Path, *, retry_failed: bool = False) -> None:
        self._path = path
        self._format: Format = CsvRows() if path.suffix.lower() == CSV_SUFFIX else JsonLines()
        # Unbuffered: each line goes to the system whole, and a signal cannot come between two parts of it.
        self._file = path.open("a+b", buffering=0)
        try:
            failed = self._read()
            if failed and retry_failed:
                self._drop_failed()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> bool:
        """Reads which results there are, and takes away what was cut off; returns whether some did not succeed."""
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
        """Yields the lines below the header, without a last one that was cut off."""
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
        """Puts a file of those that succeeded in the place of this one."""
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
        """Adds a result, unless it is there already.

        Args:
            index: The number of its input.
            prediction: The ended prediction.
        """
        if index in self.indexes:
            return
        # Half a surrogate pair, which UTF-8 does not know, becomes the escape that JSON has for it.
        self._write(self._format.line(index, prediction).encode("utf-8", "backslashreplace"))
        self.indexes.add(index)

    def _write(self, content: bytes) -> None:
        if self._file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))

    def __enter__(self) -> "ResultsFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
