"""Downloads the files of a batch, for several outputs at once."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from wriftai_anyio.predictions import PredictionWithIO

OUTPUTS_AT_ONCE: Final = 4
"""Each output may have several files, which are also downloaded at once."""


@dataclass(frozen=True)
class Saved:
    """A result whose files were downloaded, or failed to be."""

    index: int
    prediction: "PredictionWithIO"
    output: Future[object]


class Saves:
    """Downloads the files of outputs in threads, and returns the results in order, each once its files are saved.

    Leaving the block does not wait for the downloads under way: closing the client ends them.

    Args:
        save: Takes an output and the number of its input, and returns the output with paths in place of addresses.
    """

    def __init__(self, save: Callable[[object, int], object]) -> None:
        self._save = save
        self._threads = ThreadPoolExecutor(OUTPUTS_AT_ONCE)
        self._pending: deque[Saved] = deque()

    def begin(self, index: int, prediction: "PredictionWithIO") -> Iterator[Saved]:
        """Starts to download the files of a result.

        Args:
            index: The number of its input.
            prediction: The ended prediction.

        Yields:
            Results that have ended meanwhile. If too many are under way, it waits for the first.
        """
        output = self._threads.submit(self._save, prediction.get("output"), index)
        self._pending.append(Saved(index, prediction, output))
        while len(self._pending) > OUTPUTS_AT_ONCE or (self._pending and self._pending[0].output.done()):
            yield self._pending.popleft()

    def rest(self) -> Iterator[Saved]:
        """Yields the results still under way, each once it has ended."""
        while self._pending:
            yield self._pending.popleft()

    def __enter__(self) -> "Saves":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
