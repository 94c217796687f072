"""How long the answer to a create that the server holds is waited for."""

from typing import Any

import httpx
import pytest

from tests.support.clients import Script, answer, client_of
from wriftai_anyio._predictions.create import LONGEST_RUN
from wriftai_anyio.predictions import AsyncWaitOptions

pytestmark = pytest.mark.anyio


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
