"""Progress bars for waits, batches, uploads and downloads.

```python
with RichProgress() as progress, Client() as client:
    client.predictions.wait(prediction_id, WaitOptions(on_poll=progress.on_poll))
```
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TextIO

from ._progress.display import Display, Line, Unit
from ._types.prediction import Prediction, Status, is_terminal
from .batch import BatchResult
from .plain_text import one_line

if sys.version_info >= (3, 11):
    from typing import Self
else:
    from typing_extensions import Self  # anyio brings it there

if TYPE_CHECKING:
    from rich.console import Console
else:
    Console = Any  # rich is imported only when it draws; hints resolve all the same

__all__ = ["Progress", "RichProgress", "TqdmProgress"]

LONGEST_NAME: Final = 60
"""Characters of a name or a status on a line, whose ends may come from a server."""


class Progress(ABC):
    """What `RichProgress` and `TqdmProgress` have in common.

    Use it in `with`, around the waits, batches and transfers that it shows; several of them, in several threads, may
    use it at once. It writes to standard error; if that is not a terminal, it writes plain lines.

    Raises:
        ImportError: If the library that draws the bars is not installed.
    """

    def __init__(self) -> None:
        self._display: Display | None = None
        self._lines: dict[Line, None] = {}
        self._waits: dict[str, Line] = {}
        self._lock = Lock()

    @abstractmethod
    def _open_display(self) -> Display: ...

    async def async_on_poll(self, prediction: Prediction) -> None:
        """Show the status of a prediction, and how long it has been polled; for `AsyncWaitOptions`.

        A create that the server holds is not polled: set `duration=0`, too, to see its progress from the start.

        Args:
            prediction: The prediction.

        Raises:
            RuntimeError: Outside the `with` block.
        """
        self.on_poll(prediction)

    def on_poll(self, prediction: Prediction) -> None:
        """Show the status of a prediction, and how long it has been polled; for `WaitOptions`.

        A create that the server holds is not polled: set `duration=0`, too, to see its progress from the start.

        Args:
            prediction: The prediction.

        Raises:
            RuntimeError: Outside the `with` block.
        """
        with self._lock:
            line = self._waits.get(prediction["id"])
            if line is None:
                line = self._waits[prediction["id"]] = self._open(prediction["id"], Unit.STATUS)
            status = one_line(prediction["status"], LONGEST_NAME)
            if not is_terminal(prediction):
                line.show(0, None, status)
                return
            line.show(1, 1, status)
            line.end()
            del self._waits[prediction["id"]], self._lines[line]

    def transfer(self, name: str) -> Callable[[int, int | None], None]:
        """Make the `on_progress` callback of one upload or download, for blocking calls and coroutines.

        Args:
            name: The name to show, such as that of the file.

        Returns:
            A callback for one transfer; each transfer needs its own.

        Raises:
            RuntimeError: Outside the `with` block.

        Example:
            ```python
            client.files.upload(File(path), progress.transfer(path.name))
            ```
        """
        with self._lock:
            return _Transfer(self._open(name, Unit.BYTES)).move

    def async_batch(
        self, results: AsyncIterable[BatchResult], total: int | None = None, name: str = "batch"
    ) -> AsyncIterator[BatchResult]:
        """Show how many predictions of a batch have ended, and how many of them did not succeed.

        Args:
            results: The batch.
            total: The number of its inputs, if known.
            name: The name to show.

        Returns:
            An iterator over the batch's results.

        Raises:
            RuntimeError: Outside the `with` block.

        Example:
            ```python
            with RichProgress() as progress:
                async with client.predictions.async_batch(inputs, "sandbox/word-count") as results:
                    async for result in progress.async_batch(results, total=len(inputs)):
                        print(result.index, result.error)
            ```
        """
        return _CountedResults(results, self._count(total, name))

    def batch(
        self, results: Iterable[BatchResult], total: int | None = None, name: str = "batch"
    ) -> Iterator[BatchResult]:
        """Show how many predictions of a batch have ended, and how many of them did not succeed.

        Args:
            results: The batch.
            total: The number of its inputs, if known.
            name: The name to show.

        Returns:
            An iterator over the batch's results.

        Raises:
            RuntimeError: Outside the `with` block.

        Example:
            ```python
            with RichProgress() as progress:
                with client.predictions.batch(inputs, "sandbox/word-count") as results:
                    for result in progress.batch(results, total=len(inputs)):
                        print(result.index, result.error)
            ```
        """
        return _counted(results, self._count(total, name))

    def _count(self, total: int | None, name: str) -> "_Count":
        with self._lock:
            return _Count(self._open(name, Unit.PREDICTIONS), total)

    def _open(self, name: str, unit: Unit) -> Line:
        if self._display is None:
            raise RuntimeError(f"Use it as `with {type(self).__name__}() as progress:`, and inside the block.")
        line = self._display.open(one_line(name, LONGEST_NAME), unit)
        self._lines[line] = None
        return line

    def __enter__(self) -> Self:
        self._display = self._open_display()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            display, self._display = self._display, None
            for line in self._lines:
                line.end()
            self._lines.clear()
            self._waits.clear()
        if display is not None:
            display.close()


class _Transfer:
    def __init__(self, line: Line) -> None:
        self._line = line
        self._done = 0

    def move(self, delta: int, total: int | None) -> None:
        self._done += delta
        self._line.show(self._done, total)


class _Count:
    """Counts the results of a batch."""

    def __init__(self, line: Line, total: int | None) -> None:
        self._line = line
        self._total = total
        self._done = self._failed = 0
        self._show()

    def _show(self) -> None:
        self._line.show(self._done, self._total, f"{self._failed} failed" if self._failed else "")

    def add(self, result: BatchResult) -> None:
        self._done += 1
        self._failed += result.prediction is None or result.prediction["status"] != Status.succeeded
        self._show()

    def end(self) -> None:
        if self._total is None:
            self._total = self._done
            self._show()


def _counted(results: Iterable[BatchResult], count: _Count) -> Iterator[BatchResult]:
    for result in results:
        count.add(result)
        yield result
    count.end()


class _CountedResults(AsyncIterator[BatchResult]):
    def __init__(self, results: AsyncIterable[BatchResult], count: _Count) -> None:
        self._results = aiter(results)
        self._count = count

    async def __anext__(self) -> BatchResult:
        try:
            result = await anext(self._results)
        except StopAsyncIteration:
            self._count.end()
            raise
        self._count.add(result)
        return result


class RichProgress(Progress):
    """Progress bars drawn by rich (extra `progress`).

    Args:
        console: Where to draw; by default standard error.

    Raises:
        ImportError: If rich is not installed.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        _need("rich", type(self).__name__)
        self._console = console

    def _open_display(self) -> Display:
        from ._progress.rich_display import rich_display

        return rich_display(self._console)


class TqdmProgress(Progress):
    """Progress bars drawn by tqdm (extra `progress`).

    Args:
        file: Where to draw; by default standard error.

    Raises:
        ImportError: If tqdm is not installed.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        super().__init__()
        _need("tqdm", type(self).__name__)
        self._file = file

    def _open_display(self) -> Display:
        from ._progress.tqdm_display import tqdm_display

        return tqdm_display(self._file)


def _need(library: str, user: str) -> None:
    if find_spec(library) is None:
        raise ImportError(f"{user} needs {library}: pip install 'wriftai-anyio[progress]'")
