"""Checks arguments that callers pass, and shortens them for messages."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from os import PathLike, fspath
from reprlib import Repr
from typing import Final, cast

LONGEST_SHOWN: Final = 80
"""Characters of an argument that a message shows at most."""
MOST_BITS: Final = 2_100
"""The size from which an integer is not written out: Python may be set to refuse more than 640 digits."""


class _Short(Repr):
    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if x.bit_length() < MOST_BITS else "a very long integer"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = LONGEST_SHOWN
_SHORT.maxlong = 40


def shown(value: object) -> str:
    """Returns an argument for a message: its `repr`, cut if it is long.

    Args:
        value: The argument.
    """
    # Not `repr` itself, which would first write out all of a large argument.
    text = _SHORT.repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def check_flags(**flags: object) -> None:
    """Refuses arguments that are neither `True` nor `False`: the string "no" would count as true.

    Args:
        **flags: The arguments, by their names.

    Raises:
        ValueError: If one is anything else.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} must be True or False, not {shown(flag)}. Nothing was sent.")  # noqa: TRY004 -- as all bad arguments


def check_callback(takes: str, **callbacks: object) -> None:
    """Refuses callbacks that are neither `None` nor callable with the arguments that they will get.

    Args:
        takes: The names of those arguments, by position, separated by commas.
        **callbacks: The callbacks, by their names.

    Raises:
        ValueError: If one is anything else.
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
    """Returns why a function cannot be called with so many arguments; `None` if it can, or has no signature.

    Args:
        function: The function.
        count: How many arguments, by position.
    """
    try:
        takes = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # such as of a function written in C
    try:
        takes.bind(*range(count))
    except TypeError as error:
        return str(error)
    return None


def is_coroutine_function(function: Callable[..., object]) -> bool:
    """Returns whether a callable is a coroutine function, or an object whose `__call__` is one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def checked_whole(value: object, argument: str, least: int) -> int:
    """Returns an argument that must be a whole number.

    Args:
        value: The argument.
        argument: Its name.
        least: The smallest value allowed.

    Raises:
        ValueError: If it is anything else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{argument} must be a whole number from {least}, not {shown(value)}.")
    return value


def checked_string(value: object, argument: str) -> str:
    """Returns an argument that must be a string.

    Raises:
        ValueError: If it is anything else, such as `None`, which would be sent as the word "None".
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
    """Refuses unknown keys of a mapping.

    Args:
        names: The keys that the caller gave.
        known: The keys that are allowed.
        argument: The name of the caller's argument.
        otherwise: The key for fields that this version does not know; `None` if there is none.

    Raises:
        ValueError: If a key is unknown. The message suggests the known key that is most like it.
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
    """Returns the known name that is most like another; `None` if none is."""
    from difflib import get_close_matches  # needed for a message alone

    return next(iter(get_close_matches(name, sorted(known), n=1)), None)
