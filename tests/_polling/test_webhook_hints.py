"""What is remembered of webhooks: for how long polls may wait for one, and within which bounds."""

from typing import Any

import pytest

from tests.support.clients import prediction
from wriftai_anyio._polling import webhook_hints
from wriftai_anyio._polling.webhook_hints import FIRST_PATIENCE, PATIENCE, WebhookHints


def told(prediction_id: str, status: str = "succeeded", **fields: object) -> Any:
    return prediction(status, id=prediction_id, **fields)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("wriftai_anyio._concurrency.system.monotonic", lambda: now[0])
    return now


def test_only_a_prediction_with_a_webhook_is_polled_less_and_only_where_webhooks_are_received() -> None:
    hints = WebhookHints()
    hints.expect("a")
    assert hints.patience("a") == 0
    hints.announce()
    assert (hints.patience("a"), hints.patience("b")) == (FIRST_PATIENCE, 0)
    hints.note_told(told("c"))
    hints.announce()
    assert (hints.patience("a"), hints.patience("b"), hints.patience("c")) == (PATIENCE, 0, PATIENCE)


def test_the_last_sign_of_life_is_that_of_the_create_or_of_a_webhook(clock: list[float]) -> None:
    hints = WebhookHints()
    hints.expect("a")
    clock[0] += 3
    assert hints.silence("a") is None
    hints.announce()
    assert (hints.silence("a"), hints.silence("b")) == (3, None)
    hints.note_told(told("a", "started"))
    hints.note_told(told("b", "started"))
    clock[0] += 2
    assert (hints.silence("a"), hints.silence("b")) == (2, 2)
    hints.note_told(told("a"))
    assert hints.silence("a") is None


def test_a_state_that_comes_after_the_end_changes_nothing() -> None:
    hints = WebhookHints()
    hints.note_told(told("a"))
    hints.note_told(told("a", "started"))
    assert hints.silence("a") is None
    ended = hints.ended("a")
    assert ended is not None
    assert ended["status"] == "succeeded"
    assert hints.ended("b") is None


def test_none_is_awaited_any_more_once_one_did_not_come_while_no_other_did() -> None:
    hints = WebhookHints()
    hints.note_told(told("another"))
    assert hints.count == 1
    for each in ("a", "b", "c"):
        hints.expect(each)
    hints.note_ended("nobody's", hints.count)
    assert hints.patience("b") == PATIENCE
    count = hints.count
    hints.note_told(told("another one"))
    hints.note_ended("a", count)
    assert hints.patience("a") == 0
    assert hints.patience("b") == PATIENCE
    hints.note_ended("b", hints.count)
    assert hints.patience("c") == 0


def test_the_ended_are_remembered_within_a_number_and_the_newest_for_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_hints, "REMEMBERED", 3)
    hints = WebhookHints()
    for each in ("a", "b", "a", "c", "d", "e"):
        hints.note_told(told(each))
    assert [each for each in "abcde" if hints.ended(each)] == ["c", "d", "e"]


def test_what_is_large_is_not_remembered_nor_what_was_told_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_hints, "LARGEST_REMEMBERED", 5_000)
    hints = WebhookHints()
    hints.note_told(told("a", "failed"))
    hints.note_told(told("b", output="x" * 4_000))
    hints.note_told(told("a", output="x" * 5_000))
    assert hints.ended("a") is None
    assert hints.ended("b") is not None
    assert hints.silence("a") is None


def test_bytes_are_counted_anew_where_the_same_end_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_hints, "REMEMBERED_BYTES", 20_000)
    hints = WebhookHints()
    hints.note_told(told("a", output="x" * 8_000))
    for _ in range(10):
        hints.note_told(told("b", output="x" * 8_000))
    assert hints.ended("a") is not None
    hints.note_told(told("c", output="x" * 8_000))
    assert [each for each in "abc" if hints.ended(each)] == ["b", "c"]
