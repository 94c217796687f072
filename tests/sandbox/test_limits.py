import httpx
import pytest

from wriftai_anyio.sandbox import RateLimits, Sandbox
from wriftai_anyio.sandbox._limits import Limiter

from .helpers import Connect

BODY = {"model": "sandbox/echo", "input": {}}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_allows_a_burst_and_refills_steadily() -> None:
    clock = Clock()
    limiter = Limiter(RateLimits(creates=4, others=1), clock)
    burst = [limiter.take(create=True) for _ in range(5)]
    assert [allowance.granted for allowance in burst] == [True] * 4 + [False]
    assert [allowance.remaining for allowance in burst] == [3, 2, 1, 0, 0]
    assert burst[-1].reset == 1001
    clock.now += 0.25
    assert [limiter.take(create=True).granted for _ in range(2)] == [True, False]
    clock.now += 60
    assert limiter.take(create=True).remaining == 3


def test_a_fixed_window_starts_afresh_with_each_second() -> None:
    clock = Clock()
    clock.now += 0.9
    limiter = Limiter(RateLimits(creates=1, others=2, window="fixed"), clock)
    assert [limiter.take(create=False).granted for _ in range(3)] == [True, True, False]
    clock.now += 0.2
    allowance = limiter.take(create=False)
    assert (allowance.granted, allowance.remaining, allowance.reset) == (True, 1, 1002)


def test_creates_and_all_else_are_counted_apart_and_a_refused_create_is_not_made(connect: Connect) -> None:
    with Sandbox(rate_limits=RateLimits(creates=1, others=1)) as sandbox:
        http = connect(sandbox)
        taken = [http.post("/predictions", json=BODY), http.get("/predictions")]
        refused = [http.post("/predictions", json=BODY), http.get("/predictions")]
    assert [answer.status_code for answer in taken + refused] == [201, 200, 429, 429]
    assert refused[0].json()["code"] == "rate_limited"
    for answer in taken + refused:
        assert answer.headers["x-ratelimit-limit"] == "1"
        assert answer.headers["x-ratelimit-remaining"] == "0"
        assert int(answer.headers["x-ratelimit-reset"]) > 1_700_000_000
    assert len(sandbox.predictions) == 1


def test_without_limits_there_are_no_headers_about_them(http: httpx.Client) -> None:
    answer = http.get("/predictions")
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def test_a_reset_fills_the_limits(connect: Connect) -> None:
    with Sandbox(rate_limits=RateLimits(creates=1, others=1)) as sandbox:
        http = connect(sandbox)
        for _ in range(2):
            assert http.post("/predictions", json=BODY).status_code == 201
            sandbox.reset()


def test_limits_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        RateLimits(creates=0)
