"""Whose rate limits are shared: those of one account, by all its clients in a process."""

import gc

import pytest

from wriftai_anyio._concurrency.forks import PerProcess
from wriftai_anyio._rate_limits import accounts
from wriftai_anyio._rate_limits.accounts import AccountLimits, SharedLimits, _Registry

URL, TOKEN = "https://api.example/v1", "0123456789-secret"


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> _Registry:
    made: PerProcess[_Registry] = PerProcess(_Registry)
    monkeypatch.setattr(accounts, "_registry", made)
    return made.get()


@pytest.mark.parametrize("token", [TOKEN, None])
def test_those_of_one_token_at_one_address_are_the_same(token: str | None) -> None:
    one = SharedLimits(URL, token)
    assert one.get() is one.get() is SharedLimits(URL, token).get()


@pytest.mark.parametrize("url", ["HTTPS://API.Example/v1", "https://api.example:443/v1"])
def test_those_of_one_address_that_is_written_in_another_way_are_the_same(url: str) -> None:
    one = SharedLimits(URL, TOKEN)
    assert SharedLimits(url, TOKEN).get() is one.get()


def test_those_of_another_token_or_address_are_others() -> None:
    every = [SharedLimits(*each) for each in ((URL, TOKEN), (URL, "another"), (URL, None), (f"{URL}/2", TOKEN))]
    assert len({id(each.get()) for each in every}) == 4


def test_they_live_as_long_as_any_client_has_them(registry: _Registry) -> None:
    one, twin = SharedLimits(URL, TOKEN), SharedLimits(URL, TOKEN)
    limits = one.get()
    assert twin.get() is limits
    del one, limits
    gc.collect()
    assert len(registry._accounts) == 1
    assert SharedLimits(URL, TOKEN).get() is twin.get()
    del twin
    gc.collect()
    assert len(registry._accounts) == 0


def test_nothing_that_is_kept_shows_the_token(registry: _Registry) -> None:
    limits = SharedLimits(URL, TOKEN)
    limits.get()
    assert TOKEN not in repr((vars(limits), list(registry._accounts.items())))


@pytest.mark.parametrize(
    ("method", "path", "creates"),
    [
        ("POST", "/predictions", True),
        ("GET", "/predictions", False),
        ("POST", "/predictions/an-id/cancel", False),
        ("POST", "/uploads", False),
    ],
)
def test_creates_count_on_their_own(method: str, path: str, creates: bool) -> None:
    limits = AccountLimits()
    assert limits.creates is not limits.others
    assert limits.bucket(method, path) is (limits.creates if creates else limits.others)


@pytest.mark.anyio
async def test_the_state_tells_each_bucket_apart() -> None:
    limits = AccountLimits()
    for bucket, limit in ((limits.creates, 7), (limits.others, 9)):
        bucket.answered(await bucket.acquire(), 200, {"x-ratelimit-limit": str(limit)})
    assert (limits.state().creates.limit, limits.state().others.limit) == (7, 9)
