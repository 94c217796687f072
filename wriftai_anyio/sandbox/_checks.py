"""Checks the sandbox's arguments, and names the wrong one."""

from math import inf, nan
from numbers import Integral, Real


def check_seconds(*, more_than_none: bool = False, **durations: object) -> None:
    """Refuse anything that is not a duration; infinity is one.

    Args:
        more_than_none: Whether to refuse 0, too.
        durations: The durations by name.

    Raises:
        ValueError: If one is not valid.
    """
    wanted = "above 0" if more_than_none else "0 or more"
    for name, value in durations.items():
        number = _as_float(value)
        if not (number > 0 or (number == 0 and not more_than_none)):
            raise ValueError(f"{name} must be a number of seconds, {wanted}, not {value!r:.80}")


def check_scale(time_scale: object) -> None:
    """Refuse anything by which time cannot be divided.

    Raises:
        ValueError: If time cannot be divided by it.
    """
    if not 0 < _as_float(time_scale) < inf:
        raise ValueError(f"time_scale must be a number above 0, not {time_scale!r:.80}")


def _as_float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        return nan
    try:
        return float(value)
    except OverflowError:
        return inf


def check_whole(least: int, most: int | None = None, **numbers: object) -> None:
    """Refuse anything but whole numbers from ``least`` on.

    Args:
        least: The smallest value allowed.
        most: The largest value allowed, if there is one.
        numbers: The numbers by name.

    Raises:
        ValueError: If one is not valid.
    """
    upwards = "" if most is None else f" and at most {most}"
    for name, value in numbers.items():
        number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else least - 1
        if number < least or (most is not None and number > most):
            raise ValueError(f"{name} must be a whole number, at least {least}{upwards}, not {value!r:.80}")


def check_flags(**flags: object) -> None:
    """Refuse anything but true and false: the string "no" would count as true.

    Raises:
        ValueError: If one is anything else.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} must be True or False, not {flag!r:.80}")  # noqa: TRY004 -- like all bad arguments


def check_kind(kind: type, **values: object) -> None:
    """Refuse anything that is neither ``None`` nor an instance of a class.

    Raises:
        ValueError: If one is anything else.
    """
    for name, value in values.items():
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"{name} must be a {kind.__name__}, or None, not {value!r:.80}")
