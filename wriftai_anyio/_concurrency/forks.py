"""State that belongs to one process, so that the child of a fork starts afresh; and imports that forks wait for."""

import importlib
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any, Final, Generic, TypeVar

from . import system

T = TypeVar("T")

# These register fork handlers that take locks, so they must not be imported for the first time while a fork waits
# below.
for _name in ("logging", "concurrent.futures.thread"):
    importlib.import_module(_name)

_no_fork: Final = threading.RLock()
_get_ident: Final = threading.get_ident
_owner: Final = threading.Condition(_no_fork)
"""Never waited on: it knows whether this thread holds the lock."""


class _Process:
    forks = 0
    """How many forks lead from the first process to this one, as far as Python knows."""


def _this_process() -> tuple[int, int]:
    # The process id (a system call, 0.25 µs) as well, since uWSGI forks without telling Python. Not the id alone: ids
    # are reused, for example in containers.
    return _Process.forks, os.getpid()


def _begin_child() -> None:
    _Process.forks += 1
    with suppress(RuntimeError):  # uWSGI's `py-call-osafterfork` calls this without the handlers that run before a fork
        _no_fork.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_no_fork.acquire, after_in_parent=_no_fork.release, after_in_child=_begin_child)

_inherited: list[object] = []
"""What a forked child must neither close nor collect: its parent still uses it."""


class PerProcess(Generic[T]):
    """Holds one value for each process, made when first asked for.

    A forked child has none of its parent's threads, and a lock may have been held at the moment of the fork.
    So the child gets its own value, with new locks.
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
    """Returns a context manager: forks in other threads, and other such blocks, wait for the end of its block.

    If one thread imports a module while another one forks, the child can never import that module: it finds it
    half-initialized, and its lock held by a thread that the child does not have.
    """
    # The lock itself: with a generator around it, Ctrl-C could leave the lock held for as long as the traceback exists.
    return _no_fork


def refuse_while_importing() -> None:
    """Raises if this thread is inside a block of `forks_wait`.

    Code that interrupts a first call (a signal handler, a finalizer) finds modules half-initialized, and no other
    thread can import anything until it returns, not even the thread of the blocking calls, which it would wait for.

    Raises:
        RuntimeError: If such a block was interrupted.
    """
    if threading.get_ident is not _get_ident:
        return  # gevent has patched it since the import: its greenlets share a thread, and so this lock
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
    """Holds a value that needs slow imports, made when first asked for.

    One thread makes it, while other threads and forks wait. If that is interrupted, the next one to ask starts over.

    Args:
        make: Makes the value.
        needed: Another value that is made before it.
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
            RuntimeError: If it does not exist yet, and Python has shut down or this call interrupts an import.
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
        """Adds an import that runs before anybody gets the value.

        Args:
            import_more: Does the import; must be safe to repeat.
        """
        self._imports.append(import_more)

    def when_made(self, function: Callable[[T], None]) -> None:
        """Calls a function with the value: now if there is one, else as soon as there is, in the thread that makes it.

        Args:
            function: What to call. It must be safe to repeat: if the value is made meanwhile, it is called twice.
        """
        self._when_made.append(function)
        if self._value is not None:
            function(self._value)
