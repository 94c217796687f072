"""The rules of retries, as tables and for all headers that there can be."""

import math
from email.utils import formatdate

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wriftai_anyio import _retry

NOW = 1_800_000_000.0


def longest(_: float, high: float) -> float:
    return high


@pytest.mark.parametrize(("attempt", "seconds"), [(0, 0.5), (1, 1), (2, 2), (3, 4), (4, 8), (5, 8), (10_000, 8)])
def test_the_backoff_doubles_to_eight_seconds(attempt: int, seconds: float) -> None:
    assert _retry.backoff(attempt, longest) == seconds


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
    assert _retry.redirection(response) == target


@given(st.integers(0, 10_000))
def test_the_backoff_has_full_jitter(attempt: int) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    assert _retry.backoff(attempt, draw) == 0
    assert 0 <= _retry.backoff(attempt) <= drawn[0][1]


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
    ],
)
def test_what_the_server_asks_for_is_honoured_within_reason(headers: dict[str, str], delay: float | None) -> None:
    assert _retry.server_delay(httpx.Headers(headers), NOW) == delay


text = st.text("0123456789 .,:-+eEGMTinfa\t\u0663é", max_size=40)
dates = st.floats(0, 4e9).map(formatdate)
numberlike = st.one_of(st.integers().map(str), st.floats().map(str), text, dates)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("retry-after", "x-ratelimit-reset", "date"), numberlike)))
def test_no_headers_at_all_lead_to_an_error_or_a_long_delay(headers: dict[str, str]) -> None:
    delay = _retry.server_delay(headers, NOW)
    assert delay is None or 0 <= delay <= _retry.LONGEST_SERVER_DELAY


@given(numberlike)
def test_a_number_is_finite_and_not_negative_or_none(value: str) -> None:
    number = _retry.number(value)
    assert number is None or (math.isfinite(number) and number >= 0)


@given(st.integers(0, 10**11))
def test_a_plain_number_is_read(value: int) -> None:
    assert _retry.number(str(value)) == value


def test_statuses_that_pass_are_retried_and_no_others() -> None:
    assert {408, 429, 500, 502, 503, 504} == _retry.RETRIED_STATUSES


def test_only_what_does_no_harm_twice_is_repeated() -> None:
    assert {"GET", "HEAD", "PUT", "DELETE"} == _retry.REPEATABLE_METHODS
