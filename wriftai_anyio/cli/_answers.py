"""Reads fields of answers without relying on anything but ids: fields may be missing or have another type."""

from collections.abc import Mapping
from typing import Final, cast

from wriftai_anyio.plain_text import one_line

UNKNOWN: Final = "?"
"""Shown for a part of a name that is missing in an answer."""


def at(answer: object, *path: str) -> object:
    """Returns the value at a path in an answer; `None` if there is none.

    Args:
        answer: The answer, or a part of it.
        *path: The names of the fields, from the outermost.
    """
    for name in path:
        if not isinstance(answer, Mapping):
            return None
        answer = cast("Mapping[str, object]", answer).get(name)
    return answer


def text_at(answer: object, *path: str) -> str | None:
    """Returns the string or number at a path in an answer, as a string; `None` if it is missing or anything else."""
    value = at(answer, *path)
    if isinstance(value, str):
        return value
    return one_line(value) if isinstance(value, (int, float)) else None


def model_name(model: object) -> str:
    """Returns `owner/name` of a listed model."""
    return f"{text_at(model, 'owner', 'name') or UNKNOWN}/{text_at(model, 'name') or UNKNOWN}"


def model_reference(model: object) -> str:
    """Returns `owner/name:number` for the model of a prediction."""
    owner, name, number = (text_at(model, field) or UNKNOWN for field in ("owner", "name", "version_number"))
    return f"{owner}/{name}:{number}"
