"""The rules of retries, as tables and for all headers that there can be."""

import math
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import formatdate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import BATCH, Batch, Chance, batches, fuzzed
from wriftai_anyio._concurrency import system
from wriftai_anyio._transport import retries
from wriftai_anyio.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    NetworkSettingsError,
    status_error,
)

NOW = 1_800_000_000.0
HOUR = 3600.0


def longest(_: float, high: float) -> float:
    return high


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.5), (1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (10_000, 8)])
def test_the_backoff_doubles_to_eight_seconds(attempt: int, seconds: float) -> None:
    assert retries.backoff(attempt, longest) == seconds


@pytest.mark.parametrize(
    ("method", "status", "location", "target"),
    [
        ("GET", 301, "/v2/x", "https://api.example/v2/x"),
        ("GET", 302, "y?z=1", "https://api.example/v1/y?z=1"),
        ("GET", 307, "https://api.example:443/v1/y", "https://api.example/v1/y"),
        ("HEAD", 303, "//api.example/y", "https://api.example/y"),
        ("POST", 307, "/y", "https://api.example/y"),
        ("DELETE", 308, "/y", "https://api.example/y"),
        ("POST", 301, "/y", None),
        ("POST", 302, "/y", None),
        ("POST", 303, "/y", None),
        ("GET", 200, "/y", None),
        ("GET", 304, "/y", None),
        ("GET", 307, "http://api.example/y", None),
        ("GET", 307, "https://api.example:8443/y", None),
        ("GET", 307, "https://api.example.evil/y", None),
        ("GET", 307, "https://me:pw@api.example/y", None),
        ("GET", 307, "//evil.example/y", None),
        ("GET", 307, "https://[", None),
        ("GET", 307, "", None),
        ("GET", 307, "https://api.example/v1/x", "https://api.example/v1/x"),
    ],
)
def test_a_redirect_is_followed_within_its_origin_where_the_request_stays_the_same(
    method: str, status: int, location: str, target: str | None
) -> None:
    request = httpx.Request(method, "https://api.example/v1/x")
    response = httpx.Response(status, headers={"location": location}, request=request)
    assert retries.redirection(response) == target


@pytest.mark.parametrize(
    ("location", "target"),
    [
        (b"/caf\xc3\xa9?n=\xc3\xbc", "/caf%C3%A9?n=%C3%BC"),
        (b"/caf\xe9?n=\xfc", "/caf%E9?n=%FC"),
        (b"/\xff\xfe", "/%FF%FE"),
    ],
)
def test_a_redirect_is_followed_byte_for_byte(location: bytes, target: str) -> None:
    request = httpx.Request("GET", "https://api.example/v1/x")
    response = httpx.Response(307, headers=[(b"Location", location)], request=request)
    followed = retries.redirection(response)
    assert followed is not None
    assert followed.raw_path == target.encode()


@given(st.integers(0, 10_000))
def test_the_backoff_has_full_jitter(attempt: int) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    assert retries.backoff(attempt, draw) == 0
    assert 0 <= retries.backoff(attempt) <= drawn[0][1]


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 7 "}, 7),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "60"}, 60),
        ({"retry-after": "61"}, 60),
        ({"retry-after": "86400"}, 60),
        ({"retry-after": "86401"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "7 seconds"}, None),
        ({"retry-after": "1e3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": formatdate(NOW + 9)}, 9),
        ({"retry-after": formatdate(NOW - 9)}, None),
        ({"retry-after": formatdate(NOW + 9), "date": formatdate(NOW + 4)}, 5),
        ({"retry-after": "Thu, 99 Foo 2026 99:99:99 GMT"}, None),
        ({"x-ratelimit-reset": "5"}, 5),
        ({"x-ratelimit-reset": str(int(NOW) + 5)}, 5),
        ({"x-ratelimit-reset": str(int(NOW) - 5)}, None),
        ({"x-ratelimit-reset": str(int(NOW) + 5), "date": formatdate(NOW + 3)}, 2),
        ({"x-ratelimit-reset": "999999999999"}, None),
        ({"x-ratelimit-reset": "later"}, None),
        ({"retry-after": "2", "x-ratelimit-reset": "5"}, 2),
        ({"retry-after": "soon", "x-ratelimit-reset": "5"}, 5),
        ({"retry-after": "86401", "x-ratelimit-reset": "5"}, 5),
        ({"retry-after": formatdate(NOW - 9), "x-ratelimit-reset": "5"}, 5),
        ({"x-ratelimit-reset": str(int(NOW + 5) * 1000)}, None),
        ({"x-ratelimit-reset": "86401"}, None),
        ({"x-ratelimit-reset": "5", "date": formatdate(NOW - HOUR)}, 5),
    ],
)
def test_what_the_server_asks_for_is_honoured_within_reason(headers: dict[str, str], delay: float | None) -> None:
    assert retries.server_delay(httpx.Headers(headers), NOW) == delay


def stating(moment: float, header: str) -> str:
    return str(int(moment)) if header == "x-ratelimit-reset" else formatdate(moment, usegmt=True)


@pytest.fixture
def five_hours_west(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if sys.platform == "win32":
        pytest.skip("the time zone is the system's")
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "WEST5")
        time.tzset()
        retries._date.cache_clear()
        yield
    time.tzset()
    retries._date.cache_clear()


@pytest.mark.parametrize("header", ["retry-after", "x-ratelimit-reset"])
class TestClocks:
    """A moment by the server's clock, with ours right, an hour off, or jumping."""

    @pytest.mark.parametrize(
        ("ahead", "delay"),
        [(0.0, 9), (0.4, 8.6), (0.9, 8.1), (-0.3, 9), (1.1, 9), (3.0, 9), (HOUR, 9), (-HOUR, 9), (-NOW, 9), (1e11, 9)],
    )
    def test_our_clock_tells_no_more_than_the_part_of_a_second_that_a_date_leaves_out(
        self, header: str, ahead: float, delay: float
    ) -> None:
        headers = {header: stating(NOW + 9, header), "date": formatdate(NOW, usegmt=True)}
        assert retries.server_delay(headers, NOW + ahead) == pytest.approx(delay)

    @pytest.mark.parametrize(
        ("moment", "date", "delay"),
        [
            (5, -HOUR, 5),
            (5, HOUR, 5),
            (5, -NOW, 5),
            (60, HOUR, 60),
            (-5, HOUR, None),
            (-5, -HOUR, None),
            (HOUR, 0, 60),
            (HOUR, -HOUR, 60),
            (HOUR, HOUR - 7, 7),
            (-HOUR, -HOUR - 7, 7),
            (HOUR, 2 * HOUR, None),
            (30, 32, None),
        ],
    )
    def test_a_date_far_from_the_moment_is_doubted_where_our_clock_says_that_it_is_near(
        self, header: str, moment: float, date: float, delay: float | None
    ) -> None:
        headers = {header: stating(NOW + moment, header), "date": formatdate(NOW + date, usegmt=True)}
        assert retries.server_delay(headers, NOW) == delay

    @pytest.mark.parametrize("date", ["", "now", "Thu, 99 Foo 2026 99:99:99 GMT", "9" * 5000, "\0"])
    def test_our_clock_counts_where_the_date_says_nothing(self, header: str, date: str) -> None:
        assert retries.server_delay({header: stating(NOW + 9, header), "date": date}, NOW) == 9

    @pytest.mark.usefixtures("five_hours_west")
    @pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"])
    def test_all_three_forms_of_a_date_are_read_wherever_we_are(self, header: str, form: str) -> None:
        date = datetime.fromtimestamp(NOW + HOUR, timezone.utc).strftime(form)
        assert retries.server_delay({header: stating(NOW + HOUR + 9, header), "date": date}, NOW) == 9

    @given(st.floats(-1e6, 1e6), st.floats(0, 59))
    def test_a_clock_that_is_off_costs_a_second_at_most(self, header: str, ahead: float, left: float) -> None:
        server_time = NOW + 0.7
        moment = int(server_time + left)
        headers = {header: stating(moment, header), "date": formatdate(int(server_time), usegmt=True)}
        delay = retries.server_delay(headers, server_time + ahead)
        assert moment - server_time - 1 <= (delay or 0) <= max(0, moment - server_time) + 1


def numberlike(chance: Chance) -> str:
    """Makes what looks like a number or a date, or nearly."""
    return chance.any_of(
        lambda chance: str(chance.integer() % 10**40),
        lambda chance: str(chance.integer() % 10**40 - 10**20),
        lambda chance: str(chance.float()),
        lambda chance: formatdate(chance.uniform(0, 4e9)),
        lambda chance: formatdate(NOW + chance.uniform(-2 * HOUR, 2 * HOUR), usegmt=chance.choice([True, False])),
        lambda chance: chance.joined("0123456789 .,:-+eEGMTinfa\t\u0663é", 40),
        lambda chance: chance.joined("".join(map(chr, range(256))), 60),
    )


HEADERS = ("retry-after", "x-ratelimit-reset", "date")


@fuzzed(1000, each=BATCH)
@given(batches)
def test_no_headers_at_all_lead_to_an_error_or_a_long_delay(batch: Batch) -> None:
    for chance in batch:
        headers = {name: numberlike(chance) for name in HEADERS if chance.random() < 0.7}
        now = chance.choice([chance.uniform(-1e12, 1e12), NOW + chance.uniform(-HOUR, HOUR)])
        delay = retries.server_delay(headers, now)
        assert delay is None or 0 <= delay <= retries.LONGEST_SERVER_DELAY, (headers, now)


@fuzzed(1000, each=BATCH)
@given(batches)
def test_a_number_is_finite_and_not_negative_or_none(batch: Batch) -> None:
    for chance in batch:
        value = numberlike(chance)
        number = retries.number(value)
        assert number is None or (math.isfinite(number) and number >= 0), value


@pytest.mark.parametrize("blank", ["\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u2028", "\n", "\x0b"])
def test_blanks_that_http_does_not_know_make_it_none(blank: str) -> None:
    for value in (f"2{blank}", f"{blank}2"):
        assert retries.number(value) is None
        assert retries.server_delay({"x-ratelimit-reset": value, "retry-after": value}, NOW) is None
    assert retries.number(" \t2\t ") == 2


@given(st.integers(0, 10**11))
def test_a_plain_number_is_read(value: int) -> None:
    assert retries.number(str(value)) == value


def test_statuses_that_pass_are_retried_and_no_others() -> None:
    assert {408, 429, 500, 502, 503, 504} == retries.RETRIED_STATUSES


def test_only_what_does_no_harm_twice_is_repeated() -> None:
    assert {"GET", "HEAD", "PUT", "DELETE"} == retries.REPEATABLE_METHODS


REQUEST = httpx.Request("POST", "https://api.example/v1/predictions")


def refused(status: int, **headers: str) -> APIStatusError:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(httpx.Response(status, headers=given, request=REQUEST), None)


def unanswered(*, sent: bool) -> APIConnectionError:
    return APIConnectionError("it broke", request=REQUEST, request_sent=sent)


class TestRetryDelay:
    """How a request that failed is sent again: after a back-off of two seconds where nothing else is asked for."""

    @pytest.fixture(autouse=True)
    def _longest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(system, "uniform", longest)

    @pytest.mark.parametrize("sent", [True, False])
    @pytest.mark.parametrize("repeatable", [True, False])
    def test_what_was_not_answered_is_sent_again_if_that_is_safe(self, sent: bool, repeatable: bool) -> None:
        delay = retries.retry_delay(unanswered(sent=sent), 2, NOW, repeatable=repeatable)
        assert delay == (2.0 if repeatable or not sent else None)

    @pytest.mark.parametrize("failure", [
        NetworkSettingsError("no such proxy", request=REQUEST, request_sent=False),
        APIResponseError("not JSON", response=httpx.Response(200, request=REQUEST)),
    ])  # fmt: skip
    def test_what_would_fail_again_is_not_sent_again(self, failure: APIConnectionError | APIResponseError) -> None:
        assert retries.retry_delay(failure, 0, NOW, repeatable=True) is None

    @pytest.mark.parametrize(("status", "delay"), [(503, 2.0), (429, 2.0), (404, None), (501, None), (200, None)])
    def test_a_passing_refusal_is_sent_again_if_that_is_safe(self, status: int, delay: float | None) -> None:
        assert retries.retry_delay(refused(status), 2, NOW, repeatable=True) == delay
        assert retries.retry_delay(refused(status), 2, NOW, repeatable=False) is None

    @pytest.mark.parametrize("status", [425, 499, 520, 522, 524, 529, 530])
    def test_what_a_gateway_answers_in_the_place_of_the_server_is_sent_again_if_that_is_safe(self, status: int) -> None:
        assert retries.retry_delay(refused(status), 2, NOW, repeatable=True) == 2.0
        assert retries.retry_delay(refused(status), 2, NOW, repeatable=False) is None

    @pytest.mark.parametrize("asked", [0, 7])
    def test_what_the_answer_asks_for_counts_before_the_back_off(self, asked: int) -> None:
        assert retries.retry_delay(refused(503, retry_after=str(asked)), 2, NOW, repeatable=True) == asked

    @pytest.mark.parametrize("remaining", ["0", "1"])
    def test_a_date_that_the_answer_asks_for_is_reckoned_from_now(self, remaining: str) -> None:
        until = formatdate(NOW + 7, usegmt=True)
        failure = refused(503, retry_after=until, x_ratelimit_remaining=remaining)
        assert retries.retry_delay(failure, 2, NOW, repeatable=True) == 7

    @pytest.mark.parametrize(("remaining", "delay"), [("0", 7.0), ("1", 2.0), ("0.5", 2.0), ("many", 7.0)])
    def test_a_reset_is_waited_for_only_where_nothing_remains(self, remaining: str, delay: float) -> None:
        failure = refused(503, x_ratelimit_reset="7", x_ratelimit_remaining=remaining)
        assert retries.retry_delay(failure, 2, NOW, repeatable=True) == delay
        assert retries.failure_delay({"retry-after": "3", **failure.response.headers}, NOW) == 3


@pytest.mark.parametrize(
    ("value", "read"), [("0", 0), ("15", 15), (" 15.0 ", 15), ("1.5", None), ("", None), ("-1", None), (None, None)]
)
def test_a_whole_number_is_read_and_nothing_else(value: str | None, read: int | None) -> None:
    assert retries.whole(value) == read


@pytest.mark.parametrize(
    ("reset", "delay"), [("0", 0), ("0.5", 0.5), ("86400", 86400), ("86401", None), ("999999999", None)]
)
def test_a_reset_is_at_most_a_day_off(reset: str, delay: float | None) -> None:
    assert retries.reset_delay({"x-ratelimit-reset": reset}, NOW) == delay


def test_a_date_of_a_whole_second_ago_is_of_another_clock() -> None:
    headers = {"x-ratelimit-reset": f"{NOW + 9:.0f}", "date": formatdate(NOW, usegmt=True)}
    assert retries.reset_delay(headers, NOW + 1) == 9


def test_a_date_of_a_minute_before_the_moment_is_not_doubted() -> None:
    headers = {"x-ratelimit-reset": f"{NOW + 60:.0f}", "date": formatdate(NOW, usegmt=True)}
    assert retries.reset_delay(headers, NOW + 30) == 60
