"""Where calls are refused: blocking ones inside an event loop, and all those of a closed client."""

import sys
import threading

from anyio.lowlevel import current_token


def refuse_event_loop(async_name: str) -> None:
    """Raises if an event loop runs in this thread, which a blocking call would block.

    Args:
        async_name: The coroutine function to name instead.

    Raises:
        RuntimeError: If an event loop runs here, unless it is that of a notebook's kernel.
    """
    try:
        current_token()
    except RuntimeError:
        return
    if threading.current_thread().daemon or not in_notebook():
        raise RuntimeError(
            f"A blocking call would block the event loop that runs in this thread. Use `await …{async_name}(…)` here."
        )


def closed_error() -> RuntimeError:
    """Returns the error for calls of a client that is closed."""
    return RuntimeError("This client is closed. Make a new Client.")


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook (IPython)."""
    get_shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return get_shell is not None and hasattr(get_shell(), "kernel")
