"""Checks ids and names, both those that callers give and those from the server that are sent back to it."""

import re
from typing import Final, TypeGuard
from urllib.parse import quote

from .arguments import shown

_LONGEST_ID: Final = 512
_PLAIN: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{_LONGEST_ID}}}")
"""Ids that need neither quoting nor a closer look, which all ids of the API are."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def segment(value: str, argument: str) -> str:
    """Quotes a value so that it is one segment of a path.

    Args:
        value: An id or a name.
        argument: The name of the caller's argument.

    Raises:
        ValueError: If it is empty, too long, only dots, or has control characters.
    """
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{argument} must be a string that is not empty, not {shown(value)}.")
    if value in {".", ".."} or len(value) > _LONGEST_ID or _CONTROL.search(value):
        raise ValueError(f"{argument} cannot be {shown(value)}: it must be a plain id or name.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise ValueError(f"{argument} cannot be {shown(value)}: it is not valid text.") from None


def is_id(value: object) -> TypeGuard[str]:
    """Returns whether a value can be an id."""
    if not isinstance(value, str):
        return False
    try:
        segment(value, "id")
    except ValueError:
        return False
    return True


def is_same_id(one: str, other: str) -> bool:
    """Returns whether two ids are the same: UUIDs may be written with or without dashes, in upper or lower case."""
    return one == other or _bare(one) == _bare(other)


def _bare(value: str) -> str:
    return value.replace("-", "").lower()
