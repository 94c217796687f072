"""What is iterated over after its block has ended: an error that says so, and never a silent nothing."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio import fail_after

from tests.support.clients import Spelling
from tests.support.patience import PATIENCE, until_async
from wriftai_anyio import Client
from wriftai_anyio.predictions import AsyncWaitOptions
from wriftai_anyio.sandbox import Sandbox

MODEL = "sandbox/word-count"
GIVEN: Any = {"text": "to be or not to be"}
QUICK = AsyncWaitOptions(poll_interval=0.02)

KINDS: dict[str, Callable[[Client, str], Any]] = {
    "map": lambda client, prefix: getattr(client, f"{prefix}map")(MODEL, [GIVEN] * 3, wait_options=QUICK),
    "batch": lambda client, prefix: getattr(client.predictions, f"{prefix}batch")(
        [{"input": GIVEN}] * 3, MODEL, wait_options=QUICK
    ),
    "batch in order": lambda client, prefix: getattr(client.predictions, f"{prefix}batch")(
        [{"input": GIVEN}] * 3, MODEL, wait_options=QUICK, in_order=True
    ),
    "stream": lambda client, prefix: getattr(client, f"{prefix}stream")(MODEL, GIVEN),
    "events": lambda client, prefix: getattr(client.predictions, f"{prefix}create_stream")({"input": GIVEN}, MODEL),
}


def used(sandbox: Sandbox, spelling: Spelling, kind: str, inside: str) -> tuple[list[Any], list[Any]]:
    """Takes nothing, the first or all inside the block, and then the rest outside of it."""
    make = KINDS[kind]
    with Client(sandbox.access_token, sandbox.base_url, backend=spelling.backend) as client:
        if spelling.blocking:
            with make(client, "") as items:
                taken = [next(items)] if inside == "first" else list(items) if inside == "all" else []
            return taken, list(items)

        async def use() -> tuple[list[Any], list[Any]]:
            with fail_after(PATIENCE):
                async with make(client, "async_") as items:
                    taken: list[Any] = []
                    if inside == "first":
                        taken.append(await anext(items))
                    elif inside == "all":
                        taken.extend([each async for each in items])
                return taken, [each async for each in items]

        return anyio.run(use, backend=spelling.backend)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_left_before_its_end_says_so(sandbox: Sandbox, spelling: Spelling, kind: str) -> None:
    with pytest.raises(RuntimeError, match=r"This \w+'s block has ended.* inside the block"):
        used(sandbox, spelling, kind, "none")


@pytest.mark.parametrize("kind", ["map", "batch", "batch in order"])
def test_so_does_what_was_begun(sandbox: Sandbox, spelling: Spelling, kind: str) -> None:
    with pytest.raises(RuntimeError, match=r"This \w+'s block has ended"):
        used(sandbox, spelling, kind, "first")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_to_its_end_stays_at_its_end(sandbox: Sandbox, spelling: Spelling, kind: str) -> None:
    taken, rest = used(sandbox, spelling, kind, "all")
    assert len(taken) >= 3
    assert rest == []


def test_a_stream_that_was_read_ahead_to_its_end_is_read_on_and_tells_its_failure(sandbox: Sandbox) -> None:
    def model(_: Any) -> Any:
        yield "one"
        raise ValueError("too dark")

    sandbox.models["me/fails"] = model
    with Client(sandbox.access_token, sandbox.base_url) as client:
        with client.stream("me/fails", 1) as pieces:
            assert next(pieces) == "one"
            while not pieces._reader.ended:
                pass
        with pytest.raises(Exception, match="too dark"):
            next(pieces)


def test_an_error_of_a_stream_says_how_to_read_on(sandbox: Sandbox) -> None:
    def endless(_: Any) -> Any:
        while True:
            yield "word "

    sandbox.models["me/endless"] = endless
    with Client(sandbox.access_token, sandbox.base_url) as client:
        with client.predictions.create_stream({"input": 1}, "me/endless") as events:
            first: Any = next(events)
            prediction_id: str = first["data"]["id"]
        with pytest.raises(RuntimeError, match=f"predictions.stream\\('{prediction_id}', after_id="):
            list(events)
        client.predictions.cancel(prediction_id)


def test_a_task_that_waits_for_a_result_when_the_block_ends_is_told(sandbox: Sandbox) -> None:
    errors: list[str] = []

    async def take(results: Any) -> None:
        try:
            await anext(results)
        except RuntimeError as error:
            errors.append(str(error))

    async def main() -> None:
        with fail_after(PATIENCE):
            async with Client(sandbox.access_token, sandbox.base_url) as client, anyio.create_task_group() as tasks:
                async with client.predictions.async_batch([{"input": {"seconds": 60}}], "sandbox/sleep") as results:
                    tasks.start_soon(take, results)
                    await until_async(lambda: results._receive.statistics().tasks_waiting_receive == 1)

    anyio.run(main)
    assert len(errors) == 1
    assert "has ended" in errors[0]


def test_a_closed_client_is_not_entered(sandbox: Sandbox, spelling: Spelling) -> None:
    client = Client(sandbox.access_token, sandbox.base_url, backend=spelling.backend)

    async def enter() -> None:
        async with client:
            pass

    def block() -> None:
        if spelling.blocking:
            with client:
                pass
        else:
            anyio.run(enter, backend=spelling.backend)

    block()
    with pytest.raises(RuntimeError, match="This client is closed"):
        block()
