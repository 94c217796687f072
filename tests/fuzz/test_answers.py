"""Answers of any shape to every public call: a result, or one typed error."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clients import ID, Script, client_of, in_virtual_time, prediction
from tests.support.fuzzing import BATCH, Batch, Chance, batches, fuzzed
from wriftai_anyio import BatchResult, Client, WriftAIError
from wriftai_anyio.common_types import ModelVisibility
from wriftai_anyio.model_versions import CreateModelVersionParams
from wriftai_anyio.models import CreateModelParams
from wriftai_anyio.predictions import AsyncWaitOptions
from wriftai_anyio.streams import AsyncPredictionStream

VERSION = {
    "number": 1, "created_at": "2026-01-01T00:00:00Z", "release_notes": "first", "container_image_digest": "sha256:0",
    "schemas": {"prediction": {"input": {"properties": {"a": {"type": "string"}}}, "output": {}}},
}  # fmt: skip
MODEL = {
    "id": "1", "name": "m", "owner": {"id": "2", "username": "o"}, "visibility": "public", "description": "d",
    "created_at": "2026-01-01T00:00:00Z", "latest_version": VERSION, "hardware": {"identifier": "gpu", "name": "GPU"},
}  # fmt: skip
PAGE = {"items": [prediction(), MODEL], "next_cursor": None, "previous_cursor": None, "next_url": None}
ERROR = {"error": {"code": "invalid", "message": "no", "detail": [{"loc": ["body", "input"], "msg": "wrong"}]}}
UPLOAD = {"urls": ["https://store.example/1"], "id": "u", "part_size": 1, "bucket": "b", "filename": "x"}

STRINGS = ("", ID, "\0", "../x", "PT", "succeeded", "2026-01-01T00:00:00+99:99", "\ud800", "items")
STATUSES = (*[200] * 6, 201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 409, 418, 422, 429, 500, 599)
LONG_INTEGER = "<an integer that Python does not print>"
NOISE = (b"[" * 9999, b"9" * 9999, b'{"id": 1e999}', b"\xef\xbb\xbf{}")


def strings(chance: Chance) -> str:
    return chance.choice(STRINGS) if chance.random() < 0.5 else chance.text(8)


def values(chance: Chance, depth: int = 0) -> object:
    """Makes JSON of any kind."""
    kind = chance.randrange(6 if depth == 3 else 8)
    if kind > 5:
        inner = [values(chance, depth + 1) for _ in range(chance.randrange(4))]
        return inner if kind == 6 else {strings(chance): value for value in inner}
    if kind > 3:
        return strings(chance)
    if kind == 3 and chance.random() < 0.05:
        return LONG_INTEGER
    return chance.choice([None, True, False]) if kind < 2 else chance.integer() if kind == 2 else chance.float()


def damaged(chance: Chance, whole: Any) -> Any:
    """Makes an answer with parts left out or replaced by anything."""
    if chance.random() < 1 / 8:
        return values(chance)
    if isinstance(whole, dict):
        return {name: damaged(chance, value) for name, value in whole.items() if chance.random() > 1 / 12}
    if isinstance(whole, list):
        return [damaged(chance, value) for value in whole]
    return whole


def body_of(chance: Chance, whole: object) -> bytes:
    """Makes the body of an answer: nearly right JSON, or noise."""
    if chance.random() < 1 / 6:
        return chance.choice(NOISE) if chance.random() < 0.1 else chance.bytes(40)
    return json.dumps(damaged(chance, whole)).replace(json.dumps(LONG_INTEGER), "1" + "0" * 5000).encode()


def answers(chance: Chance, kind: str) -> httpx.Response:
    """Makes answers: nearly right ones, errors, and noise."""
    whole = chance.choice([*SHAPES[kind], *SHAPES[kind], ERROR])
    return httpx.Response(chance.choice(STATUSES), content=body_of(chance, whole))


NAME, VERSION_NAME = "o/m", "o/m:1"
MODEL_PARAMS: CreateModelParams = {
    "name": "m",
    "visibility": ModelVisibility.public,
}
VERSION_PARAMS: CreateModelVersionParams = {
    "release_notes": "first",
    "schemas": {"prediction": {"input": {}, "output": {}}},
    "container_image_digest": "sha256:0",
}
VARIABLE = {
    "name": "v", "key": "K", "value": "w", "secret": False, "created_at": "2026-01-01T00:00:00Z", "updated_at": None,
}  # fmt: skip
MOST_ITEMS = 40
backends = st.sampled_from(["asyncio", "trio"])
OPTIONS = AsyncWaitOptions(timeout=2.0)
SHAPES: dict[str, list[object]] = {
    "prediction": [prediction(), prediction("failed", error={"message": "x"}), prediction("running")],
    "model": [MODEL, VARIABLE],
    "version": [VERSION, {"hardware_identifier": "gpu", "variable_names": ["v"]}],
    "page": [PAGE, [MODEL]],
    "other": [UPLOAD, None],
}
Asked = Callable[[Client], Awaitable[object]]
CALLS: dict[str, list[Asked]] = {
    "prediction": [
        lambda client: client.predictions.async_get(ID),
        lambda client: client.predictions.async_create({"input": 1}, NAME),
        lambda client: client.predictions.async_create({"input": 1}, NAME, wait=True, wait_options=OPTIONS),
        lambda client: client.predictions.async_wait(ID, OPTIONS),
        lambda client: client.async_run(NAME, 1, wait_options=OPTIONS),
        lambda client: results(
            client.predictions.async_batch([{"input": 1}, {"input": 2}], NAME, wait_options=OPTIONS)
        ),
        lambda client: results(client.async_map(NAME, [1, 2], wait_options=OPTIONS, return_exceptions=True)),
        lambda client: items(client.predictions.async_create_stream({"input": 1}, NAME)),
        lambda client: items(client.async_stream(NAME, 1)),
    ],
    "model": [
        lambda client: client.models.async_get(NAME),
        lambda client: client.models.async_create(MODEL_PARAMS),
        lambda client: client.models.async_update(NAME, {"description": "d"}),
        lambda client: client.users.async_get("o"),
        lambda client: client.authenticated_user.async_get(),
        lambda client: client.authenticated_user.async_update({"bio": "b"}),
        lambda client: client.variables.async_create({"name": "v", "key": "K", "value": "w", "secret": False}),
    ],
    "version": [
        lambda client: client.model_versions.async_get(VERSION_NAME),
        lambda client: client.model_versions.async_get_configuration(VERSION_NAME),
        lambda client: client.model_versions.async_create(NAME, VERSION_PARAMS),
        lambda client: client.model_versions.async_update_configuration(VERSION_NAME, {"variable_names": ["v"]}),
    ],
    "page": [
        lambda client: client.predictions.async_list(),
        lambda client: client.models.async_list(),
        lambda client: client.models.async_search("x"),
        lambda client: client.model_versions.async_list(NAME),
        lambda client: client.users.async_list(),
        lambda client: client.users.async_search("x"),
        lambda client: client.authenticated_user.async_models(),
        lambda client: client.variables.async_list(),
        lambda client: client.hardware.async_list(),
        lambda client: client.model_categories.async_list(),
        lambda client: items(client.predictions.async_iterate()),
        lambda client: items(client.models.async_iterate()),
        lambda client: items(client.models.async_iterate_search("x")),
        lambda client: items(client.model_versions.async_iterate(NAME)),
        lambda client: items(client.users.async_iterate()),
        lambda client: items(client.users.async_iterate_search("x")),
        lambda client: items(client.authenticated_user.async_iterate_models()),
        lambda client: items(client.variables.async_iterate()),
        lambda client: items(client.hardware.async_iterate()),
        lambda client: items(client.model_categories.async_iterate()),
    ],
    "other": [
        lambda client: client.predictions.async_cancel(ID),
        lambda client: client.models.async_delete(NAME),
        lambda client: client.model_versions.async_delete(VERSION_NAME),
        lambda client: client.variables.async_delete("v"),
        lambda client: client.variables.async_update("v", {"value": "w"}),
        lambda client: client.uploads.async_create({"size": 1, "mime_type": "text/plain"}),
        lambda client: client.uploads.async_complete("u", {"etags": ["e"]}),
    ],
}


async def items(iterator: Any) -> list[object]:
    """Returns the first items of an iterator or a stream."""
    found: list[object] = []
    async with AsyncExitStack() as stack:
        if hasattr(iterator, "aclose"):
            stack.push_async_callback(iterator.aclose)
        async for item in iterator:
            found.append(item)
            if len(found) == MOST_ITEMS:
                break
    return found


async def results(batch: Any) -> list[object]:
    """Returns what a batch or a map yields, and checks that its errors are of this package."""
    async with batch as each:
        found: list[object] = [result async for result in each]
    for result in found:
        error = result if isinstance(result, Exception) else getattr(result, "error", None)
        assert error is None or isinstance(error, WriftAIError), error
        if isinstance(result, BatchResult):
            assert [str(cell) for cell in result.to_row().values()]
            assert result._repr_html_()
    return found


LONGEST_CALL = 150.0
"""Virtual seconds, more than a wait outlives faults. A prediction that never ends is waited for without an end."""


async def check(client: Client, call: Asked) -> None:
    """Makes one call, and expects a result or one typed error, or that it waits for a prediction that does not end."""
    failure: Exception | None = None
    with anyio.move_on_after(LONGEST_CALL):
        try:
            await call(client)
        except WriftAIError as error:
            failure = error
    assert failure is None or (repr(failure) and str(failure))


async def check_all(call: Asked, batch: Batch, answers: Callable[[Chance], list[httpx.Response]]) -> None:
    """Checks a call with the answers of each example of a batch, by one client: what an answer leaves behind shows."""
    script = Script()
    async with client_of(script, max_retries=0) as client:
        for chance in batch:
            given = answers(chance)
            script.go_on_with(*given[:-1], forever=given[-1])
            try:
                await check(client, call)
            except Exception as error:
                raise AssertionError([(each.status_code, each.headers, each.content) for each in given]) from error


def run_all(call: Asked, batch: Batch, backend: str, answers: Callable[[Chance], list[httpx.Response]]) -> None:
    loop, options = in_virtual_time(backend)
    anyio.run(check_all, call, batch, answers, backend=loop, backend_options=options)


PLACES = [pytest.param(kind, place, id=f"{kind}-{place}") for kind in CALLS for place in range(len(CALLS[kind]))]


@pytest.mark.parametrize(("kind", "place"), PLACES)
@fuzzed(BATCH, each=BATCH)
@given(batches, backends)
def test_answer_of_any_shape_is_a_result_or_a_typed_error(kind: str, place: int, batch: Batch, backend: str) -> None:
    run_all(CALLS[kind][place], batch, backend, lambda chance: [answers(chance, kind)])


EVENTS = (b"init", b"started", b"output", b"output", b"done", b"error", b"message", b"new")
MEDIA_TYPES = ("text/event-stream", "text/event-stream; charset=utf-8", "", "text/html")
DATA = (prediction("running"), prediction(), "text", {"message": "no"}, [1])


def event_streams(chance: Chance) -> httpx.Response:
    """Makes streams: nearly right ones, cut anywhere, with data of any shape."""
    sent = b""
    for number in range(chance.randint(0, 5)):
        event = b"init" if not number and chance.random() < 0.5 else chance.choice(EVENTS)
        sent += b"id: %d\nevent: %b\ndata: %b\n\n" % (number + 1, event, body_of(chance, chance.choice(DATA)))
    cut = chance.randint(0, 60) if chance.random() < 0.5 else 0
    media_type = chance.choice(MEDIA_TYPES)
    headers = {"content-type": media_type} if media_type else {}
    return httpx.Response(chance.choice(STATUSES), headers=headers, content=sent[: len(sent) - cut])


def event_streams_and_then(chance: Chance) -> list[httpx.Response]:
    """Makes a stream, and what all later requests get: another, or an answer about the prediction."""
    then = event_streams(chance) if chance.random() < 0.5 else answers(chance, "prediction")
    return [event_streams(chance), then]


async def text(stream: AsyncPredictionStream) -> str:
    try:
        return await stream.async_text()
    except ValueError as error:
        assert "The output is not a string" in str(error)  # noqa: PT017 -- one of two outcomes
        return ""


STREAMS: list[Asked] = [
    lambda client: items(client.predictions.async_stream(ID)),
    lambda client: items(client.predictions.async_create_stream({"input": 1}, NAME)),
    lambda client: items(client.predictions.async_stream(ID).async_outputs()),
    lambda client: text(client.predictions.async_stream(ID)),
    lambda client: items(client.async_stream(NAME, 1)),
]


@pytest.mark.parametrize("place", range(len(STREAMS)))
@fuzzed(BATCH, each=BATCH)
@given(batches, backends)
def test_stream_of_any_events_is_read_or_ends_in_a_typed_error(place: int, batch: Batch, backend: str) -> None:
    run_all(STREAMS[place], batch, backend, event_streams_and_then)
