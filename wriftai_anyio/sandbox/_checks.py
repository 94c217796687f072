"""What the sandbox is given, refused by name where it cannot be right."""

from math import inf, nan
from numbers import Integral, Real


def check_seconds(*, more_than_none: bool = False, **durations: object) -> None:
    """Refuse what is not a duration; endless ones are.

    Args:
        more_than_none: Whether 0 is refused, too.
        durations: The durations by their names.

    Raises:
        ValueError: If one cannot be right.
    """
    wanted = "above 0" if more_than_none else "0 or more"
    for name, value in durations.items():
        number = _as_float(value)
        if not (number > 0 or (number == 0 and not more_than_none)):
            raise ValueError(f"{name} must be a number of seconds, {wanted}, not {value!r:.80}")


def check_scale(time_scale: object) -> None:
    """Refuse what time cannot be divided by.

    Raises:
        ValueError: If it cannot.
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
    """Refuse what is not a whole number from ``least`` on.

    Args:
        least: The least that one may be.
        most: The most, if there is one.
        numbers: The numbers by their names.

    Raises:
        ValueError: If one cannot be right.
    """
    upwards = "" if most is None else f" and at most {most}"
    for name, value in numbers.items():
        number = int(value) if isinstance(value, Integral) and not isinstance(value, bool) else least - 1
        if number < least or (most is not None and number > most):
            raise ValueError(f"{name} must be a whole number, at least {least}{upwards}, not {value!r:.80}")


def check_flags(**flags: object) -> None:
    """Refuse what is neither true nor false: a "no" would be taken for a yes.

    Raises:
        ValueError: If one is something else.
    """
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise ValueError(f"{name} must be True or False, not {flag!r:.80}")  # noqa: TRY004 -- like all bad arguments


def check_kind(kind: type, **values: object) -> None:
    """Refuse what is neither ``None`` nor of a kind.

    Raises:
        ValueError: If one is something else.
    """
    for name, value in values.items():
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"{name} must be a {kind.__name__}, or None, not {value!r:.80}")
