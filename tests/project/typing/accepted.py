"""Code of consumers that must type-check."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from typing_extensions import assert_type

from wriftai_anyio import (
    Client,
    FilesNotSavedError,
    ModelPaginationOptions,
    ModelsSortBy,
    ModelVisibility,
    PaginationOptions,
    PredictionFailedError,
    SortDirection,
    UserPaginationOptions,
    UsersSortBy,
    WebhookReceiver,
    WriftAIError,
    verify_webhook,
)
from wriftai_anyio.common_types import BaseUser, JsonValue, Model, ModelVersion, User, UserWithDetails
from wriftai_anyio.hardware import Hardware
from wriftai_anyio.model_categories import ModelCategoryWithDetails
from wriftai_anyio.model_versions import (
    CreateModelVersionParams,
    ModelVersionConfiguration,
    ModelVersionWithDetailsAndConfiguration,
)
from wriftai_anyio.models import CreateModelParams, ModelWithDetails, UpdateModelParams
from wriftai_anyio.pagination import AsyncItems, Items, PaginatedResponse
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO, Status, WaitOptions
from wriftai_anyio.variables import UpdateVariableParams, Variable


def predictions(client: Client, names: list[str], schema: dict[str, Any]) -> None:
    created = client.predictions.create({"input": {"names": [*names], "n": 1, "deep": [{"x": None}]}}, "o/n")
    assert_type(created, PredictionWithIO)
    ended = client.predictions.wait(created["id"], WaitOptions(poll_interval=0.5, on_poll=print, timeout=10))
    assert_type(ended["output"], JsonValue)
    if ended["status"] == Status.failed and ended["error"] is not None:
        print(ended["error"]["message"].upper())
    for listed in client.predictions.iterate({"page_size": 50}):
        print(listed["model"]["version_number"] + 1)
    client.predictions.create(
        {"input": schema, "webhook": {"url": "https://me"}, "validate_input": True}, "o/n:1", wait=True
    )


@dataclass
class Row:
    text: str


class Named(TypedDict):
    name: str


def inputs_as_people_have_them(client: Client, rows: list[Row], named: Named, path: Path, lines: list[str]) -> None:
    inputs = [{"input": {"text": line}} for line in lines]
    with client.predictions.batch(inputs, "o/n") as results:
        for result in results:
            assert_type(result.index, int)
    with client.predictions.batch(({"input": row} for row in rows), "o/n"):
        pass
    client.predictions.create({"input": rows}, "o/n")
    client.predictions.create({"input": rows[0]}, "o/n")
    client.predictions.create({"input": named}, "o/n")
    client.predictions.create({"input": lines}, "o/n")
    client.predictions.create({"input": {"image": path, "mode": Status.failed, "when": datetime.now()}}, "o/n")
    client.predictions.create({"input": path.open("rb"), "extra_body": {"priority": 1}}, "o/n")
    client.predictions.list({"statuses": ["failed"]})
    client.predictions.list({"statuses": [Status.failed, "new"], "extra_query": {"since": "today"}})
    plain: PaginationOptions = {"page_size": 5}
    client.predictions.list(plain)


def verbs(client: Client, rows: list[Row], path: Path) -> None:
    assert_type(client.run("o/n", {"text": "x"}), Any)
    assert_type(client.run("o/n", rows[0], output_type=Row), Row)
    assert_type(client.run("o/n", path, output_type=list[Row], wait_options=WaitOptions(timeout=5)), list[Row])
    assert_type(client.run("o/n", 1, output_type=Named), Named)
    for piece in client.stream("o/n", {"text": "x"}, wait=5):
        print(piece.upper())
    for row in client.map("o/n", rows, output_type=Row, journal=path, max_failures=3):
        assert_type(row, Row)
    for output in client.map("o/n", ({"text": str(row)} for row in rows), return_exceptions=True):
        print(output["label"])
    try:
        client.run("o/n", 1)
    except PredictionFailedError as error:
        assert_type(error.prediction_id, str)


def saved(client: Client, folder: Path) -> list[Path]:
    output = client.run("o/n", 1)
    try:
        assert_type(client.files.save(output, folder, on_progress=lambda done, size: print(done, size)), Any)
    except FilesNotSavedError as error:
        assert_type(error.failures, Mapping[str, WriftAIError])
        client.files.save(error.saved, str(folder))
    return [client.files.download(output["url"], folder)]


async def guarded(client: Client, rows: list[Row], path: Path) -> None:
    batch = client.predictions.async_batch(
        ({"input": row} for row in rows), "o/n", journal=str(path), retry_failed=True, max_failures=20, deduplicate=True
    )
    async with batch as results:
        async for result in results:
            assert_type(result.to_row(), dict[str, str | int | float | bool | None])
            assert_type(result.prediction, PredictionWithIO | None)
    async with client.async_map("o/n", rows, output_type=list[Row], find_unknown=True, journal=path) as outputs:
        assert_type([output async for output in outputs], list[list[Row]])


async def async_verbs(client: Client, rows: list[Row]) -> None:
    assert_type(await client.async_run("o/n", "x", output_type=dict[str, int]), dict[str, int])
    async with client.async_stream("o/n", "x") as pieces:
        async for piece in pieces:
            print(piece)
    async with client.async_map("o/n", rows, output_type=Row, deduplicate=True) as outputs:
        async for row in outputs:
            assert_type(row, Row)


async def waits(client: Client) -> PredictionWithIO:
    async def show(latest: PredictionWithIO) -> None:
        print(latest["status"])

    async with client:
        return await client.predictions.async_create(
            {"input": "hello"}, "o/n", wait=True, wait_options=AsyncWaitOptions(on_poll=show, cancel_on_exit=True)
        )


def models(client: Client) -> None:
    options: ModelPaginationOptions = {
        "page_size": 5,
        "sort_by": ModelsSortBy.PREDICTIONS_COUNT,
        "sort_direction": SortDirection.DESC,
        "category_slugs": ["text"],
    }
    assert_type(client.models.list(options, owner="me"), PaginatedResponse[Model])
    assert_type(client.models.iterate(options), Items[Model])
    assert_type(client.models.search("q", {"page_size": 5}).items, list[Model])
    assert_type(client.models.get("o/n"), ModelWithDetails)
    new: CreateModelParams = {"name": "n", "visibility": ModelVisibility.private, "description": None}
    assert_type(client.models.create(new)["owner"], BaseUser)
    change: UpdateModelParams = {"overview": None}
    latest = client.models.update("o/n", change)["latest_version"]
    if latest is not None:
        assert_type(latest.get("size"), int | None)
    assert_type(client.authenticated_user.iterate_models(), Items[Model])


def versions(client: Client, schema: dict[str, Any]) -> None:
    new: CreateModelVersionParams = {
        "release_notes": "first",
        "schemas": {"prediction": {"input": schema, "output": {"type": "string"}}},
        "container_image_digest": "sha256:0",
        "compatibilities": {"openai_responses": True},
    }
    assert_type(client.model_versions.create("o/n", new), ModelVersionWithDetailsAndConfiguration)
    assert_type(client.model_versions.list("o/n").items, list[ModelVersion])
    assert_type(client.model_versions.update_configuration("o/n:1", {"variable_names": []}), ModelVersionConfiguration)


async def others(client: Client) -> None:
    options: UserPaginationOptions = {"sort_by": UsersSortBy.CREATED_AT}
    plain: PaginationOptions = {"cursor": "x"}
    assert_type(await client.users.async_list(options), PaginatedResponse[User])
    assert_type(await client.users.async_list({"sort_direction": SortDirection.ASC}), PaginatedResponse[User])
    assert_type(client.users.async_iterate_search("q", plain), AsyncItems[User])
    assert_type(await client.authenticated_user.async_update({"bio": None}), UserWithDetails)
    assert_type((await client.model_categories.async_list()).items, list[ModelCategoryWithDetails])
    change: UpdateVariableParams = {"value": "x"}
    assert_type(await client.variables.async_update("v", change), Variable)
    async with client.hardware.async_iterate(plain) as items:
        async for item in items:
            assert_type(item, Hardware)


def iterators(client: Client) -> tuple[Iterator[Model], AsyncIterator[Model]]:
    return client.models.iterate(), client.models.async_iterate()


async def handle(prediction: PredictionWithIO) -> None:
    print(prediction["id"])


def webhooks(client: Client, headers: dict[str, str], body: bytes) -> None:
    verify_webhook(body, headers.get("wriftai-webhook-signature"), ["old", "new"], tolerance=60)
    WebhookReceiver("secret", handle)
    WebhookReceiver(("old", "new"), print, client)
