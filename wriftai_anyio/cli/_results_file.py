"""The file of a batch's results: a line of JSON for each ended prediction, each once, however often it is run."""

import json
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wriftai_anyio.predictions import PredictionWithIO


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
        # Unbuffered: each line goes to the system whole, and a signal cannot come between two parts of it.
        self._file = path.open("a+b", buffering=0)
        try:
            self.indexes = self._read(path)
        except BaseException:
            self._file.close()
            raise

    def _read(self, path: Path) -> set[int]:
        indexes: set[int] = set()
        whole = 0
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                indexes.add(_index(line, path))
                whole += len(line)
        self._file.truncate(whole)
        return indexes

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
        self._file.write(line.encode("utf-8", "backslashreplace"))
        self.indexes.add(index)

    def __enter__(self) -> "ResultsFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()


def _index(line: bytes, path: Path) -> int:
    try:
        value: Any = json.loads(line)
        return int(value["index"])
    except (ValueError, TypeError, KeyError):
        raise ValueError(
            f"{path} holds something else than results: give another --out. It was left as it is."
        ) from None
