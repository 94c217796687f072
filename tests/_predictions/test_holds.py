"""Creates are held for less once something on the way has cut one off, and only then."""

import anyio
import httpx
import pytest

from tests.support.clients import Answer, Script, answer, client_of, in_virtual_time
from wriftai_anyio import Client, CreateOutcomeUnknown
from wriftai_anyio.predictions import AsyncWaitOptions

pytestmark = pytest.mark.anyio

CUT = httpx.Response(504, text="<h1>504 Gateway Time-out</h1>")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return in_virtual_time(request.param)


def after(seconds: float, outcome: httpx.Response | httpx.RequestError) -> Answer:
    async def late(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(seconds)
        if isinstance(outcome, httpx.RequestError):
            raise outcome
        return outcome

    return late


async def create(client: Client, **options: float | bool) -> None:
    chosen = AsyncWaitOptions(**options)  # type: ignore[arg-type]
    await client.predictions.async_create({"input": 1}, "o/n", wait=True, wait_options=chosen)


def holds(script: Script) -> list[str | None]:
    return [request.headers.get("prefer") for request in script.requests if request.method == "POST"]


@pytest.mark.parametrize(
    "outcome",
    [CUT, httpx.Response(524), httpx.ReadError("connection reset"), httpx.RemoteProtocolError("Server disconnected")],
    ids=["504", "524", "reset", "closed"],
)
async def test_after_one_was_cut_off_further_ones_are_held_for_half_as_long_and_then_polled(
    outcome: httpx.Response | httpx.RequestError,
) -> None:
    script = Script(after(60, outcome), after(30, answer("started", 201)), answer("succeeded"), answer(code=201))
    async with client_of(script) as client:
        with pytest.raises(CreateOutcomeUnknown):
            await create(client)
        await create(client)
        await create(client, duration=10)
    assert holds(script) == ["wait", "wait=30", "wait=10"]


async def test_where_connections_may_not_be_silent_at_all_nothing_is_held() -> None:
    script = Script(after(1.5, CUT), answer("succeeded", 201))
    async with client_of(script) as client:
        with pytest.raises(CreateOutcomeUnknown):
            await create(client)
        await create(client)
    assert holds(script) == ["wait", None]


async def test_a_failure_at_once_of_the_server_or_before_anything_was_sent_says_nothing_of_it() -> None:
    script = Script(
        after(0.5, CUT),
        after(60, httpx.Response(500)),
        after(60, httpx.ConnectTimeout("no route")),
        after(70, answer(code=201)),
        answer(code=201),
    )
    async with client_of(script) as client:
        for _ in range(2):
            with pytest.raises(CreateOutcomeUnknown):
                await create(client)
        await create(client)
        await create(client)
    assert holds(script) == ["wait"] * 5


async def test_without_polls_one_is_held_as_its_options_say() -> None:
    script = Script(after(60, CUT), answer("started", 201), answer("started", 201))
    async with client_of(script) as client:
        with pytest.raises(CreateOutcomeUnknown):
            await create(client)
        await create(client, poll=False)
        await create(client, poll=False, duration=50)
    assert holds(script) == ["wait", "wait", "wait=50"]
