"""Pure rules: whether a request may be sent again, where to, and after how long."""

import re
from collections.abc import Callable, Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache

import httpx

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError, NetworkSettingsError

from .addresses import location_of

RETRIED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
GATEWAY_STATUSES = frozenset({425, 499, *range(520, 531)})
"""What gateways answer that got no answer of the server, or do not send it the request yet (425). Those in no RFC: 499
where something on the way gave the request up, Cloudflare's from 520 on, and 529 where a service is overloaded."""
PASSING_STATUSES = RETRIED_STATUSES | GATEWAY_STATUSES
REPEATABLE_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
REDIRECTS_OF_ANYTHING = frozenset({307, 308})
"""Those after which the method and the body stay the same: the server certainly did nothing."""

FIRST_BACKOFF = 0.5
"""Seconds."""
LONGEST_BACKOFF = 8.0
"""Seconds."""
LONGEST_SERVER_DELAY = 60.0
"""Seconds: what a server asks for beyond this is cut to it."""
RATE_LIMIT_PATIENCE = 120.0
"""Seconds for which answers of 429 are retried, whatever their number."""
LONGEST_LEAD = 100 * 86_400.0
"""Seconds that this machine's clock is taken to be ahead of a server's, at most."""

_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?", re.ASCII)
_A_DAY = 86_400.0
_EARLIEST_TIMESTAMP = 1e9


def redirection(response: httpx.Response) -> httpx.URL | None:
    """Returns where a redirect leads, if it stays on the same origin, so that no token leaves it.

    Args:
        response: The answer, with its request.

    Returns:
        The address; `None` if the answer is not a redirect, or one that is not followed.
    """
    if response.status_code not in REDIRECTS:
        return None
    request, location = response.request, location_of(response)
    keeps_request = request.method in {"GET", "HEAD"} or response.status_code in REDIRECTS_OF_ANYTHING
    if not keeps_request or not location:
        return None
    try:
        target = request.url.join(location)
    except (httpx.InvalidURL, ValueError):
        return None
    stays = (target.scheme, target.netloc, target.userinfo) == (request.url.scheme, request.url.netloc, b"")
    return target if stays else None


def retry_delay(
    failure: APIConnectionError | APIStatusError | APIResponseError, repeats: int, now: float, *, repeatable: bool
) -> float | None:
    """Returns the delay before a request that failed is sent again.

    Args:
        failure: How it failed.
        repeats: How often it was sent again already.
        now: The time of this machine, a Unix timestamp.
        repeatable: Whether it is safe to repeat although the server may have seen it.

    Returns:
        Seconds; `None` if it must not be sent again.
    """
    if isinstance(failure, (NetworkSettingsError, APIResponseError)):
        return None
    if isinstance(failure, APIConnectionError):
        return backoff(repeats) if repeatable or not failure.request_sent else None
    if failure.status_code not in PASSING_STATUSES or not repeatable:
        return None
    asked = failure_delay(failure.response.headers, now)
    return backoff(repeats) if asked is None else asked


def backoff(attempt: int, uniform: Callable[[float, float], float] | None = None) -> float:
    """Returns the delay before a retry, with full jitter.

    Args:
        attempt: How many retries there were already, from 0.
        uniform: Draws a number between two others; by default at random.

    Returns:
        Seconds, between 0 and 0.5 doubled `attempt` times, at most 8.
    """
    return scaled((uniform or system.uniform)(0.0, min(FIRST_BACKOFF * 2.0 ** min(attempt, 10), LONGEST_BACKOFF)))


def server_delay(headers: Mapping[str, str], now: float) -> float | None:
    """Returns the delay that a 429 asks for.

    `Retry-After` counts before `x-ratelimit-reset`. What makes no sense is ignored.

    Args:
        headers: The answer's headers.
        now: The time of this machine, a Unix timestamp.

    Returns:
        Seconds, at most 60; `None` if the server asked for nothing sensible.
    """
    delay = retry_after(headers, now)
    if delay is None and (delay := reset_delay(headers, now)) is not None:
        delay = min(delay, LONGEST_SERVER_DELAY)
    return delay


def failure_delay(headers: Mapping[str, str], now: float) -> float | None:
    """Returns the delay that a failed answer asks for.

    As `server_delay`; but resets are in every answer, and say nothing where requests remain.

    Args:
        headers: The answer's headers.
        now: The time of this machine, a Unix timestamp.

    Returns:
        Seconds, at most 60; `None` if the server asked for nothing sensible.
    """
    return retry_after(headers, now) if number(headers.get("x-ratelimit-remaining")) else server_delay(headers, now)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Reads `Retry-After`: seconds, or a date.

    Args:
        headers: The answer's headers.
        now: The time of this machine, a Unix timestamp.

    Returns:
        Seconds, at most 60; `None` if the value makes no sense or lies in the past.
    """
    after = headers.get("retry-after")
    delay = number(after)
    if delay is None and (moment := _date(after)) is not None:
        delay = _seconds_until(moment, headers, now)
    return min(delay, LONGEST_SERVER_DELAY) if delay is not None and 0 <= delay <= _A_DAY else None


def reset_delay(headers: Mapping[str, str], now: float) -> float | None:
    """Reads `x-ratelimit-reset`: a Unix timestamp, or a number of seconds, told apart by size.

    Args:
        headers: The answer's headers.
        now: The time of this machine, a Unix timestamp.

    Returns:
        Seconds from now; `None` if the value makes no sense or lies in the past.
    """
    delay = number(headers.get("x-ratelimit-reset"))
    if delay is not None and delay >= _EARLIEST_TIMESTAMP:
        delay = _seconds_until(delay, headers, now)
    return delay if delay is not None and 0 <= delay <= _A_DAY else None


def _seconds_until(moment: float, headers: Mapping[str, str], now: float) -> float:
    """Returns the seconds until a moment of the server's clock, from which ours may differ.

    The answer's `Date` is of the server's clock too, less a part of a second, which our clock fills in where the two
    agree. A `Date` that is more than a minute off the moment is doubted if the moment is near by ours, past or not.
    """
    by_ours = moment - now
    date = _date(headers.get("date"))
    if date is None:
        return by_ours
    by_date = moment - (now if date <= now < date + 1.0 else date)
    doubted = abs(by_date) > LONGEST_SERVER_DELAY >= abs(by_ours)
    return by_ours if doubted else by_date


def clock_lead(headers: Mapping[str, str], now: float) -> float:
    """Returns how far this machine's clock is ahead of the server's.

    Args:
        headers: The headers of an answer.
        now: The time of this machine when it came, a Unix timestamp.

    Returns:
        Seconds, at most `LONGEST_LEAD`; 0 if it is not ahead, or the answer does not tell.
    """
    date = _date(headers.get("date"))
    return 0.0 if date is None else min(max(now - date, 0.0), LONGEST_LEAD)


def without_policy(value: str | None) -> str | None:
    """Returns a limit without the policies that Envoy and the IETF's drafts append to it.

    Args:
        value: The header's value, such as `10, 10;w=1, 500;w=3600`: its first number is the limit that counts now.
    """
    return value.partition(",")[0] if value and ";" in value else value


def number(value: str | None) -> float | None:
    """Reads a plain decimal number of a header; `None` if it is anything else."""
    # The blanks of HTTP alone: others, such as \x1d, are none to `float`.
    text = "" if value is None else value.strip(" \t")
    return float(text) if _NUMBER.fullmatch(text) else None


def whole(value: str | None) -> int | None:
    """Reads a whole number of a header; `None` if it is anything else."""
    parsed = number(value)
    return None if parsed is None or parsed != int(parsed) else int(parsed)


@lru_cache(maxsize=8)
def _date(value: str | None) -> float | None:
    # Parsed for every answer, and equal for all answers within one second.
    if value is None:
        return None
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=timezone.utc)).timestamp()
