"""Signals and deadlines in the main thread."""

import os
import signal
import threading
import time

import pytest

from tests.support.patience import AT_ONCE, PATIENCE
from wriftai_anyio.cli import _stops
from wriftai_anyio.cli._stops import Stopped, Stops

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a signal cannot be sent to a single process here")


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_signal_raises_and_afterwards_all_is_as_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    with pytest.raises(Stopped) as stopped, Stops():
        signal.raise_signal(signal.SIGTERM)
    assert stopped.value.exit_code == 143
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)] == before


def test_deadline_raises_in_the_middle_of_a_wait_for_another_thread() -> None:
    began = time.monotonic()
    with Stops() as stops, pytest.raises(TimeoutError, match="late"), stops.deadline(0.05, TimeoutError("late")):
        threading.Event().wait(PATIENCE)
    assert time.monotonic() - began < AT_ONCE


def test_block_that_keeps_its_deadline_is_left_alone() -> None:
    with Stops() as stops:
        with stops.deadline(0.02, TimeoutError("late")):
            pass
        time.sleep(0.05)
        with stops.deadline(None, TimeoutError("late")):
            pass


def test_alarm_of_somebody_else_is_passed_over() -> None:
    with Stops():
        signal.raise_signal(signal.SIGALRM)


def test_grace_holds_a_stop_back_until_the_block_has_ended() -> None:
    done: list[str] = []
    with Stops() as stops, pytest.raises(Stopped) as stopped, stops.grace():
        interrupt()
        done.append("create")
    assert (done, stopped.value.exit_code) == (["create"], 130)


def test_second_stop_leaves_the_grace_at_once() -> None:
    with Stops() as stops, pytest.raises(Stopped), stops.grace():
        interrupt()
        interrupt()
        raise AssertionError("it went on")


def test_grace_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stops, "GRACE", 0.05)
    began = time.monotonic()
    with Stops() as stops, pytest.raises(Stopped), stops.grace():
        interrupt()
        threading.Event().wait(PATIENCE)
    assert time.monotonic() - began < AT_ONCE


def test_error_in_the_grace_matters_more_than_the_stop() -> None:
    with Stops() as stops, pytest.raises(KeyError), stops.grace():
        interrupt()
        raise KeyError("lost")
