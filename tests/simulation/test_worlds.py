"""Two hundred worlds on each backend, in which nothing is that must never be. `nox -s simulate` runs thousands."""

import pytest

from .runner import run_seed

SEEDS = range(200)
"""They are always the same: a world that fails here fails on every machine."""
AT_ONCE = 25


@pytest.mark.parametrize("first", SEEDS[::AT_ONCE])
class TestOnAsyncio:
    def test_nothing_is_that_must_never_be(self, first: int) -> None:
        assert violations(first, "asyncio") == {}


@pytest.mark.parametrize("first", SEEDS[::AT_ONCE])
class TestOnTrio:
    def test_nothing_is_that_must_never_be(self, first: int) -> None:
        assert violations(first, "trio") == {}


def violations(first: int, backend: str) -> dict[int, tuple[str, ...]]:
    reports = [run_seed(seed, backend) for seed in range(first, first + AT_ONCE)]
    return {report.plan.seed: report.violations for report in reports if report.violations}
