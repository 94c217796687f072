"""The blocking spelling of a call refuses to run inside an event loop, and names the spelling that works there."""

import re
from collections.abc import Callable

import pytest

from wriftai_anyio import Client
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio
INPUTS = [{"input": {"text": "to be"}}]
MODEL = "sandbox/word-count"


def first_of(results: object) -> object:
    return next(iter(results))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda client: client.run(MODEL, {}), "Use `await …async_run(…)"),
        (lambda client: first_of(client.stream(MODEL, {})), "Use `async with …async_stream(…) as …"),
        (lambda client: first_of(client.map(MODEL, [{}])), "Use `async with …async_map(…) as …"),
        (lambda client: client.predictions.get("x"), "Use `await …async_get(…)"),
        (lambda client: client.predictions.create({"input": {}}, MODEL), "Use `await …async_create(…)"),
        (lambda client: client.predictions.batch(INPUTS, MODEL).__enter__(), "Use `async with …async_batch(…) as …"),
        (lambda client: first_of(client.predictions.batch(INPUTS, MODEL)), "Use `async with …async_batch(…) as …"),
        (lambda client: first_of(client.predictions.iterate()), "Use `async for … in …async_iterate(…)"),
        (lambda client: first_of(client.models.iterate_search("x")), "Use `async for … in …async_iterate_search(…)"),
        (lambda client: first_of(client.predictions.stream("x")), "Use `async with …async_stream(…) as …"),
        (
            lambda client: first_of(client.predictions.create_stream({"input": {}}, MODEL)),
            "async_create_stream",
        ),
        (lambda client: client.files.save({}, "."), "Use `await …async_save(…)"),
    ],
)
async def test_refusal_names_the_right_form(
    wriftai_sandbox: Sandbox, call: Callable[[Client], object], right: str
) -> None:
    async with Client(wriftai_sandbox.access_token, wriftai_sandbox.base_url) as client:
        with pytest.raises(RuntimeError, match=re.escape(right)):
            call(client)
    assert wriftai_sandbox.requests == []
