"""What callers pass: checked by name, and shown short in messages."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from os import PathLike, fspath
from reprlib import Repr
from typing import Final, cast

LONGEST_SHOWN: Final = 80
"""Characters of an argument that a message shows at most."""


class _Short(Repr):
    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < _MOST_BITS else "a very long integer"


_MOST_BITS: Final = 2_100
"""Of an integer that Python writes: it may be set to refuse to write more than 640 digits."""
_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = LONGEST_SHOWN
_SHORT.maxlong = 40


def shown(value: object) -> str:
    """Returns an argument as a message shows it: as Python writes it, cut where it is long.

    Args:
        value: The argument.
    """
    # Not `repr`, which would write out all of a large argument first.
    text = _SHORT.repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def check_flags(**flags: object) -> None:
    """Refuses arguments that are neither `True` nor `False`: a "no" would be taken for a yes.

    Args:
        **flags: The arguments, by their names.

    Raises:
        ValueError: If one is something else.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} must be True or False, not {shown(flag)}. Nothing was sent.")  # noqa: TRY004 -- as all bad arguments


def check_callback(takes: str, **callbacks: object) -> None:
    """Refuses callbacks that are neither `None` nor can be called as they will be.

    Args:
        takes: What they are called with, by position, with commas in between.
        **callbacks: The arguments, by their names.

    Raises:
        ValueError: If one is something else.
    """
    for name, callback in callbacks.items():
        given = takes.count(",") + 1
        if callback is None or (callable(callback) and not call_problem(callback, given)):
            continue
        problem = f": {call_problem(callback, given)}" if callable(callback) else ""
        raise ValueError(
            f"{name} must be a function of ({takes}), or None, not {shown(callback)}{problem}. Nothing was sent."
        )


def call_problem(function: Callable[..., object], count: int) -> str | None:
    """Returns why a function cannot be called with so many arguments; `None` if it can, or does not say.

    Args:
        function: The function.
        count: How many arguments, by position.
    """
    try:
        takes = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # of a function of C
    try:
        takes.bind(*range(count))
    except TypeError as error:
        return str(error)
    return None


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Whether what a caller gave is a coroutine function, or an object that is called like one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def checked_whole(value: object, argument: str, least: int) -> int:
    """Returns an argument that must be a whole number.

    Args:
        value: The argument.
        argument: Its name.
        least: The least that it may be.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{argument} must be a whole number from {least}, not {shown(value)}.")
    return value


def checked_string(value: object, argument: str) -> str:
    """Returns an argument that must be a string.

    Raises:
        ValueError: If it is something else, such as `None`, which would be sent as a word.
    """
    if not isinstance(value, str):
        raise ValueError(f"{argument} must be a string, not {shown(value)}. Nothing was sent.")  # noqa: TRY004 -- as all bad arguments
    return value


def checked_path(path: object, argument: str) -> str | PathLike[str]:
    """Returns an argument that must be the path of a file or folder.

    Raises:
        ValueError: If it is not.
    """
    named: object = path
    with suppress(TypeError):
        if isinstance(named, (str, PathLike)):
            named = fspath(cast("str | PathLike[str]", named))
    if not isinstance(named, str) or not named or "\0" in named:
        raise ValueError(
            f"{argument} must be a path (a string or a pathlib.Path), not {shown(path)}. Nothing was sent."
        )
    return cast("str | PathLike[str]", path)


def mapping_of(value: object, argument: str) -> Mapping[str, object]:
    """Returns an argument that must be a mapping.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, Mapping):
        # The value itself may be a secret, such as that of a variable.
        kind = type(value).__name__
        raise ValueError(f"{argument} must be a mapping, not {kind!r}. Nothing was sent.")  # noqa: TRY004 -- as all bad arguments
    return cast("Mapping[str, object]", value)


def keys_of(kind: type) -> frozenset[str]:
    """Returns the keys that a `TypedDict` has, required or not."""
    required: frozenset[str] = kind.__dict__["__required_keys__"]
    optional: frozenset[str] = kind.__dict__["__optional_keys__"]
    return required | optional


def refuse_unknown(names: Iterable[object], known: Collection[str], argument: str, otherwise: str | None) -> None:
    """Refuses keys that a mapping does not have.

    Args:
        names: The keys that the caller gave.
        known: Those there are.
        argument: The name of the caller's argument.
        otherwise: The key for what this version does not know; `None` if there is none.

    Raises:
        ValueError: If a key is unknown. It names the nearest one that is known.
    """
    for name in names:
        if name in known:
            continue
        near = nearest(str(name), known)
        hint = f"Did you mean {near!r}?" if near else f"There are {', '.join(sorted(known))}."
        if otherwise:
            hint += f" What this version does not know goes into {otherwise!r}, a dictionary."
        raise ValueError(f"{argument} has no key {shown(name)}. {hint} Nothing was sent.")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the name that is most like another, if any is like it."""
    from difflib import get_close_matches  # needed for a message alone

    return next(iter(get_close_matches(name, sorted(known), n=1)), None)
