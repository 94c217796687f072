"""State that belongs to one event loop, and lives as long as that."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from anyio.lowlevel import RunVar, current_token

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Holds one value for each event loop, made when first asked for.

    `anyio.lowlevel.RunVar` keeps its values in a dictionary whose weak keys are the event loops. A value that leads to
    its event loop, such as one with connections, would keep that alive, and itself. asyncio's loops are closed without
    a word to us (`loop.close()` alone), so there the value is an attribute of the loop: both are collected together.
    trio always closes what is open first, and its tokens have no attributes.

    Args:
        name: The name of the attribute.
        make: Makes a value.
    """

    def __init__(self, name: str, make: Callable[[], T]) -> None:
        self._name = name
        self._make = make
        self._run_var: RunVar[T] = RunVar(name)

    def get(self) -> T:
        """Returns the value of the event loop that runs here."""
        loop = current_token().native_token
        attributes: dict[str, Any] | None = getattr(loop, "__dict__", None)
        if attributes is None:
            return self._in_run_var()
        value: T | None = attributes.get(self._name)
        if value is None:
            value = attributes[self._name] = self._make()
        return value

    def _in_run_var(self) -> T:
        try:
            return self._run_var.get()
        except LookupError:
            value = self._make()
            self._run_var.set(value)
            return value
