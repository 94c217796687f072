"""Blocking twins of coroutine methods, and their docstrings."""

import re
from collections.abc import Callable
from typing import TypeVar

F = TypeVar("F", bound=Callable[..., object])


def twin(coroutine_function: Callable[..., object]) -> Callable[[F], F]:
    """Marks a method as the blocking twin of a coroutine method, and documents it from that one.

    Args:
        coroutine_function: The coroutine method.

    Returns:
        A decorator that leaves the twin as it is, with the docstring of the coroutine method in blocking terms.
    """

    def decorate(function: F) -> F:
        function.__doc__ = _blocking_terms(coroutine_function.__doc__ or "")
        return function

    return decorate


def _blocking_terms(text: str) -> str:
    text = re.sub(r"\b([Aa])n async (?=context manager|iterator)", r"\1 ", text)
    text = re.sub(r"\basync (for|with)\b", r"\1", text)
    text = re.sub(r"\bawait ", "", text)
    return re.sub(r"\b(async_|Async|ASYNC_)(?=\w)", "", text)
