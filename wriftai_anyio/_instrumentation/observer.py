"""Observes predictions from their creates to their ends, if the client has a tracer."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol, TypeAlias

Told: TypeAlias = Mapping[str, object]
"""A prediction as far as it is known: it has an `id`, and perhaps other fields."""


class Outlined(Protocol):
    """A create."""

    @property
    def outline(self) -> Mapping[str, str | bool]:
        """What it asks for: the `model`, and options."""
        ...


class Observer(Protocol):
    """Observes the predictions of one client, on any thread and event loop. It never raises."""

    def creating(self, create: Outlined) -> AbstractContextManager[Callable[[Told], None]]:
        """Observes a create.

        Returns:
            What the create runs in, and perhaps the wait for its prediction; it gives what is to be called with the
            new prediction.
        """
        ...

    def following(self, prediction_id: str) -> AbstractContextManager[object]:
        """Observes a wait.

        Returns:
            What the wait runs in. To leave it with an exception is to leave the prediction; without one, somebody may
            follow it further.
        """
        ...

    def seen(self, prediction: Told) -> None:
        """Notes a state of a prediction that the server has sent."""
        ...

    def left(self, prediction_id: str) -> None:
        """Notes that a prediction that was followed step by step is not followed any more."""
        ...

    def close(self) -> None:
        """Notes that the client is closed, and that no prediction is followed any more."""
        ...


class ObserverSource(Protocol):
    """Makes an observer for each client."""

    def observer(self) -> Observer:
        """Makes an observer for one client."""
        ...


def _ignore(_: Told) -> None:
    """Ignores it."""


class _Nobody:
    """Observes nothing."""

    _creating: Final = nullcontext(_ignore)
    _following: Final = nullcontext()

    def creating(self, create: Outlined) -> AbstractContextManager[Callable[[Told], None]]:
        del create
        return self._creating

    def following(self, prediction_id: str) -> AbstractContextManager[object]:
        del prediction_id
        return self._following

    def seen(self, prediction: Told) -> None:
        """Ignores it."""

    def left(self, prediction_id: str) -> None:
        """Ignores it."""

    def close(self) -> None:
        """Does nothing."""


NOBODY: Final[Observer] = _Nobody()
"""The observer of clients without a tracer."""
