"""Which states are news: no duplicate, and none older than one already seen."""

from itertools import permutations
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wriftai_anyio._types.prediction import PredictionWithIO
from wriftai_anyio._webhooks.states import SeenStates


def state(status: str, second: int | None = 0, prediction_id: str = "a") -> PredictionWithIO:
    updated_at = None if second is None else f"2026-05-01T12:00:{second:02}Z"
    return cast("PredictionWithIO", {"id": prediction_id, "status": status, "updated_at": updated_at})


LIFE = ("pending", "starting", "started", "succeeded")


def news(*states: PredictionWithIO) -> list[str]:
    seen = SeenStates(100)
    return [one["status"] for one in states if seen.is_news(one)]


def test_each_state_of_a_life_is_news_once() -> None:
    life = [state(status, second) for second, status in enumerate(LIFE)]
    assert news(*[one for one in life for _ in range(2)]) == list(LIFE)


@pytest.mark.parametrize("second", [None, 0], ids=["without timestamps", "within one second"])
def test_older_states_are_told_by_their_status_alone(second: int | None) -> None:
    for order in permutations(LIFE):
        found = news(*[state(status, second) for status in order])
        assert found == sorted(found, key=LIFE.index)
        assert found[-1] == "succeeded"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(LIFE), max_size=20))
def test_duplicates_and_reordering_change_nothing(deliveries: list[str]) -> None:
    found = news(*[state(status, LIFE.index(status)) for status in deliveries])
    assert found == sorted(set(found), key=LIFE.index)
    assert found[-1:] == sorted(set(deliveries), key=LIFE.index)[-1:]


def test_nothing_follows_the_end() -> None:
    assert news(state("failed", 1), state("succeeded", 2), state("unheard-of", 3)) == ["failed"]


def test_a_status_that_is_not_known_is_news_unless_older_or_a_duplicate() -> None:
    told = news(state("started", 1), state("resting", 3), state("resting", 3), state("starting", 4), state("dozing", 2))
    assert told == ["started", "resting"]


def test_an_update_within_a_status_is_news_when_it_is_newer() -> None:
    assert news(state("started", 1), state("started", 2), state("started", 1)) == ["started", "started"]


def test_timestamps_that_are_none_or_differ_in_form_do_no_harm() -> None:
    odd = state("started")
    odd["updated_at"] = "yesterday"
    naive = state("started")
    naive["updated_at"] = "2026-05-01T12:00:09"
    assert news(state("started", 1), odd, naive, state("started", 2)) == ["started", "started"]


def test_memory_is_bounded_and_the_silent_are_forgotten_first() -> None:
    seen = SeenStates(2)
    for prediction_id in ("a", "b", "a", "c"):
        seen.is_news(state("started", 1, prediction_id))
    assert not seen.is_news(state("started", 1, "a"))
    assert seen.is_news(state("started", 1, "b"))
