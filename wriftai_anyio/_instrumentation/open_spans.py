"""The open traces of predictions: those that are followed, and those that are kept until they are followed again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.bounded_dict import BoundedDict

T = TypeVar("T")

MOST_KEPT: Final = 10_000
"""Traces that are kept of predictions that are not followed at the moment."""
LONGEST_KEPT: Final = 3600.0
"""Seconds for which they are kept: a prediction runs half an hour at most."""
REMEMBERED: Final = 10_000
"""Ended predictions that are remembered, so that a look at one begins no second trace."""


class _Entry(Generic[T]):
    def __init__(self, trace: T) -> None:
        self.trace = trace
        self.followers = 1
        self.kept_at = 0.0


class TraceTable(Generic[T]):
    """Keeps the open traces by the ids of their predictions, each until its end is seen or it is left.

    Its size is bounded by the predictions that are followed, and by limits on the number and age of kept traces.
    Safe to use from several threads.
    """

    def __init__(self) -> None:
        # Making a trace runs code of the user's, which may call the client.
        self._lock = threading.RLock()
        self._followed: dict[str, _Entry[T]] = {}
        self._kept: OrderedDict[str, _Entry[T]] = OrderedDict()
        self._ended: BoundedDict[str, None] = BoundedDict(REMEMBERED)
        self._closed = False

    def begin(self, prediction_id: str, trace: T) -> None:
        """Adds the trace of a new prediction, which its creator follows."""
        with self._lock:
            self._followed[prediction_id] = _Entry(trace)

    def follow(self, prediction_id: str, make: Callable[[], T]) -> T | None:
        """Returns the trace of a prediction that is followed from now on; makes one if there is none.

        Returns:
            The trace; `None` if the prediction is known to have ended.
        """
        with self._lock:
            if prediction_id in self._ended:
                return None
            entry = self._followed.get(prediction_id)
            if entry is not None:
                entry.followers += 1
                return entry.trace
            entry = self._kept.pop(prediction_id, None)
            if entry is None:
                entry = _Entry(make())
            entry.followers = 1
            self._followed[prediction_id] = entry
            return entry.trace

    def leave(self, prediction_id: str, *, keep: bool) -> tuple[bool, list[T]]:
        """Notes that a prediction has one follower less.

        Args:
            prediction_id: The prediction.
            keep: Whether its trace is kept for the next follower, if this was the last one.

        Returns:
            Whether its trace was removed; and the traces that were kept before and are no longer.
        """
        with self._lock:
            entry = self._followed.get(prediction_id)
            if entry is None:
                return False, []
            entry.followers -= 1
            if entry.followers:
                return False, []
            del self._followed[prediction_id]
            if not keep:
                return True, []
            entry.kept_at = system.monotonic()
            self._kept[prediction_id] = entry
            return False, self._forget()

    def find(self, prediction_id: str) -> T | None:
        """Returns the open trace of a prediction."""
        with self._lock:
            entry = self._followed.get(prediction_id) or self._kept.get(prediction_id)
            return entry.trace if entry else None

    def end(self, prediction_id: str) -> T | None:
        """Removes the open trace of a prediction that has ended, and returns it."""
        with self._lock:
            entry = self._followed.pop(prediction_id, None) or self._kept.pop(prediction_id, None)
            if entry is None:
                return None
            self._ended[prediction_id] = None
            return entry.trace

    def drop(self, prediction_id: str) -> T | None:
        """Removes the trace of a prediction that is not followed, and returns it."""
        with self._lock:
            entry = self._kept.pop(prediction_id, None)
            return entry.trace if entry else None

    def close(self) -> list[T]:
        """Removes the traces of predictions that are not followed, and returns them; none is kept from now on."""
        with self._lock:
            self._closed = True
            return self._forget()

    def _forget(self) -> list[T]:
        forgotten: list[T] = []
        begin = system.monotonic() - LONGEST_KEPT
        while self._kept:
            first = next(iter(self._kept.values()))
            if not self._closed and len(self._kept) <= MOST_KEPT and first.kept_at >= begin:
                break
            forgotten.append(self._kept.popitem(last=False)[1].trace)
        return forgotten
