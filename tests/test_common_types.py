"""Durations of the API in seconds."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from wriftai_anyio.common_types import seconds


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("PT0S", 0.0),
        ("PT1.5S", 1.5),
        ("PT1,5S", 1.5),
        ("PT1M", 60.0),
        ("P1DT2H3M4.5S", 93784.5),
        ("P2W", 1209600.0),
        ("-PT1S", -1.0),
        (None, None),
    ],
)
def test_a_duration_becomes_seconds(duration: str | None, expected: float | None) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize("wrong", ["", "P", "PT", "P1DT", "1.5", "P1Y", "P1M", "PT1S ", "PT\u0661S", 7, b"PT1S"])
def test_what_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(wrong)


def test_lists_in_lists_without_end_are_refused_like_all_else() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(ValueError, match="A list is not a duration"):
        seconds(deep)


@settings(deadline=None)
@given(st.timedeltas(timedelta(0), timedelta(300)))
def test_what_servers_write_is_read(duration: timedelta) -> None:
    written = TypeAdapter(timedelta).dump_python(duration, mode="json")
    assert seconds(written) == pytest.approx(duration.total_seconds())
