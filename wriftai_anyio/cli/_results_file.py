"""The file of a batch's results: a line of JSON for each ended prediction, each once, however often it is run."""

import errno
import json
import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from wriftai_anyio.predictions import PredictionWithIO


_BEGINNING: Final = b'{"index": '


class ResultsFile:
    """Keeps the results of earlier runs, and adds those that are new.

    Args:
        path: The file; made if it does not exist. A last line that a kill cut off is taken away.

    Attributes:
        indexes: The numbers of the inputs whose results are there.

    Raises:
        ValueError: If it holds anything but results. It is left as it was.
    """

    indexes: set[int]

    def __init__(self, path: Path) -> None:
        self._path = path
        # Unbuffered: each line goes to the system whole, and a signal cannot come between two parts of it.
        self._file = path.open("a+b", buffering=0)
        try:
            self.indexes = self._read()
        except BaseException:
            self._file.close()
            raise

    def _read(self) -> set[int]:
        indexes: set[int] = set()
        whole = 0
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n") and (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
                    break
                indexes.add(self._index(line))
                whole += len(line)
        self._file.truncate(whole)
        return indexes

    def _index(self, line: bytes) -> int:
        try:
            value: Any = json.loads(line)
            return int(value["index"])
        except (ValueError, TypeError, KeyError):
            text = f"{self._path} holds something else than results: give another --out. It was left as it is."
            raise ValueError(text) from None

    def add(self, index: int, prediction: "PredictionWithIO") -> None:
        """Adds a result, unless it is there already.

        Args:
            index: The number of its input.
            prediction: The ended prediction.
        """
        if index in self.indexes:
            return
        line = json.dumps({"index": index, "prediction": prediction}, ensure_ascii=False) + "\n"
        # Half a surrogate pair, which UTF-8 does not know, becomes the escape that JSON has for it.
        content = line.encode("utf-8", "backslashreplace")
        if self._file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self.indexes.add(index)

    def __enter__(self) -> "ResultsFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()
