"""The arithmetic of a rate bucket: what it lets out, and what it makes of the answers' headers."""

import math
from collections import Counter, deque
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pace_simulation import EPOCH, Outcome, Scenario, simulate
from wriftai_anyio._rate_limits.budget import FEW, LONGEST_SPACING, RECHECK, WINDOW_MARGIN, Budget, Slot

ROUND_TRIP = 0.01
SPACED = 1.1
"""Seconds after which the next request may go out, as far as an allowance goes that has only just begun."""
SENDING = 0.0005
"""Seconds that it takes to send a request."""


class Driven:
    """A budget in a time of its own, whose requests take a round trip.

    Args:
        limit: What its server states, if anything.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.now = 100.0
        self.budget = Budget(lambda: EPOCH + self.now, lambda low, high: (low + high) / 2)
        self.headers = {} if limit is None else {"x-ratelimit-limit": str(limit)}

    def take(self, *, held: bool = False) -> Slot:
        """Takes a slot, which there must be."""
        slot = self.budget.take(self.now, held)
        assert isinstance(slot, Slot)
        return slot

    def take_spaced(self, count: int) -> list[Slot]:
        """Takes slots so far from one another that no second's allowance is used up."""
        slots: list[Slot] = []
        for _ in range(count):
            self.now += SPACED
            slots.append(self.take())
        return slots

    def delay(self) -> float:
        """Says how long there is no slot."""
        delay = self.budget.take(self.now, held=False)
        assert not isinstance(delay, Slot)
        return delay

    def answer(self, slot: Slot, status: int = 200, **headers: object) -> None:
        """Answers a request; underscores in the names of headers stand for dashes."""
        given = {name.replace("_", "-"): str(value) for name, value in headers.items()}
        self.budget.answered(slot, status, {**self.headers, **given}, self.now)

    def begin(self) -> None:
        """Has a first request answered."""
        self.answer(self.take())

    def run(self, seconds: float) -> list[float]:
        """Sends all that may go out, and returns when each went out."""
        sent: list[float] = []
        end = self.now + seconds
        while self.now < end:
            outcome = self.budget.take(self.now, held=False)
            if isinstance(outcome, Slot):
                sent.append(self.now)
                self.budget.answered(outcome, 200, self.headers, self.now + ROUND_TRIP)
                self.now += SENDING
            else:
                self.now += outcome
        return sent


def most_in_a_second(times: list[float]) -> int:
    return max(sum(begin <= time < begin + 1.0 for time in times) for begin in times)


class TestBeforeTheFirstAnswer:
    def test_only_a_few_are_under_way(self) -> None:
        driven = Driven()
        for _ in range(FEW):
            driven.take()
        assert driven.delay() == RECHECK

    def test_one_that_ends_without_an_answer_makes_room(self) -> None:
        driven = Driven()
        slots = [driven.take() for _ in range(FEW)]
        driven.budget.ended(slots[0])
        driven.take()
        assert driven.delay() == RECHECK

    def test_a_server_that_never_answers_does_not_hold_up_the_rest_for_ever(self) -> None:
        driven = Driven()
        sent = 0
        for _ in range(600):
            sent += isinstance(driven.budget.take(driven.now, held=False), Slot)
            driven.now += RECHECK
        assert sent > 100

    def test_a_server_that_takes_its_time_does_not_let_much_more_out(self) -> None:
        driven = Driven()
        sent = 0
        for _ in range(60):
            sent += isinstance(driven.budget.take(driven.now, held=False), Slot)
            driven.now += RECHECK
        assert sent == FEW

    def test_a_machine_too_busy_to_hear_answers_for_ten_seconds_sends_hardly_more(self) -> None:
        driven = Driven()
        sent = 0
        for _ in range(200):
            sent += isinstance(driven.budget.take(driven.now, held=True), Slot)
            driven.now += RECHECK
        assert sent <= FEW + 1

    @pytest.mark.parametrize("status", [300, 304, 404, 408, 500, 502, 503, 504])
    def test_a_failure_without_headers_does_not_say_that_there_are_no_limits(self, status: int) -> None:
        driven = Driven()
        for _ in range(FEW):
            driven.answer(driven.take(), status)
        for _ in range(FEW):
            driven.take()
        assert driven.delay() == RECHECK

    @pytest.mark.parametrize(("status", "limit"), [(503, 100), (429, None), (429, 100)])
    def test_a_failure_with_headers_and_any_refusal_end_the_wait_for_an_answer(
        self, status: int, limit: int | None
    ) -> None:
        driven = Driven(limit)
        driven.answer(driven.take(), status)
        for _ in range(FEW + 1):
            driven.now += 2.0
            driven.take()

    def test_slots_are_counted_from_one(self) -> None:
        driven = Driven()
        driven.begin()
        assert [driven.take().number for _ in range(3)] == [2, 3, 4]

    def test_a_first_answer_that_is_a_refusal_without_headers_sets_an_allowance(self) -> None:
        driven = Driven()
        driven.answer(driven.take(), 429)
        driven.now += 1.0
        assert 1 <= len(driven.run(0.9)) <= 10

    def test_all_go_out_once_an_answer_states_no_limits(self) -> None:
        driven = Driven()
        driven.begin()
        for _ in range(5000):
            driven.take()

    def test_held_ones_leave_every_other_unheld_until_an_answer_has_come(self) -> None:
        driven = Driven()
        slots = [driven.take(held=True) for _ in range(FEW)]
        driven.now += 10.0
        slots.append(driven.take(held=True))
        assert [slot.held for slot in slots] == [True, False, True]

    def test_a_probe_goes_out_again_when_the_first_one_was_lost(self) -> None:
        driven = Driven()
        driven.take(held=True)
        driven.budget.ended(driven.take(held=True))
        assert not driven.take(held=True).held

    def test_one_is_held_again_when_the_held_one_was_lost(self) -> None:
        driven = Driven()
        driven.budget.ended(driven.take(held=True))
        assert driven.take(held=True).held

    def test_all_are_held_once_an_answer_has_come(self) -> None:
        driven = Driven()
        driven.begin()
        assert all(driven.take(held=True).held for _ in range(100))


class TestStatedLimits:
    @pytest.mark.parametrize("limit", [1, 2, 3, 15, 75, 300])
    def test_no_window_has_more_than_the_limit(self, limit: int) -> None:
        driven = Driven(limit)
        assert most_in_a_second(driven.run(6.0)) <= limit

    @pytest.mark.parametrize("limit", [3, 15, 75, 1000])
    def test_nearly_the_limit_is_used(self, limit: int) -> None:
        driven = Driven(limit)
        driven.run(3.0)
        assert len(driven.run(5.0)) >= 0.9 * 5 * limit

    def test_it_starts_with_a_twentieth(self) -> None:
        driven = Driven(100)
        driven.begin()
        assert 1 <= len(driven.run(0.19)) <= 5

    def test_while_it_starts_no_more_goes_out_than_its_allowance_until_an_answer_comes(self) -> None:
        driven = Driven(100)
        driven.begin()
        slots: list[Slot] = []
        end = driven.now + 1.9
        while driven.now < end:
            outcome = driven.budget.take(driven.now, held=True)
            if isinstance(outcome, Slot):
                slots.append(outcome)
            driven.now += RECHECK
        assert len([slot for slot in slots if slot.held]) <= 5
        assert len(slots) == 6
        driven.answer(slots[0])
        assert driven.take(held=True).held

    def test_while_it_starts_requests_that_end_without_an_answer_make_room(self) -> None:
        driven = Driven(100)
        driven.begin()
        for _ in range(50):
            driven.now += 0.25
            driven.budget.ended(driven.take(held=True))

    def test_growth_asks_for_an_answer_that_is_not_held(self) -> None:
        driven = Driven(100)
        driven.begin()
        driven.now += 0.1
        assert driven.take(held=True).held
        driven.now += 0.11
        probe = driven.take(held=True)
        assert not probe.held
        driven.now += 0.05
        assert driven.take(held=True).held
        driven.answer(probe, x_ratelimit_remaining=90)
        assert len(driven.run(0.19)) > 10

    def test_a_probe_goes_out_though_the_allowance_is_used_up(self) -> None:
        driven = Driven(10)
        driven.begin()
        assert driven.delay() == pytest.approx(0.2)
        driven.now += 0.21
        assert not driven.take(held=True).held
        assert driven.delay() > 0.5

    def test_a_probe_that_shows_others_grows_to_a_fair_share_at_most(self) -> None:
        driven = Driven(100)
        driven.begin()
        driven.headers["x-ratelimit-remaining"] = "20"
        sent = driven.run(0.25)
        assert len(sent) >= 5
        assert len(driven.run(1.0)) <= 20

    def test_probes_become_rare_while_others_use_the_account(self) -> None:
        driven = Driven(100)
        driven.begin()
        unheld = 0
        end = driven.now + 20.0
        while driven.now < end:
            outcome = driven.budget.take(driven.now, held=True)
            if not isinstance(outcome, Slot):
                driven.now += outcome
            elif outcome.held:
                driven.budget.ended(outcome)
            else:
                unheld += 1
                driven.answer(outcome, x_ratelimit_remaining=5)
        assert 5 <= unheld <= 20

    def test_it_grows_where_no_answer_comes_in_time_to_be_a_probe(self) -> None:
        driven = Driven(100)
        driven.begin()
        end = driven.now + 8.0
        while driven.now < end:
            outcome = driven.budget.take(driven.now, held=True)
            driven.now += 0.001 if isinstance(outcome, Slot) else outcome
        assert len(driven.run(1.0)) >= 90

    def test_it_starts_smaller_where_others_use_the_account(self) -> None:
        alone, shared = Driven(100), Driven(100)
        alone.answer(alone.take(), x_ratelimit_remaining=99)
        shared.answer(shared.take(), x_ratelimit_remaining=9)
        assert len(shared.run(0.1)) < len(alone.run(0.1)) / 4

    @pytest.mark.parametrize(("remaining", "alone"), [(89, True), (88, False)])
    def test_others_count_when_they_use_more_than_a_tenth(self, remaining: int, alone: bool) -> None:
        driven = Driven(100)
        driven.answer(driven.take(), x_ratelimit_remaining=remaining)
        assert (len(driven.run(0.15)) > 1) == alone

    @pytest.mark.parametrize(("limit", "together"), [(4, 1), (100, 8)])
    def test_the_requests_of_a_window_are_spread_over_a_quarter_and_after_a_refusal_over_all_of_it(
        self, limit: int, together: int
    ) -> None:
        driven = Driven(limit)
        driven.run(4.0)
        for part, status in ((0.25, 429), (1.0, 200)):
            sent = driven.run(3.0)
            gaps = [later - earlier for earlier, later in zip(sent, sent[together:], strict=False)]
            assert min(gaps) >= together * part / limit - 1e-9
            driven.now += SPACED
            driven.answer(driven.take(), status)

    @pytest.mark.parametrize(("took", "longer"), [(0.0, 0.0), (0.08, 0.08), (0.4, 0.1)])
    def test_a_window_is_longer_by_what_the_slowest_answer_took_until_that_is_forgotten(
        self, took: float, longer: float
    ) -> None:
        driven = Driven(1)
        slot = driven.take()
        driven.now += took
        driven.answer(slot)
        assert driven.delay() + took == pytest.approx(WINDOW_MARGIN + longer)
        driven.now += 20.0
        driven.begin()
        assert driven.delay() == pytest.approx(WINDOW_MARGIN, abs=1e-3)

    def test_a_limit_that_falls_holds_from_the_next_window_on(self) -> None:
        driven = Driven(100)
        driven.run(3.0)
        driven.headers["x-ratelimit-limit"] = "10"
        driven.run(1.5)
        assert most_in_a_second(driven.run(3.0)) <= 10

    def test_a_limit_that_rises_is_used(self) -> None:
        driven = Driven(10)
        driven.run(3.0)
        driven.headers["x-ratelimit-limit"] = "100"
        driven.run(3.0)
        assert len(driven.run(3.0)) >= 270

    def test_an_answer_without_headers_changes_nothing(self) -> None:
        driven = Driven(10)
        driven.run(3.0)
        driven.headers.clear()
        assert most_in_a_second(driven.run(3.0)) <= 10
        assert driven.budget.limit == 10

    @pytest.mark.parametrize(
        "value", ["", " ", "abc", "-5", "0", "nan", "inf", "1e3", "9.5", "1, 1", "\uff19", "9" * 400]
    )
    def test_a_limit_that_makes_no_sense_is_none(self, value: str) -> None:
        driven = Driven()
        driven.answer(driven.take(), x_ratelimit_limit=value, x_ratelimit_remaining=value, x_ratelimit_reset=value)
        assert (driven.budget.limit, driven.budget.remaining, driven.budget.reset) == (None, None, None)
        for _ in range(1000):
            driven.take()

    @pytest.mark.parametrize("value", ["50, 50;w=1", '50, 50;w=1;name="creates", 9000;w=3600'])
    def test_the_policies_behind_a_limit_are_left_out(self, value: str) -> None:
        driven = Driven()
        driven.answer(driven.take(), x_ratelimit_limit=value, x_ratelimit_remaining="49", x_ratelimit_reset="1")
        assert (driven.budget.limit, driven.budget.remaining) == (50, 49)

    @pytest.mark.parametrize("value", ["", "abc", "-1", "nan", "1e3", "9" * 400])
    def test_the_rest_may_make_no_sense_beside_a_good_limit(self, value: str) -> None:
        driven = Driven(50)
        driven.answer(driven.take(), x_ratelimit_remaining=value, x_ratelimit_reset=value)
        assert (driven.budget.limit, driven.budget.remaining, driven.budget.reset) == (50, None, None)
        driven.run(2.0)
        assert len(driven.run(1.0)) >= 45

    @given(
        limit=st.integers(1, 40),
        steps=st.lists(st.tuples(st.floats(0, 0.4), st.sampled_from([200, 200, 200, 429, 503])), max_size=120),
    )
    @settings(max_examples=60, deadline=None)
    def test_no_order_of_answers_lets_more_than_the_limit_out(self, limit: int, steps: list[tuple[float, int]]) -> None:
        driven = Driven(limit)
        driven.begin()
        sent: list[float] = []
        refusals = 0
        for pause, status in steps:
            driven.now += pause
            outcome = driven.budget.take(driven.now, held=False)
            if isinstance(outcome, Slot):
                if status != 429:
                    sent.append(driven.now)
                refusals += status == 429
                driven.answer(outcome, status)
            else:
                # Each refusal takes the next requests four times as far apart at most, and twenty seconds in the end.
                assert 0 < outcome <= min(LONGEST_SPACING, max(1.25, 4.0**refusals / min(limit, 4)))
        assert not sent or most_in_a_second(sent) <= limit


class TestRemainingAndReset:
    def test_they_are_kept_as_stated(self) -> None:
        driven = Driven(50)
        driven.answer(driven.take(), x_ratelimit_remaining=7, x_ratelimit_reset=int(EPOCH) + 101)
        assert (driven.budget.remaining, driven.budget.reset) == (7, EPOCH + 101)

    def test_a_reset_in_seconds_is_told_apart_from_a_timestamp(self) -> None:
        driven = Driven(50)
        driven.answer(driven.take(), x_ratelimit_remaining=7, x_ratelimit_reset=30)
        assert driven.budget.reset == EPOCH + 130

    def test_late_answers_of_short_windows_do_not_count(self) -> None:
        driven = Driven(50)
        slot = driven.take()
        driven.now += 3.0
        driven.answer(slot, x_ratelimit_remaining=0, x_ratelimit_reset=1)
        assert (driven.budget.limit, driven.budget.remaining) == (50, None)
        driven.take()

    def test_late_answers_of_a_long_window_count_until_its_end(self) -> None:
        driven = Driven(50)
        slot = driven.take()
        driven.now += 3.0
        driven.answer(slot, x_ratelimit_remaining=0, x_ratelimit_reset=58)
        assert (driven.budget.limit, driven.budget.remaining) == (50, 0)
        assert driven.delay() == pytest.approx(58)
        driven.now += 58.1
        driven.take()

    def test_no_more_are_under_way_in_a_long_window_than_remain(self) -> None:
        driven = Driven(4)
        driven.answer(driven.take(), x_ratelimit_remaining=3, x_ratelimit_reset=40)
        slots = driven.take_spaced(3)
        assert driven.delay() == pytest.approx(40 - 3 * SPACED)
        driven.budget.ended(slots[0])
        assert driven.delay() > 30
        driven.answer(slots[1], x_ratelimit_remaining=2, x_ratelimit_reset=math.ceil(40 - 3 * SPACED))
        driven.now += SPACED
        driven.take()
        assert driven.delay() > 30

    def test_held_requests_that_outlast_a_long_window_do_not_hold_up_the_next(self) -> None:
        driven = Driven(1)
        driven.answer(driven.take(), x_ratelimit_remaining=0, x_ratelimit_reset=10)
        for _ in range(3):
            driven.now += 10.1
            assert driven.take(held=True).held
            assert driven.delay() > 9

    def test_an_answer_of_the_window_before_says_nothing_of_this_one(self) -> None:
        driven = Driven(2)
        slot = driven.take()
        driven.answer(driven.take(), x_ratelimit_remaining=1, x_ratelimit_reset=10)
        driven.now += 10.1
        driven.take()
        driven.answer(slot, x_ratelimit_remaining=0, x_ratelimit_reset=0)
        driven.now += 1.1
        driven.take()

    def test_windows_that_are_short_again_are_not_waited_for(self) -> None:
        driven = Driven(50)
        driven.answer(driven.take(), x_ratelimit_remaining=0, x_ratelimit_reset=40)
        driven.now += 40.1
        driven.answer(driven.take(), x_ratelimit_remaining=0, x_ratelimit_reset=1)
        driven.now += SPACED
        driven.take()

    @pytest.mark.parametrize("reset", [40, int(EPOCH) + 140])
    def test_a_long_window_that_is_used_up_is_waited_for(self, reset: int) -> None:
        driven = Driven(50)
        driven.answer(driven.take(), x_ratelimit_remaining=0, x_ratelimit_reset=reset)
        assert driven.delay() == pytest.approx(40)

    @pytest.mark.parametrize("ahead", [-3600, 3600])
    def test_a_server_whose_clock_is_another_is_waited_for_no_longer(self, ahead: int) -> None:
        driven = Driven(50)
        server_time = EPOCH + driven.now + ahead
        for left, paused in ((1, 0), (9, 9)):
            driven.answer(
                driven.take(),
                date=formatdate(server_time, usegmt=True),
                x_ratelimit_remaining=0,
                x_ratelimit_reset=int(server_time) + left,
            )
            assert driven.budget.pause(driven.now) == pytest.approx(paused, abs=1)
            assert driven.budget.reset == pytest.approx(EPOCH + driven.now + left, abs=1)
            driven.now += 2.0
            server_time += 2.0

    @pytest.mark.parametrize(("reset", "longest"), [(3600, 60), (int(EPOCH) - 50, 1.5), (1, 1.5), (10**12 - 1, 1.5)])
    def test_it_is_waited_for_within_reason(self, reset: int, longest: float) -> None:
        driven = Driven(50)
        driven.answer(driven.take(), x_ratelimit_remaining=0, x_ratelimit_reset=reset)
        outcome = driven.budget.take(driven.now, held=False)
        assert isinstance(outcome, Slot) or outcome <= longest

    def test_a_window_of_a_minute_is_used_up_and_then_waited_for(self) -> None:
        limit, window, taken = 30, 60.0, 0
        driven = Driven(limit)
        began = driven.now
        while driven.now < began + 3 * window - 1:
            outcome = driven.budget.take(driven.now, held=False)
            if isinstance(outcome, Slot):
                taken += 1
                left = -taken % limit
                reset = window - (driven.now - began) % window
                driven.answer(outcome, x_ratelimit_remaining=left, x_ratelimit_reset=math.ceil(reset))
            else:
                driven.now += outcome
        assert taken == 3 * limit


class TestRefusals:
    def test_a_burst_pauses_once(self) -> None:
        driven = Driven(100)
        driven.run(3.0)
        slots = [driven.take()]
        driven.now += 0.1
        slots.append(driven.take())
        for slot in slots:
            driven.answer(slot, 429)
        assert driven.budget.pause(driven.now) == pytest.approx(0.2)

    def test_pauses_double_from_burst_to_burst_up_to_a_second(self) -> None:
        driven = Driven(100)
        driven.begin()
        pauses: list[float] = []
        for _ in range(5):
            driven.now += 3.0
            driven.answer(driven.take(), 429)
            pauses.append(driven.delay())
        assert pauses == pytest.approx([0.2, 0.4, 0.8, 1.0, 1.0])

    def test_the_pause_is_short_again_after_a_success(self) -> None:
        driven = Driven(100)
        driven.begin()
        for status in (429, 429, 200, 429):
            driven.now += 3.0
            driven.answer(driven.take(), status)
        assert driven.delay() == pytest.approx(0.2)

    def test_what_was_let_through_is_the_measure_afterwards(self) -> None:
        driven = Driven(100)
        driven.run(3.0)
        assert len(driven.run(1.0)) > 90
        driven.now += 0.1
        for slot in [driven.take() for _ in range(3)]:
            driven.answer(slot, 429)
        driven.run(0.3)
        assert 20 <= len(driven.run(0.5)) <= 60

    def test_calm_restores_the_limit(self) -> None:
        driven = Driven(100)
        driven.begin()
        for _ in range(20):
            driven.now += 1.1
            driven.answer(driven.take(), 429)
        driven.run(10.0)
        assert len(driven.run(1.0)) >= 90

    def test_without_any_headers_it_slows_down_and_recovers(self) -> None:
        driven = Driven()
        driven.begin()
        slots = [driven.take() for _ in range(200)]
        for number, slot in enumerate(slots):
            driven.answer(slot, 200 if number < 40 else 429)
        assert 0.1 < driven.delay() < 1.5
        driven.now += 1.5
        slowed = len(driven.run(1.0))
        assert 10 <= slowed < 200
        driven.run(10.0)
        assert len(driven.run(1.0)) > 200

    def test_without_any_headers_a_refusal_is_forgotten_in_the_end(self) -> None:
        driven = Driven()
        driven.begin()
        driven.answer(driven.take(), 429)
        driven.run(20.0)
        for _ in range(5000):
            driven.take()

    def test_without_any_headers_refusals_leave_one_request_a_second(self) -> None:
        driven = Driven()
        driven.begin()
        for _ in range(4):
            driven.now += 1.5
            driven.answer(driven.take(), 429)
        driven.now += driven.delay()
        driven.take()
        assert driven.delay() == pytest.approx(WINDOW_MARGIN)

    @pytest.mark.parametrize(
        ("remaining", "spacings"),
        [
            (None, [4.0, 3.7, 2.81, 2.36]),
            (0, [4.0, 4.0, 4.0, 4.0]),
            (8, [4.0, 3.7, 2.81, 2.36]),
            (16, [4.0, 2.37, 1.41]),
        ],
    )
    def test_below_one_request_a_second_it_grows_with_each_by_what_is_unused_and_three_times_as_fast_after_three(
        self, remaining: int | None, spacings: list[float]
    ) -> None:
        driven = Driven(16)
        driven.begin()
        if remaining is not None:
            driven.headers["x-ratelimit-remaining"] = str(remaining)
        for pause in (2.0, 0.2):
            driven.now += pause
            driven.answer(driven.take(), 429)
        sent = driven.run(30.0)
        assert [sent[n + 1] - sent[n] for n in range(len(spacings))] == pytest.approx(spacings, abs=0.01)

    def test_one_request_that_is_refused_does_not_stop_all(self) -> None:
        driven = Driven(1)
        for _ in range(10):
            driven.now += LONGEST_SPACING
            driven.answer(driven.take(), 429)
        driven.now += LONGEST_SPACING
        driven.take()

    @pytest.mark.parametrize(("value", "least", "most"), [
        ("5", 5, 6),
        ("0", 0, 0.5),
        ("1.5", 1.5, 2),
        ("3600", 60, 61),
        (formatdate(EPOCH + 113, usegmt=True), 10, 11),
        ("soon", 0.1, 0.5),
        ("-3", 0.1, 0.5),
        ("", 0.1, 0.5),
        ("9" * 30, 0.1, 0.5),
    ])  # fmt: skip
    def test_retry_after_is_honoured_within_reason(self, value: str, least: float, most: float) -> None:
        driven = Driven(100)
        driven.begin()
        driven.now += 3.0
        driven.answer(driven.take(), 429, retry_after=value)
        assert least <= driven.delay() <= most

    def test_a_reset_far_away_is_waited_for(self) -> None:
        driven = Driven(100)
        driven.begin()
        driven.now += 3.0
        driven.answer(driven.take(), 429, x_ratelimit_remaining=0, x_ratelimit_reset=30)
        assert 30 <= driven.delay() <= 31

    @pytest.mark.parametrize(("remaining", "least", "most"), [(4900, 0.0, 1.0), (0, 60.0, 61.0), ("none", 60.0, 61.0)])
    def test_the_reset_of_a_long_window_says_nothing_of_a_burst_that_is_refused_while_requests_remain(
        self, remaining: int | str, least: float, most: float
    ) -> None:
        driven = Driven(5000)
        driven.begin()
        driven.now += 3.0
        driven.answer(driven.take(), 429, x_ratelimit_remaining=remaining, x_ratelimit_reset=3500)
        assert least <= driven.budget.pause(driven.now) <= most

    @pytest.mark.parametrize("limit", [5000, 10**6, 10**11])
    def test_a_high_limit_that_does_not_hold_leaves_little_more_than_what_is_let_through(self, limit: int) -> None:
        driven = Driven(limit)
        driven.begin()
        # What goes out in each second, of which ten are let through.
        counts: Counter[int] = Counter()
        under_way: deque[tuple[float, Slot, int]] = deque()
        while driven.now < 160:
            while under_way and under_way[0][0] <= driven.now:
                _, answered, status = under_way.popleft()
                driven.answer(answered, status)
            outcome = driven.budget.take(driven.now, held=False)
            if isinstance(outcome, Slot):
                counts[int(driven.now)] += 1
                status = 200 if counts[int(driven.now)] <= 10 else 429
                under_way.append((driven.now + ROUND_TRIP, outcome, status))
                driven.now += SENDING
            else:
                driven.now = min(driven.now + outcome, under_way[0][0] if under_way else math.inf)
        refused = sum(max(count - 10, 0) for second, count in counts.items() if second >= 105)
        assert sum(min(count, 10) for count in counts.values()) >= 0.8 * 10 * 60
        assert refused <= 0.5 * 10 * 55


def outcomes(*scenario: Any) -> list[Outcome]:
    return [simulate(Scenario(*scenario), seed) for seed in range(6)]


def mean(values: Callable[[Outcome], float], of: list[Outcome]) -> float:
    return sum(map(values, of)) / len(of)


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("window", ["bucket", "fixed"])
class TestSharedAccount:
    """Many processes that know of each other by the server's headers and refusals alone."""

    @pytest.mark.parametrize(("requests", "limit"), [(100, 75), (100, 15), (600, 150)])
    def test_one_process_is_refused_nothing_and_near_the_floor(
        self, requests: int, limit: int, window: str, held: bool
    ) -> None:
        for outcome in outcomes(1, requests, limit, window, held):
            assert outcome.refused == 0
            assert outcome.ratio <= 1.1

    @pytest.mark.parametrize(("processes", "most"), [(4, 0.08), (16, 0.20)])
    def test_many_processes_are_refused_little_and_near_the_floor(
        self, processes: int, most: float, window: str, held: bool
    ) -> None:
        found = outcomes(processes, 60, 150, window, held)
        assert mean(lambda outcome: outcome.refused_share, found) <= most
        assert mean(lambda outcome: outcome.ratio, found) <= 1.4

    @pytest.mark.parametrize("limit", [15, 75, 150])
    def test_very_many_processes_are_refused_a_quarter_at_most(self, limit: int, window: str, held: bool) -> None:
        found = outcomes(64, 20, limit, window, held)
        assert mean(lambda outcome: outcome.refused_share, found) <= 0.25
        assert mean(lambda outcome: outcome.ratio, found) <= 1.6

    def test_processes_that_start_on_a_busy_machine_are_refused_little_too(self, window: str, held: bool) -> None:
        found = outcomes(16, 60, 150, window, held, 2.0, 0.001, 0.05)
        assert mean(lambda outcome: outcome.refused_share, found) <= 0.20
        assert mean(lambda outcome: outcome.ratio, found) <= 1.6
