"""The package's types in pydantic models and FastAPI applications."""

import importlib
from collections.abc import Iterator
from typing import Any

import anyio.to_thread
import httpx
import pytest
from typing_extensions import is_typeddict

from tests.support.clients import ID, Script, answer, client_of
from tests.support.public_modules import public_modules
from wriftai_anyio import File
from wriftai_anyio.common_types import JsonValue, JsonValueWithFile, ModelVisibility
from wriftai_anyio.pagination import PaginatedResponse
from wriftai_anyio.predictions import CreatePredictionParams, ErrorSource, Prediction, PredictionWithIO, Status

pydantic: Any = pytest.importorskip("pydantic")


def typed_dicts() -> Iterator[type]:
    modules = [importlib.import_module(name) for name in public_modules()]
    exported = {getattr(module, name) for module in modules for name in module.__all__ if name != "JsonValue"}
    yield from sorted((each for each in exported if is_typeddict(each)), key=lambda each: each.__qualname__)


def prediction(**fields: Any) -> PredictionWithIO:
    """Returns a prediction as a client gets it from today's servers."""
    with client_of(Script(answer(metrics=None, stream=False, **fields))) as client:
        return client.predictions.get(ID)


def test_the_typed_dicts_are_found() -> None:
    assert {"PredictionWithIO", "CreatePredictionParams", "Model", "Upload"} <= {
        each.__name__ for each in typed_dicts()
    }


def test_every_typed_dict_can_be_a_field_and_has_a_json_schema() -> None:
    for kind in typed_dicts():
        model = pydantic.create_model("Holder", value=(kind, ...))
        assert model.model_json_schema()["properties"]["value"], kind
        assert pydantic.TypeAdapter(list[kind]).json_schema()["type"] == "array", kind  # type: ignore[valid-type]


def test_a_json_value_of_any_depth_is_validated() -> None:
    adapter = pydantic.TypeAdapter(JsonValue)
    value = {"a": [1, 2.5, None, {"b": [True, "c"]}]}
    assert adapter.validate_python(value) == value
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python({"a": [object()]})


def test_a_json_value_with_files_at_any_depth_is_validated() -> None:
    adapter = pydantic.TypeAdapter(JsonValueWithFile)
    value = {"a": [1, None, {"b": [File(b"picture"), "c"]}]}
    assert adapter.validate_python(value) == value
    with pytest.raises(pydantic.ValidationError):
        adapter.validate_python({"a": [object()]})


def test_a_prediction_survives_a_model_and_json() -> None:
    received = prediction(output={"words": [1, 2]})
    model = pydantic.create_model("Job", prediction=(PredictionWithIO, ...))
    job = model.model_validate_json(model(prediction=received).model_dump_json())
    assert job.prediction == received
    assert job.prediction["status"] is Status.succeeded


@pytest.mark.parametrize(
    ("kind", "known"), [(Status, "pending"), (ModelVisibility, "public"), (ErrorSource, "internal")]
)
def test_values_newer_than_the_package_are_plain_strings(kind: type, known: str) -> None:
    adapter = pydantic.TypeAdapter(kind)
    assert adapter.validate_python("paused") == adapter.validate_json('"paused"') == "paused"
    assert adapter.validate_python(known) is adapter.validate_json(f'"{known}"') is kind(known)


def test_a_file_is_taken_as_it_is_and_not_from_json() -> None:
    adapter = pydantic.TypeAdapter(CreatePredictionParams)
    file = File(b"picture")
    assert adapter.validate_python({"input": {"images": [file]}})["input"]["images"][0] is file
    assert adapter.validate_json('{"input": {"images": []}}') == {"input": {"images": []}}
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(File).validate_json("{}")


def test_a_page_is_validated_with_its_items() -> None:
    page = {"items": [prediction()], "next_cursor": None, "previous_cursor": None}
    assert pydantic.TypeAdapter(PaginatedResponse[Prediction]).validate_python(page).items[0]["id"] == ID


async def test_fastapi_answers_with_predictions_and_takes_params(anyio_backend: str) -> None:
    fastapi: Any = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()
    received = await anyio.to_thread.run_sync(prediction)

    async def create(params: CreatePredictionParams) -> object:
        return {**received, "input": params["input"], "status": "paused"}

    app.post("/predictions", response_model=PredictionWithIO)(create)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        response = await client.post("/predictions", json={"input": {"text": ["a"]}})
        schema = (await client.get("/openapi.json")).json()
    assert (response.json()["input"], response.json()["status"]) == ({"text": ["a"]}, "paused")
    assert {"CreatePredictionParams", "PredictionWithIO"} <= set(schema["components"]["schemas"])
