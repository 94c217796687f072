"""Refuses calls: blocking ones inside an event loop, and any call of a closed client."""

import sys
import threading
from collections.abc import Callable

from wriftai_anyio._concurrency.per_loop import PerLoop

from .exits import is_daemon_at_exit


def refuse_event_loop(async_name: str) -> None:
    """Raises if an event loop runs in this thread, which a blocking call would block.

    Args:
        async_name: The coroutine function to name instead.

    Raises:
        RuntimeError: If an event loop runs here, unless it is that of a notebook's kernel.
    """
    if not _knows_of_event_loop():
        return
    try:
        thread = _thread_of_loop.get()
    except RuntimeError:
        return
    if thread != threading.get_ident():
        return  # it is the portal's loop: under gevent, asyncio sees all threads as one, and takes it for ours
    if threading.current_thread().daemon or not in_notebook():
        raise RuntimeError(
            f"A blocking call would block the event loop that runs in this thread. Use {_spelled(async_name)} here."
        )


def _spelled(async_name: str) -> str:
    """Returns how a call is written in a coroutine: what is iterated over is not awaited."""
    if async_name.startswith("async_iterate"):
        return f"`async for … in …{async_name}(…)`"
    if async_name in {"async_batch", "async_map"}:
        return f"`async with …{async_name}(…) as …`"
    if async_name == "async_stream":
        return "`async with …async_stream(…) as …` (or async_create_stream)"
    return f"`await …{async_name}(…)`"


def note_thread_of_loop() -> None:
    """Notes that the event loop that runs here belongs to this thread."""
    _thread_of_loop.get()


_thread_of_loop = PerLoop("wriftai_anyio_thread", threading.get_ident)


def _knows_of_event_loop() -> bool:
    # anyio and sniffio need three exceptions to find that none runs here (5 to 14 µs for each blocking call). So the
    # backends that are imported are asked directly first; doubtful cases are left to anyio.
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    running_loop: Callable[[], object] | None = getattr(asyncio, "_get_running_loop", None)
    in_trio_run: Callable[[], bool] | None = getattr(getattr(trio, "lowlevel", None), "in_trio_run", None)
    on_asyncio = asyncio is not None and (running_loop is None or running_loop() is not None)
    on_trio = trio is not None and (in_trio_run is None or in_trio_run())
    return on_asyncio or on_trio


def closed_error(what: str = "This client is closed. Make a new Client.") -> BaseException:
    """Returns the error for calls that a closed client refuses, or ends.

    Args:
        what: Its message.
    """
    if is_daemon_at_exit():
        # Nobody waits for a daemon thread at the interpreter's exit, and it must not print anything. This is the only
        # error that Python does not print.
        return SystemExit(what)
    return RuntimeError(what)


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook (IPython)."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and hasattr(get_shell(), "kernel")
