"""A create as a value: what it sends, and how long the answer is waited for where the server holds it."""

from typing import Any

import httpx
import pytest

from tests.support.clients import Script, answer, client_of
from wriftai_anyio._predictions.create import LONGEST_RUN, Create, Hold
from wriftai_anyio.predictions import AsyncWaitOptions

pytestmark = pytest.mark.anyio


class TestWhatIsSent:
    @pytest.mark.parametrize(
        ("params", "body", "headers"),
        [
            ({"input": 1}, {"input": 1}, {}),
            ({"input": None}, {"input": None}, {}),
            ({"input": 1, "model": "o/n"}, {"input": 1}, {}),
            ({"input": 1, "validate_input": True}, {"input": 1}, {"validate-input": "true"}),
            ({"input": 1, "validate_input": False}, {"input": 1}, {"validate-input": "false"}),
            ({"input": 1, "validate_input": None, "webhook": None, "stream": None}, {"input": 1}, {}),
            ({"input": 1, "stream": False}, {"input": 1}, {}),
            ({"input": 1, "stream": True}, {"input": 1, "stream": True}, {}),
            (
                {"input": 1, "webhook": {"url": "https://me.example"}, "extra_body": {"priority": 2}},
                {"input": 1, "webhook": {"url": "https://me.example"}, "priority": 2},
                {},
            ),
        ],
    )
    def test_each_param_goes_to_its_place(
        self, params: dict[str, Any], body: dict[str, Any], headers: dict[str, str]
    ) -> None:
        create = Create.checked(params, "o/n")
        assert create.body == {"model": "o/n", **body}
        assert create.headers == headers

    def test_one_whose_events_are_to_be_the_answer_says_so(self) -> None:
        create = Create.checked({"input": 1}, "o/n", stream=True)
        assert create.body == {"model": "o/n", "input": 1, "stream": True}
        assert create.streams
        assert not Create.checked({"input": 1}, "o/n").streams

    def test_params_for_another_model_are_refused_with_both_names(self) -> None:
        with pytest.raises(ValueError, match="model") as caught:
            Create.checked({"input": 1, "model": "o/other"}, "o/n")
        assert str(caught.value) == "params are for the model 'o/other', not for 'o/n'. Nothing was sent."

    @pytest.mark.parametrize("model", ["", "n", "o/n/m", "o/", "/n", "o/:1", "o/n:", "o/n:0x1", "o:1/n", 5])
    def test_what_is_no_reference_of_a_model_is_refused(self, model: Any) -> None:
        with pytest.raises(ValueError, match="owner/name"):
            Create.checked({"input": 1}, model)

    @pytest.mark.parametrize(
        ("params", "outline"),
        [
            ({}, {"stream": False, "webhook": False}),
            ({"stream": True, "validate_input": False}, {"stream": True, "webhook": False, "validate_input": False}),
            (
                {"validate_input": True, "webhook": {"url": "https://me.example", "secret": "s"}},
                {"stream": False, "webhook": True, "validate_input": True},
            ),
        ],
    )
    def test_those_who_look_on_are_told_all_but_the_input_and_the_webhook(
        self, params: dict[str, Any], outline: dict[str, Any]
    ) -> None:
        assert Create.checked({"input": "private", **params}, "o/n").outline == {"model": "o/n", **outline}

    @pytest.mark.parametrize(
        ("seconds", "preference"), [(None, "wait"), (30, "wait=30"), (0.5, "wait=0.5"), (1.23456, "wait=1.235")]
    )
    def test_a_hold_is_asked_for_in_seconds(self, seconds: float | None, preference: str) -> None:
        assert Hold(seconds).preference == preference


@pytest.mark.parametrize(
    ("options", "held"),
    [
        ({}, LONGEST_RUN),
        ({"duration": 10}, 10),
        ({"timeout": 31}, 30),
        ({"duration": 0.5}, 0),
        ({"cancel_on_exit": True}, 0),
    ],
)
async def test_the_answer_may_come_as_much_later_as_it_is_held(options: dict[str, Any], held: float) -> None:
    timeout = httpx.Timeout(connect=2, read=5, write=3, pool=4)
    script = Script(answer(code=201))
    async with client_of(script, timeout=timeout) as client:
        await client.predictions.async_create({"input": 1}, "o/n", wait=True, wait_options=AsyncWaitOptions(**options))
    assert script.requests[0].extensions["timeout"] == {"connect": 2, "read": 5 + held, "write": 3, "pool": 4}


async def test_without_a_timeout_a_held_create_has_none() -> None:
    script = Script(answer(code=201))
    async with client_of(script, timeout=httpx.Timeout(7, read=None)) as client:
        await client.predictions.async_create({"input": 1}, "o/n", wait=True)
    assert script.requests[0].extensions["timeout"]["read"] is None
