"""How often a fuzzer runs: a little in the suite, and as often as `nox -s fuzz` asks for."""

import os
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

TestT = TypeVar("TestT", bound=Callable[..., Any])

EXAMPLES = "FUZZ_EXAMPLES"
"""The environment variable that says how many examples each fuzzer runs."""


def fuzzed(examples: int) -> Callable[[TestT], TestT]:
    """Marks a test that hypothesis generates the input of as a fuzzer.

    Args:
        examples: How many examples it runs in the suite.
    """
    longer = os.environ.get(EXAMPLES)
    chosen = settings(
        max_examples=int(longer) if longer else examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )

    def mark(test: TestT) -> TestT:
        marked: TestT = pytest.mark.fuzz(chosen(test))
        return marked

    return mark
