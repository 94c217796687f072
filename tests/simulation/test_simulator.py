"""The simulator itself: the same seed brings the same world, faults are found, and shrunk to what matters."""

import pytest

from .mutants import MUTANTS, Mutant, hunt
from .plan import draw
from .runner import BACKENDS, run_seed
from .shrink import Shrinker

QUICK = {
    "a create is sent again after a lost answer": 26,
    "a slot is not given back when nothing came": 2,
    "a wait returns what has not ended": 1,
    "an answer is not closed": 0,
    "a timeout is not kept": 6,
}
"""Faults, and a seed from which on they are soon found."""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("seed", [3, 5, 28])
def test_the_same_seed_brings_the_same_world(backend: str, seed: int) -> None:
    first, second = run_seed(seed, backend), run_seed(seed, backend)
    assert first.trace == second.trace
    assert first.requests > 0


def test_other_seeds_bring_other_worlds() -> None:
    assert len({draw(seed, native=False).surroundings for seed in range(20)}) == 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_each_fault_is_still_one_line_of_the_library(mutant: Mutant) -> None:
    with mutant.applied():
        pass


@pytest.mark.parametrize(
    "mutant", [mutant for mutant in MUTANTS if mutant.name in QUICK], ids=lambda mutant: mutant.name
)
def test_a_fault_in_the_library_is_found(mutant: Mutant) -> None:
    first = QUICK[mutant.name]
    assert hunt(mutant, range(first, first + 40), "trio")


def test_a_world_is_shrunk_to_what_matters() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "a wait returns what has not ended")
    with mutant.applied():
        report = next(report for seed in range(3, 20) if (report := run_seed(seed, "trio")).violations)
        shrunk = Shrinker(report, "trio").shrunk()
    assert len(shrunk.plan.calls) == 1
    assert shrunk.plan.faults == {}
    assert shrunk.violations
