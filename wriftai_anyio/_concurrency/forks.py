"""State that belongs to one process: after a fork, the child starts afresh. And imports, for which forks wait."""

import importlib
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, Generic, TypeVar

from . import system

T = TypeVar("T")

# They lock for a fork and unlock after it: nobody must import them, and so join in, while a fork waits below.
for _name in ("logging", "concurrent.futures.thread"):
    importlib.import_module(_name)

_no_fork: Final = threading.RLock()
_get_ident: Final = threading.get_ident
_owner: Final = threading.Condition(_no_fork)
"""Never waited for: it knows whether this thread holds the lock."""


class _Process:
    forks = 0
    """How many forks lead from the first process to this one, as far as Python knows."""


def _this_process() -> tuple[int, int]:
    # By the id (a system call, 0.25 µs) as well: uWSGI forks without a word to Python. Ids alone come again, such as in
    # the containers of a process.
    return _Process.forks, os.getpid()


def _begin_child() -> None:
    _Process.forks += 1
    with suppress(RuntimeError):  # uWSGI's `py-call-osafterfork` calls this without what comes before a fork
        _no_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_no_fork.acquire, after_in_parent=_no_fork.release, after_in_child=_begin_child)

_inherited: list[object] = []
"""What children of a fork must never close, nor collect: their parent still uses it."""


class PerProcess(Generic[T]):
    """Holds one value for each process, made when first asked for.

    A forked child has none of its parent's threads, and a lock may have been held at the moment of the fork.
    So the child gets a value of its own, with new locks.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._values: dict[tuple[int, int], T] = {}

    def get(self) -> T:
        """Returns this process's value; safe from any thread."""
        process = _this_process()
        value = self._values.get(process)
        if value is None:
            _inherited.extend(self._values.values())
            value = self._values.setdefault(process, self._make())
        return value

    def peek(self) -> T | None:
        """Returns this process's value if there is one already."""
        return self._values.get(_this_process())


def forks_wait() -> AbstractContextManager[object]:
    """Returns a block for which forks of other threads, and other such blocks, wait.

    What one thread imports while another one forks, the child can never import: it finds the module half made, and
    its lock held by a thread that the child does not have.
    """
    # The lock itself: in a generator around it, Ctrl-C could leave the lock held for as long as the traceback is kept.
    return _no_fork


def refuse_while_importing() -> None:
    """Raises inside a block of `forks_wait` of this thread.

    What interrupts a first call (a signal handler, a finalizer) finds modules half made, and no other thread can
    import anything until it returns: neither could the thread of the blocking calls, for which it would wait.

    Raises:
        RuntimeError: If such a block was interrupted.
    """
    if threading.get_ident is not _get_ident:
        return  # gevent has patched it since: its greenlets share a thread, and so this lock
    try:
        _owner.notify(0)
    except RuntimeError:
        return
    raise RuntimeError(
        "This thread was interrupted, such as by a signal handler or a finalizer, while it imports what calls need: "
        "no other call can begin in it before that has ended. Nothing was sent. Make a first call earlier, before "
        "what interrupts is set up, or leave this call to what was interrupted."
    )


class Late(Generic[T]):
    """Holds a value whose making imports what takes long, made when first asked for.

    One thread makes it, while other threads and forks wait. If that is interrupted, the next to ask begins again.

    Args:
        make: Makes the value.
        needed: What is made before it.
    """

    def __init__(self, make: Callable[[], T], needed: "Late[Any] | None" = None) -> None:
        self._make = make
        self._needed = needed
        self._value: T | None = None
        self._imports: list[Callable[[], object]] = []
        self._when_made: list[Callable[[T], None]] = []

    def get(self) -> T:
        """Returns the value; safe from any thread.

        Raises:
            RuntimeError: If it was not made before, and Python has shut down, or this interrupts an import.
        """
        value = self._value
        return self._made() if value is None else value

    def _made(self) -> T:
        system.refuse_after_shutdown()  # nothing can be imported any more
        if self._needed is not None:
            self._needed.get()
        refuse_while_importing()
        with forks_wait():
            value = self._value
            if value is None:
                value = self._make()
                for import_more in self._imports:
                    import_more()
                self._value = value
                for function in self._when_made:
                    function(value)
        return value

    def import_with_it(self, import_more: Callable[[], object]) -> None:
        """Imports more before anybody gets the value.

        Args:
            import_more: What imports it, which must be safe to repeat.
        """
        self._imports.append(import_more)

    def when_made(self, function: Callable[[T], None]) -> None:
        """Calls a function with the value: now, or else as soon as there is one, in the thread that made it.

        Args:
            function: What to call, which must be safe to repeat: if the value is made meanwhile, it is called twice.
        """
        self._when_made.append(function)
        if self._value is not None:
            function(self._value)
