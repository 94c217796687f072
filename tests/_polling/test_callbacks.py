"""`on_poll`: both kinds, in both spellings, with the prediction's id on whatever it raises."""

import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from tests.support.clients import ID, Script, Spelling, answer
from wriftai_anyio.predictions import AsyncWaitOptions, WaitOptions

every_kind = pytest.mark.parametrize("options", [WaitOptions, AsyncWaitOptions])


class Seen:
    """What a callback got, and where it ran."""

    def __init__(self) -> None:
        self.statuses: list[str] = []
        self.threads: set[threading.Thread] = set()

    def plain(self, prediction: Any) -> None:
        self.statuses.append(prediction["status"])
        self.threads.add(threading.current_thread())

    async def coroutine(self, prediction: Any) -> None:
        await anyio.lowlevel.checkpoint()
        self.plain(prediction)

    def returns_a_coroutine(self, prediction: Any) -> Any:
        return self.coroutine(prediction)


def run(spelling: Spelling, options: Any) -> Any:
    script = Script(answer("started", 201), answer("started"), answer(output={"label": "cat"}))
    with spelling.client(script) as client:
        return spelling.call(client.predictions, "create", {"input": 1}, "o/n", wait=True, wait_options=options)


@every_kind
@pytest.mark.parametrize("callback", ["plain", "coroutine", "returns_a_coroutine"])
def test_each_kind_of_callback_is_taken_in_each_kind_of_options(
    spelling: Spelling, options: Any, callback: str
) -> None:
    seen = Seen()
    run(spelling, options(0.0, getattr(seen, callback), duration=0))
    assert seen.statuses == ["started", "succeeded"]
    in_own_thread = not spelling.blocking or callback == "plain"
    assert (seen.threads == {threading.current_thread()}) is in_own_thread


def test_the_prediction_is_the_callbacks_own(spelling: Spelling) -> None:
    def spoil(prediction: Any) -> None:
        if prediction["output"]:
            prediction["output"].clear()
        prediction.clear()

    assert run(spelling, WaitOptions(0.0, spoil, duration=0))["output"] == {"label": "cat"}


def fail(_: object) -> None:
    raise LookupError("my own")


async def async_fail(_: object) -> None:
    await anyio.lowlevel.checkpoint()
    raise LookupError("my own")


@pytest.mark.parametrize("callback", [fail, async_fail])
def test_what_it_raises_names_the_prediction_and_so_does_the_log(
    spelling: Spelling, callback: Callable[[object], Any], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LookupError, match="my own") as caught:
        run(spelling, WaitOptions(0.0, callback, duration=0))
    [note] = caught.value.__notes__
    assert f"prediction {ID}, " in note
    [record] = caplog.records
    assert record.getMessage() == (
        f"on_poll raised LookupError; no longer waiting for prediction {ID}, which may still be running"
    )


def test_a_ctrl_c_in_it_names_the_prediction_too() -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        run(Spelling("blocking-asyncio"), WaitOptions(0.0, interrupt, duration=0))
    assert ID in caught.value.__notes__[0]
