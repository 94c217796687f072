"""The models that every sandbox has."""

import re
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from typing import Any, Final

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


async def _echo(given: object) -> object:
    return given


def _word_count(given: Mapping[str, Any]) -> Generator[str, None, dict[str, int]]:
    """Yield the text word by word, each with the space around it, and return how often each word occurs."""
    counts: Counter[str] = Counter()
    for piece in _SPACED_WORD.findall(given["text"]):
        yield piece
        counts.update(_WORD.findall(piece.lower()))
    return dict(counts.most_common())


async def _fail(given: Mapping[str, Any]) -> None:
    raise ModelError(str(given.get("message", "told to fail")), given.get("detail"))


def built_in_models(scaled: Callable[[float], float]) -> Mapping[str, Model]:
    """Return the models by name.

    Args:
        scaled: How many seconds something takes that is asked to take so many.
    """

    async def sleep(given: Mapping[str, Any]) -> dict[str, float]:
        await anyio.sleep(scaled(given["seconds"]))
        return {"slept": given["seconds"]}

    return {
        "sandbox/echo": Model(_echo),
        "sandbox/word-count": Model(_word_count, _TEXT_SCHEMA),
        "sandbox/sleep": Model(sleep, _SECONDS_SCHEMA),
        "sandbox/fail": Model(_fail, _FAIL_SCHEMA),
    }
