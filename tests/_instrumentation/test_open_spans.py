"""Which traces are open: each until its end is seen or it is left, and no more than a bounded number."""

import threading
import time

import pytest

from tests.support.patience import PATIENCE
from wriftai_anyio._instrumentation import open_spans
from wriftai_anyio._instrumentation.open_spans import TraceTable


def kept(table: TraceTable[str], prediction_id: str) -> list[str]:
    """Follows a prediction and leaves it to whoever comes next; returns the traces that are forgotten for it."""
    table.follow(prediction_id, lambda: f"trace of {prediction_id}")
    removed, forgotten = table.leave(prediction_id, keep=True)
    assert not removed
    return forgotten


@pytest.fixture
def table() -> TraceTable[str]:
    return TraceTable()


def unwanted() -> str:
    raise AssertionError("there is a trace already")


def test_whoever_follows_a_prediction_that_is_followed_or_kept_gets_its_trace(table: TraceTable[str]) -> None:
    table.begin("a", "created")
    assert table.follow("a", unwanted) == "created"
    assert table.leave("a", keep=False) == (False, [])
    assert table.leave("a", keep=True) == (False, [])
    assert table.follow("a", unwanted) == "created"


def test_a_trace_that_the_last_follower_leaves_is_removed(table: TraceTable[str]) -> None:
    table.begin("a", "created")
    assert table.leave("a", keep=False) == (True, [])
    assert table.find("a") is None
    assert table.follow("a", lambda: "new") == "new"


def test_an_ended_prediction_has_no_trace_any_more(table: TraceTable[str]) -> None:
    table.begin("a", "created")
    assert table.end("a") == "created"
    assert table.leave("a", keep=True) == (False, [])
    assert (table.find("a"), table.end("a"), table.follow("a", unwanted)) == (None, None, None)


def test_only_what_nobody_follows_is_dropped(table: TraceTable[str]) -> None:
    table.begin("a", "created")
    assert table.drop("a") is None
    table.leave("a", keep=True)
    assert table.drop("a") == "created"
    assert table.drop("a") is None


def test_closing_forgets_what_nobody_follows_then_or_later(table: TraceTable[str]) -> None:
    table.begin("a", "followed")
    kept(table, "b")
    assert table.close() == ["trace of b"]
    assert table.leave("a", keep=True) == (False, ["followed"])


def test_beyond_its_bound_the_trace_kept_for_longest_is_forgotten(
    table: TraceTable[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_spans, "MOST_KEPT", 2)
    table.begin("followed", "followed")
    assert [kept(table, name) for name in "abac"] == [[], [], [], ["trace of b"]]
    assert table.find("followed") == "followed"


def test_what_is_kept_for_too_long_is_forgotten(table: TraceTable[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kept(table, "a")
    kept(table, "b")
    monkeypatch.setattr(open_spans, "LONGEST_KEPT", 0.0)
    assert kept(table, "c")[:2] == ["trace of a", "trace of b"]


def test_few_ended_predictions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_spans, "REMEMBERED", 1)
    table: TraceTable[str] = TraceTable()
    for name in "ab":
        table.begin(name, "created")
        table.end(name)
    assert table.follow("b", unwanted) is None
    assert table.follow("a", lambda: "new") == "new"


def test_threads_that_follow_one_prediction_at_once_share_its_trace(table: TraceTable[str]) -> None:
    made: list[str] = []
    start = threading.Barrier(4)

    def make() -> str:
        made.append("trace")
        time.sleep(0.003)
        return "trace"

    def follow() -> None:
        start.wait(PATIENCE)
        table.follow("a", make)
        table.leave("a", keep=True)

    threads = [threading.Thread(target=follow) for _ in range(start.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert made == ["trace"]
    assert table.drop("a") == "trace"
