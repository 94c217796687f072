"""Looks into errors: the members of groups, the errors that led to one, and the frames of its traceback."""

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import Final, TypeVar

E = TypeVar("E", bound=BaseException)

_PACKAGE: Final = __name__.partition(".")[0]
_LEFT_OUT: Final = frozenset({_PACKAGE, "anyio", "httpcore", "httpx", "contextlib"})


def members(error: BaseException) -> Iterator[BaseException]:
    """Yields the errors in a group and in the groups inside it; for an error that is not a group, just that error."""
    inner = _in_group(error)
    if not inner:
        yield error
    for each in inner:
        yield from members(each)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and all that led to it: first its cause, then the members of a group, and last its context.

    The cause was stated where the error was raised. The context is often an implementation detail, such as a queue that
    was empty.
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
    # Python 3.10 has no exception groups: there anyio brings a backport.
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return inner


def without_internals(error: E) -> E:
    """Removes the frames of this package and of its HTTP stack from the tracebacks of an error and its causes.

    For errors whose message says all there is to know: a 404 came with fifteen frames, a refused connection with forty.
    Other frames stay, such as those of a callback or of the user's transport. If the package logs at DEBUG, all stay.

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
