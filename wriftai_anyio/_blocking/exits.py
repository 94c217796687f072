"""What happens to the portals when the interpreter exits.

A separate module, imported with the client: `atexit` runs first what was registered last, so functions that a user
registers after that import may use the client. The portals' own module is imported with the first call.
"""

import atexit
import contextlib
import threading
import weakref
from typing import Protocol


class Stoppable(Protocol):
    """A portal, as its end is seen from here."""

    @property
    def is_open(self) -> bool:
        """Whether no stop was requested."""
        ...

    def request_stop(self) -> None:
        """Asks its thread to end."""

    def stop(self) -> None:
        """Ends its thread."""

    def reopen(self) -> None:
        """Lets the next call begin anew."""


_running: "weakref.WeakSet[Stoppable]" = weakref.WeakSet()
_exit_begun = threading.Event()


def stop_at_exit(portal: Stoppable) -> None:
    """Stops a portal when the interpreter exits, if it is still there then."""
    _running.add(portal)


def is_daemon_at_exit() -> bool:
    """Whether the interpreter exits, and nobody waits for this thread."""
    return _exit_begun.is_set() and threading.current_thread().daemon


@atexit.register
def _stop_all() -> None:
    _exit_begun.set()
    portals = list(_running)
    left_open = [portal for portal in portals if portal.is_open]
    with contextlib.suppress(KeyboardInterrupt):  # of one who does not wait for the end; Python would print it
        for portal in portals:
            portal.request_stop()
        for portal in portals:
            portal.stop()
        # What was registered with `atexit` before this package was imported runs after this, and may call.
        for portal in left_open:
            portal.reopen()
