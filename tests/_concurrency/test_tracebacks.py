"""What users see of an error fits a screen, and leaves out nothing of theirs."""

import logging
import traceback
from pathlib import Path

import pytest

import wriftai_anyio
from wriftai_anyio import APIConnectionError, Client, NotFoundError, WriftAIError
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio
UNKNOWN = "00000000-0000-4000-8000-000000000000"
PACKAGE = str(Path(wriftai_anyio.__file__).parent)


def internal_frames(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(PACKAGE)]


def shown(error: BaseException) -> list[str]:
    lines = "".join(traceback.format_exception(error)).splitlines()
    return [line for line in lines if line.strip(" ^~")]  # Python 3.13 underlines calls, too


@pytest.fixture
def client(wriftai_sandbox: Sandbox) -> Client:
    return Client(wriftai_sandbox.access_token, wriftai_sandbox.base_url)


def test_404_of_a_blocking_call_fits_ten_lines(client: Client) -> None:
    with client, pytest.raises(NotFoundError) as caught:
        client.predictions.get(UNKNOWN)
    assert internal_frames(caught.value) == ["get", "call"]
    assert len(shown(caught.value)) <= 10


def test_404_of_a_verb_shows_no_more(client: Client) -> None:
    with client, pytest.raises(NotFoundError) as caught:
        client.run("sandbox/nowhere", {})
    assert len(internal_frames(caught.value)) <= 3
    assert len(shown(caught.value)) <= 14


async def test_404_of_a_coroutine_shows_the_way_to_the_request_and_nothing_below(client: Client) -> None:
    async with client:
        with pytest.raises(NotFoundError) as caught:
            await client.predictions.async_get(UNKNOWN)
    assert internal_frames(caught.value) == ["async_get", "fetch", "ask"]
    assert len(shown(caught.value)) <= 18


def test_lost_connection_names_its_causes_without_their_frames() -> None:
    with Client("token", "http://127.0.0.1:9/v1", max_retries=0) as client:
        with pytest.raises(APIConnectionError) as caught:
            client.predictions.get(UNKNOWN)
    assert len(shown(caught.value)) <= 20
    assert any(line.startswith("httpx.ConnectError: ") for line in shown(caught.value))


def fail(_: object) -> None:
    raise WriftAIError("of the caller")


def test_frames_of_a_callback_stay(client: Client) -> None:
    created = client.predictions.create({"input": {"seconds": 5}}, "sandbox/sleep")
    with client, pytest.raises(WriftAIError, match="of the caller") as caught:
        client.predictions.wait(created["id"], wriftai_anyio.WaitOptions(on_poll=fail))
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "fail"


def test_what_led_to_a_call_is_still_shown(client: Client) -> None:
    with client, pytest.raises(NotFoundError) as caught:
        try:
            raise KeyError("no such id in the cache")
        except KeyError:
            client.predictions.get(UNKNOWN)
    assert "KeyError: 'no such id in the cache'" in shown(caught.value)


def test_all_frames_stay_while_the_package_logs_at_debug(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "wriftai_anyio")
    with client, pytest.raises(NotFoundError) as caught:
        client.predictions.get(UNKNOWN)
    assert len(internal_frames(caught.value)) > 10
