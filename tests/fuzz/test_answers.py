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
from tests.support.fuzzing import fuzzed
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

LONG_INTEGER = "<an integer that Python does not print, and hypothesis neither>"
strings = st.sampled_from(["", ID, "\0", "../x", "PT", "succeeded", "2026-01-01T00:00:00+99:99", "\ud800"]) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(LONG_INTEGER) | st.floats() | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings | st.just("items"), inner, max_size=3),
    max_leaves=6,
)
statuses = st.sampled_from([200] * 6 + [201, 202, 204, 206, 304, 307, 400, 401, 403, 404, 409, 418, 422, 429, 500, 599])


@st.composite
def damaged(draw: st.DrawFn, whole: Any) -> Any:
    """Draws an answer with parts left out or replaced by anything."""
    if draw(st.integers(0, 7)) == 0:
        return draw(values)
    if isinstance(whole, dict):
        kept = [name for name in whole if draw(st.integers(0, 11))]
        return {name: draw(damaged(whole[name])) for name in kept}
    if isinstance(whole, list):
        return [draw(damaged(value)) for value in whole]
    return whole


def as_json(value: object) -> bytes:
    return json.dumps(value).replace(json.dumps(LONG_INTEGER), "1" + "0" * 5000).encode()


encoded = st.sampled_from([b"[" * 9999, b"9" * 9999, b'{"id": 1e999}', b"\xef\xbb\xbf{}"]) | st.binary(max_size=40)


@st.composite
def answers(draw: st.DrawFn, kind: str) -> httpx.Response:
    """Draws answers: nearly right ones, errors, and noise."""
    whole = draw(st.sampled_from([*SHAPES[kind], *SHAPES[kind], ERROR]))
    body = draw(damaged(whole).map(lambda value: as_json(value)) | encoded)
    return httpx.Response(draw(statuses), content=body)


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
OPTIONS = AsyncWaitOptions(timeout=2.0)
SHAPES: dict[str, list[object]] = {
    "prediction": [prediction(), prediction("failed", error={"message": "x"}), prediction("running")],
    "model": [MODEL, VARIABLE],
    "version": [VERSION, {"hardware_identifier": "gpu", "variable_names": ["v"]}],
    "page": [PAGE, [MODEL]],
    "other": [UPLOAD, None],
}
CALLS: dict[str, list[Callable[[Client], Awaitable[object]]]] = {
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


async def outcomes(kind: str, answer: httpx.Response) -> list[object]:
    found: list[object] = []
    for call in CALLS[kind]:
        async with client_of(Script(forever=answer), max_retries=0) as client:
            try:
                found.append(await call(client))
            except WriftAIError as error:
                found.append(error)
    return found


@pytest.mark.parametrize("kind", CALLS)
@fuzzed(50)
@given(st.data(), st.sampled_from(["asyncio", "trio"]))
def test_answer_of_any_shape_is_a_result_or_a_typed_error(kind: str, data: st.DataObject, backend: str) -> None:
    loop, options = in_virtual_time(backend)
    answer = data.draw(answers(kind))
    for result in anyio.run(outcomes, kind, answer, backend=loop, backend_options=options):
        if isinstance(result, Exception):
            assert repr(result)
            assert str(result)


event_kinds = st.sampled_from(["init", "started", "output", "output", "done", "error", "message", "new"])


@st.composite
def event_streams(draw: st.DrawFn) -> httpx.Response:
    """Draws streams: nearly right ones, cut anywhere, with data of any shape."""
    sent = b""
    for number in range(draw(st.integers(0, 5))):
        kind = "init" if not number and draw(st.booleans()) else draw(event_kinds)
        right = draw(st.sampled_from([prediction("running"), prediction(), "text", {"message": "no"}, [1]]))
        body = draw(damaged(right).map(lambda value: as_json(value)) | encoded)
        sent += b"id: %d\nevent: %b\ndata: %b\n\n" % (number + 1, kind.encode(), body)
    cut = draw(st.integers(0, 60)) if draw(st.booleans()) else 0
    content_type = draw(st.sampled_from(["text/event-stream", "text/event-stream; charset=utf-8", "", "text/html"]))
    headers = {"content-type": content_type} if content_type else {}
    return httpx.Response(draw(statuses), headers=headers, content=sent[: len(sent) - cut])


async def text(stream: AsyncPredictionStream) -> str:
    try:
        return await stream.async_text()
    except ValueError as error:
        assert "The output is not a string" in str(error)  # noqa: PT017 -- one of two outcomes
        return ""


STREAMS: list[Callable[[Client], Awaitable[object]]] = [
    lambda client: items(client.predictions.async_stream(ID)),
    lambda client: items(client.predictions.async_create_stream({"input": 1}, NAME)),
    lambda client: items(client.predictions.async_stream(ID).async_outputs()),
    lambda client: text(client.predictions.async_stream(ID)),
    lambda client: items(client.async_stream(NAME, 1)),
]


async def stream_outcomes(answer: httpx.Response, then: httpx.Response) -> list[object]:
    found: list[object] = []
    for call in STREAMS:
        async with client_of(Script(answer, forever=then), max_retries=0) as client:
            try:
                found.append(await call(client))
            except WriftAIError as error:
                found.append(error)
    return found


@fuzzed(50)
@given(event_streams(), event_streams() | answers("prediction"), st.sampled_from(["asyncio", "trio"]))
def test_stream_of_any_events_is_read_or_ends_in_a_typed_error(
    first: httpx.Response, then: httpx.Response, backend: str
) -> None:
    loop, options = in_virtual_time(backend)
    for result in anyio.run(stream_outcomes, first, then, backend=loop, backend_options=options):
        if isinstance(result, Exception):
            assert repr(result)
            assert str(result)
