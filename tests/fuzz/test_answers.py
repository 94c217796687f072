"""Answers of any shape to every public call: a result, or one typed error."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clients import ID, Script, client_of, in_virtual_time, prediction
from tests.support.fuzzing import fuzzed
from wriftai_anyio import Client, WriftAIError
from wriftai_anyio.common_types import ModelVisibility
from wriftai_anyio.models import CreateModelParams
from wriftai_anyio.predictions import AsyncWaitOptions

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

strings = st.sampled_from(["", ID, "\0", "../x", "PT", "succeeded", "2026-01-01T00:00:00+99:99", "\ud800"]) | st.text()
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | strings,
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


encoded = st.sampled_from([b"[" * 9999, b"9" * 9999, b'{"id": 1e999}', b"\xef\xbb\xbf{}"]) | st.binary(max_size=40)


@st.composite
def answers(draw: st.DrawFn, kind: str) -> httpx.Response:
    """Draws answers: nearly right ones, errors, and noise."""
    whole = draw(st.sampled_from([*SHAPES[kind], *SHAPES[kind], ERROR]))
    body = draw(damaged(whole).map(lambda value: json.dumps(value).encode()) | encoded)
    return httpx.Response(draw(statuses), content=body)


NAME, VERSION_NAME = "o/m", "o/m:1"
MODEL_PARAMS: CreateModelParams = {
    "name": "m",
    "visibility": ModelVisibility.public,
}
OPTIONS = AsyncWaitOptions(timeout=2.0)
SHAPES: dict[str, list[object]] = {
    "prediction": [prediction(), prediction("failed", error={"message": "x"}), prediction("running")],
    "model": [MODEL],
    "version": [VERSION],
    "page": [PAGE, [MODEL]],
    "other": [UPLOAD, None],
}
CALLS: dict[str, list[Callable[[Client], Awaitable[object]]]] = {
    "prediction": [
        lambda client: client.predictions.async_get(ID),
        lambda client: client.predictions.async_create({"input": 1}, NAME),
        lambda client: client.predictions.async_create({"input": 1}, NAME, wait=True, wait_options=OPTIONS),
        lambda client: client.predictions.async_wait(ID, OPTIONS),
    ],
    "model": [
        lambda client: client.models.async_get(NAME),
        lambda client: client.models.async_create(MODEL_PARAMS),
        lambda client: client.models.async_update(NAME, {"description": "d"}),
        lambda client: client.users.async_get("o"),
        lambda client: client.authenticated_user.async_get(),
    ],
    "version": [
        lambda client: client.model_versions.async_get(VERSION_NAME),
        lambda client: client.model_versions.async_get_configuration(VERSION_NAME),
    ],
    "page": [
        lambda client: client.predictions.async_list(),
        lambda client: client.models.async_list(),
        lambda client: client.models.async_search("x"),
        lambda client: client.model_versions.async_list(NAME),
        lambda client: client.users.async_list(),
        lambda client: client.authenticated_user.async_models(),
        lambda client: client.variables.async_list(),
        lambda client: client.hardware.async_list(),
        lambda client: client.model_categories.async_list(),
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
        assert repr(result)
        assert str(result)
