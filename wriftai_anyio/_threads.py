"""Blocking work off the event loop, on daemon threads.

anyio's own worker threads on asyncio are not daemons: an idle one on the portal's loop would hang the exit of an
interpreter whose user did not call `close()`.
"""

import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from anyio import CancelScope, Event, RunFinishedError, from_thread
from anyio.lowlevel import current_token

P = ParamSpec("P")
T = TypeVar("T")


async def run_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs a function in a thread of its own and waits for its end, also when cancelled.

    Args:
        function: What to run; it must end by itself, soon.
        *args: Its arguments.
        **kwargs: Its keyword arguments.

    Returns:
        What the function returned.
    """
    done = Event()
    token = current_token()
    values: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            values.append(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 -- it is raised again in the task that waits
            errors.append(error)
        try:
            from_thread.run_sync(done.set, token=token)
        except RunFinishedError:
            return

    threading.Thread(target=work, name="wriftai_anyio worker", daemon=True).start()
    with CancelScope(shield=True):
        await done.wait()
    try:
        if errors:
            raise errors[0]
        return values[0]
    finally:
        errors.clear()
