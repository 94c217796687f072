"""Tracebacks that fit a screen."""

import logging
from types import TracebackType
from typing import Final, TypeVar

from .causes import causes

E = TypeVar("E", bound=BaseException)

_PACKAGE: Final = __name__.partition(".")[0]
_LEFT_OUT: Final = frozenset({_PACKAGE, "anyio", "httpcore", "httpx", "contextlib"})


def without_internals(error: E) -> E:
    """Takes the frames of this package, and of what it sends with, out of an error's traceback and its causes'.

    For errors that say all there is to know: a 404 came with fifteen frames, a refused connection with forty. Frames of
    others stay, such as those of a callback or of a transport of the user's. While the package logs at DEBUG, all do.

    Returns:
        The error.
    """
    if not logging.getLogger(_PACKAGE).isEnabledFor(logging.DEBUG):
        for each in causes(error):
            each.__traceback__ = _of_others(each.__traceback__)
    return error


def _of_others(traceback: TracebackType | None) -> TracebackType | None:
    frames: list[TracebackType] = []
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__name__", "").partition(".")[0] not in _LEFT_OUT:
            frames.append(traceback)
        traceback = traceback.tb_next
    kept = None
    for each in reversed(frames):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept
