"""What an error is made of: members of groups, the errors that led to it, and the frames of its traceback."""

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Final, TypeVar

E = TypeVar("E", bound=BaseException)

_PACKAGE: Final = __name__.partition(".")[0]
_LEFT_OUT: Final = frozenset({_PACKAGE, "anyio", "httpcore", "httpx", "contextlib"})


def members(error: BaseException) -> Iterator[BaseException]:
    """Returns the errors in a group and in the groups inside it; of an error that is not a group, that error."""
    inner = _in_group(error)
    if not inner:
        yield error
    for each in inner:
        yield from members(each)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Returns an error, and all that led to it: first its cause, then, of a group, its members, at last its context.

    The cause was named where the error was raised. The context is often machinery, such as a queue that was empty.
    """
    seen: set[int] = set()
    pending = [error]
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        links = (cause.__context__, *reversed(_in_group(cause)), cause.__cause__)
        pending.extend(link for link in links if link is not None)


def _in_group(error: BaseException) -> tuple[BaseException, ...]:
    # Python 3.10 does not know groups: anyio brings them there.
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return inner


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
