"""Wait options: checked when they are made, so that nothing is sent that would fail at the first poll."""

import functools
import math
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.support.clients import ID, Script, Spelling
from wriftai_anyio import Client
from wriftai_anyio._polling.options import for_coroutine
from wriftai_anyio.predictions import AsyncWaitOptions, WaitOptions

both = pytest.mark.parametrize("kind", [WaitOptions, AsyncWaitOptions])


@both
@pytest.mark.parametrize("name", ["poll_interval", "timeout", "duration"])
def test_what_is_no_number_of_seconds_is_refused(kind: Any, name: str) -> None:
    wrong: list[object] = ["30", b"30", [1], {}, True, -1, -0.5, math.nan, math.inf, 10**400, Decimal(1), 1j]
    for value in wrong:
        with pytest.raises(ValueError, match=f"{name} must be a number of seconds"):
            kind(**{name: value})


@both
def test_a_timedelta_is_told_what_to_give(kind: Any) -> None:
    with pytest.raises(ValueError, match="total_seconds"):
        kind(timeout=timedelta(seconds=5))


@both
@pytest.mark.parametrize("name", ["cancel_on_exit", "poll"])
@pytest.mark.parametrize("value", ["false", 0, 1, None])
def test_what_is_no_bool_is_refused(kind: Any, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be True or False"):
        kind(**{name: value})


def nothing_taken() -> None: ...
def two_taken(_: object, __: object) -> None: ...
def generator(_: object) -> Any:
    yield


async def async_generator(_: object) -> Any:
    yield


@both
@pytest.mark.parametrize("value", ["print", 5, [], nothing_taken, two_taken, generator, async_generator])
def test_what_cannot_be_called_with_a_prediction_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValueError, match="on_poll must be a function or a coroutine function that takes the pred"):
        kind(on_poll=value)


@both
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("print", ", or None, not 'print'."),
        (generator, ", not a generator: nothing would run it."),
        (nothing_taken, f", not {nothing_taken!r}: too many positional arguments."),
    ],
    ids=["not callable", "generator", "takes nothing"],
)
def test_a_callback_that_cannot_be_called_is_told_why(kind: Any, value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match="on_poll") as caught:
        kind(on_poll=value)
    wanted = "on_poll must be a function or a coroutine function that takes the prediction"
    assert str(caught.value) == wanted + problem


class Callbacks:
    def method(self, _: object) -> None: ...
    async def coroutine(self, _: object) -> None: ...
    def __call__(self, _: object) -> None: ...


@both
@pytest.mark.parametrize(
    "value",
    [
        *(print, {}.get, [].append, dict, lambda prediction, more=1: None, functools.partial(two_taken, 1)),
        *(Callbacks().method, Callbacks().coroutine, Callbacks()),
    ],
)
def test_whatever_can_be_called_with_a_prediction_is_taken(kind: Any, value: Any) -> None:
    assert kind(on_poll=value).on_poll is value


@both
@pytest.mark.parametrize("value", [0, 1, 2.5, Fraction(1, 2)])
def test_every_real_number_is_taken(kind: Any, value: Any) -> None:
    assert kind(value, timeout=value, duration=value).timeout == value


@pytest.mark.parametrize("options", [None, 5, {"timeout": 5}, WaitOptions])
def test_what_is_no_options_is_refused_before_anything_is_sent(spelling: Spelling, options: Any) -> None:
    script = Script()
    client: Client = spelling.client(script)
    with pytest.raises(ValueError, match="must be WaitOptions or AsyncWaitOptions"):
        spelling.call(client.predictions, "create", {"input": 1}, "o/n", wait=True, wait_options=options)
    with pytest.raises(ValueError, match="must be WaitOptions or AsyncWaitOptions"):
        spelling.call(client.predictions, "wait", ID, options)
    assert script.requests == []
    client.close()


@both
def test_the_message_says_what_is_allowed_what_was_given_and_what_to_give(kind: Any) -> None:
    with pytest.raises(ValueError, match="a number of seconds") as of_interval:
        kind(poll_interval="30")
    assert str(of_interval.value) == "poll_interval must be a number of seconds, 0 or more, not '30'."
    with pytest.raises(ValueError, match="a number of seconds") as of_timeout:
        kind(timeout=timedelta(seconds=5))
    assert str(of_timeout.value) == (
        "timeout must be a number of seconds, 0 or more, or None, not datetime.timedelta(seconds=5). "
        "Give its total_seconds()."
    )


ALL: dict[str, Any] = {"poll_interval": 2.0, "timeout": 3.0, "cancel_on_exit": True, "duration": 4.0, "poll": False}


@both
def test_a_coroutine_is_given_all_of_them(kind: Any) -> None:
    caller: Any = object()
    for callback in (None, nothing_done):
        assert for_coroutine(kind(on_poll=callback, **ALL)) == AsyncWaitOptions(on_poll=callback, **ALL)
    assert for_coroutine(kind(**ALL), caller) == AsyncWaitOptions(**ALL)


@both
def test_a_plain_callback_of_a_blocking_caller_runs_in_its_thread(kind: Any) -> None:
    caller: Any = object()
    given = for_coroutine(kind(on_poll=nothing_done, **ALL), caller)
    assert given == AsyncWaitOptions(on_poll=given.on_poll, **ALL)
    assert given.on_poll is not nothing_done


def nothing_done(_: object) -> None: ...


@pytest.mark.parametrize(("callback", "caller"), [(None, None), (None, object()), (nothing_done, None)])
def test_options_for_a_coroutine_are_not_copied(callback: Any, caller: Any) -> None:
    options = AsyncWaitOptions(on_poll=callback, **ALL)
    assert for_coroutine(options, caller) is options


def test_what_are_no_options_is_named() -> None:
    nothing: Any = {"timeout": 5}
    with pytest.raises(ValueError, match=r"^The wait options must be WaitOptions or AsyncWaitOptions, not \{'timeout'"):
        for_coroutine(nothing)
