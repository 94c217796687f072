"""Walks through what an error is made of: the members of groups, and the errors that led to others."""

from collections.abc import Iterator


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
