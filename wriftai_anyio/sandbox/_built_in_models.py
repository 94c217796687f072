"""The models that every sandbox has."""

import math
import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from typing import Final, cast

import anyio

from ._models import Model, ModelError

_SPACED_WORD = re.compile(r"\s*\S+\s*")
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*")

_TEXT_SCHEMA: Final = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
_SECONDS_SCHEMA: Final = {
    "type": "object",
    "required": ["seconds"],
    "properties": {"seconds": {"type": "number", "minimum": 0}},
}
_FAIL_SCHEMA: Final = {"type": "object", "properties": {"message": {"type": "string"}}}


LONGEST_SHOWN: Final = 80
"""The most characters of an input that an error shows."""


async def _echo(given: object) -> object:
    return given


def _word_count(given: object) -> Generator[str, None, dict[str, int]]:
    """Yield the text word by word, with the spaces around each, and return how often each word occurs."""
    counts: Counter[str] = Counter()
    for piece in _SPACED_WORD.findall(_text(given)):
        yield piece
        counts.update(_WORD.findall(piece.lower()))
    return dict(counts.most_common())


def _text(given: object) -> str:
    value = _field(given, "text", '{"text": "to be"}')
    if not isinstance(value, str):
        raise ModelError(f"The field 'text' must be a string, and is {_shown(value)}.")
    return value


def _seconds(given: object) -> int | float:
    value = _field(given, "seconds", '{"seconds": 1.5}')
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise ModelError(f"The field 'seconds' must be a number from 0, and is {_shown(value)}.")
    return value


def _field(given: object, name: str, example: str) -> object:
    """Return a field of an input, or say what is wrong with the input.

    Raises:
        ModelError: If there is no such field.
    """
    if not isinstance(given, Mapping):
        raise ModelError(f"The input must be an object such as {example}, and is {_shown(given)}.")
    fields = cast("Mapping[object, object]", given)
    if name not in fields:
        has = f"It has {', '.join(map(_shown, fields))}." if fields else "It is empty."
        raise ModelError(f"The input has no field {name!r}, which this model needs: {example}. {has}")
    return fields[name]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


async def _fail(given: object) -> None:
    told: Mapping[str, object] = cast("Mapping[str, object]", given) if isinstance(given, Mapping) else {}
    raise ModelError(str(told.get("message", "told to fail")), told.get("detail"))


def built_in_models(scaled: Callable[[float], float]) -> Mapping[str, Model]:
    """Return the models by name.

    Args:
        scaled: Converts seconds to the real seconds that they take in the sandbox.
    """

    async def sleep(given: object) -> dict[str, float]:
        seconds = _seconds(given)
        await anyio.sleep(scaled(seconds))
        return {"slept": seconds}

    return {
        "sandbox/echo": Model(_echo),
        "sandbox/word-count": Model(_word_count, _TEXT_SCHEMA),
        "sandbox/sleep": Model(sleep, _SECONDS_SCHEMA),
        "sandbox/fail": Model(_fail, _FAIL_SCHEMA),
    }
