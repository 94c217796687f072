"""Limits what a failing batch may cost: inputs wait until one has succeeded, and stop after too many failures."""

from collections import Counter

import anyio

from wriftai_anyio._parsing.arguments import shown
from wriftai_anyio.errors import BatchStoppedError


class FailureLimit:
    """Counts the outcomes of inputs, and admits further ones.

    Args:
        max_failures: How many may fail; `None` for no limit.

    Raises:
        ValueError: If that is not a whole number from 1.
    """

    def __init__(self, max_failures: int | None) -> None:
        if max_failures is not None and (type(max_failures) is not int or max_failures < 1):
            raise ValueError(f"max_failures must be a whole number from 1, or None, not {shown(max_failures)}.")
        self._most = max_failures
        self._failures: Counter[str] = Counter()
        self._succeeded = 0
        self._under_way = 0
        self._changed = anyio.Event()

    @property
    def is_closed(self) -> bool:
        """Whether no more inputs are admitted."""
        return self._most is not None and self._failures.total() >= self._most

    async def admit(self) -> bool:
        """Waits until one more input may be created, and returns `False` if none may any more."""
        while not self.is_closed and self._holds_back():
            await self._changed.wait()
        return not self.is_closed

    def _holds_back(self) -> bool:
        # What fails and what is under way count together: else failures would make room for as many again.
        if self._most is None or self._succeeded:
            return False
        return self._under_way + self._failures.total() >= self._most

    def begin(self) -> None:
        """Notes that an input is under way."""
        self._under_way += 1

    def end(self, failure: str | None, *, is_free: bool) -> None:
        """Notes the outcome of an input that was under way.

        Args:
            failure: Its status, or the name of its error; `None` if it succeeded.
            is_free: Whether nothing was created for it, because its result is from an earlier run or an equal input:
                then a failure does not count.
        """
        self._under_way -= 1
        if failure is None:
            self._succeeded += 1
        elif not is_free:
            self._failures[failure] += 1
        self._changed.set()
        self._changed = anyio.Event()

    @property
    def counts(self) -> dict[str, int]:
        """How many inputs are under way, have succeeded, and have failed with each status or error."""
        return {"under way": self._under_way, "succeeded": self._succeeded, **self._failures}

    def error(self) -> BatchStoppedError | None:
        """Returns why the batch was stopped, if it was."""
        return BatchStoppedError(self._failures, self._succeeded) if self.is_closed else None
