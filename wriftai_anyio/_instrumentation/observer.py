"""Who looks on at predictions, from their creates to their ends: nobody, unless the client has a tracer."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol, TypeAlias

Told: TypeAlias = Mapping[str, object]
"""A prediction as far as it was told: it has an `id`; what else it has may be anything."""


class Outlined(Protocol):
    """A create."""

    @property
    def outline(self) -> Mapping[str, str | bool]:
        """What it asks for: the `model`, and options."""
        ...


class Observer(Protocol):
    """Looks on at the predictions of one client, on any thread and event loop. It raises nothing."""

    def creating(self, create: Outlined) -> AbstractContextManager[Callable[[Told], None]]:
        """Looks on at a create.

        Returns:
            What the create runs in, and perhaps the wait for its prediction; it gives what is to be called with the
            new prediction.
        """
        ...

    def following(self, prediction_id: str) -> AbstractContextManager[object]:
        """Looks on at a wait.

        Returns:
            What the wait runs in. To leave it with an exception is to leave the prediction; without one, somebody may
            follow it further.
        """
        ...

    def seen(self, prediction: Told) -> None:
        """Takes in a state of a prediction, from whatever the server said."""
        ...

    def left(self, prediction_id: str) -> None:
        """Takes in that somebody who followed a prediction now and then does so no longer."""
        ...

    def close(self) -> None:
        """Takes in that nobody will follow any prediction any more."""
        ...


class ObserverSource(Protocol):
    """Makes an observer for each client."""

    def observer(self) -> Observer:
        """Makes an observer for one client."""
        ...


def _ignore(_: Told) -> None:
    """Takes in what nobody wants to know."""


class _Nobody:
    """Looks on at nothing."""

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
"""Stands for an observer where there is none."""
