"""Runs the tools: turns arguments that were checked against their schema into calls of the client."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from mcp_types import CallToolResult

from wriftai_anyio import APIConnectionError, APIStatusError, Client, File, FilesNotSavedError
from wriftai_anyio.common_types import JsonValue, Model
from wriftai_anyio.json_codec import decode_json, encode_json
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO

from ._guards import Guards, ToolError
from ._results import details, images_of, readable, result_of, summary
from ._schemas import input_fields, mapping, shown

LONGEST_OVERVIEW: Final = 4000
"""Characters of a model's overview that are shown."""
LONGEST_DESCRIPTION: Final = 500

Progress = Callable[[str], Awaitable[None]]
"""A callback that is awaited with each new status."""


class Calls:
    """Runs each tool.

    Args:
        client: Makes the requests.
        guards: The limits.
    """

    def __init__(self, client: Client, guards: Guards) -> None:
        self._client = client
        self._guards = guards
        self._calls: Mapping[str, Callable[[Mapping[str, Any]], Awaitable[CallToolResult]]] = {
            "search_models": self._search,
            "describe_model": self._describe,
            "start_prediction": self._start,
            "get_prediction": self._get,
            "list_predictions": self._list,
            "cancel_prediction": self._cancel,
            "save_output": self._save,
            "upload_file": self._upload,
        }

    async def call(self, tool: str, arguments: Mapping[str, Any], progress: Progress | None) -> CallToolResult:
        """Runs one of the fixed tools.

        Args:
            tool: Its name.
            arguments: Its arguments.
            progress: Called with each status of a prediction, if the agent asked for it.
        """
        if tool == "run_model":
            timeout = arguments.get("timeout")
            return await self.run(arguments["model"], arguments["input"], timeout, progress)
        return await self._calls[tool](arguments)

    async def run(
        self, model: str, given: JsonValue, timeout: float | None, progress: Progress | None
    ) -> CallToolResult:
        """Creates a prediction, waits for its end, and returns its output. Cancelling the request cancels it.

        Args:
            model: The model's reference.
            given: Its input.
            timeout: The most seconds to wait.
            progress: Called with each new status.
        """
        last: list[str] = []

        async def tell(prediction: PredictionWithIO) -> None:
            status = str(prediction["status"])
            if progress is not None and last[-1:] != [status]:
                last.append(status)
                await progress(status)

        options = AsyncWaitOptions(on_poll=tell if progress else None, timeout=timeout, cancel_on_exit=True)
        if progress is not None:
            await progress("creating")
        create = self._client.predictions.async_create
        prediction = await self._guarded(
            model, lambda: create({"input": given}, model, wait=True, wait_options=options)
        )
        await tell(prediction)
        images = await images_of(self._client, prediction.get("output"))
        succeeded = str(prediction["status"]) == "succeeded"
        return result_of(details(prediction), *images, is_error=not succeeded)

    async def _guarded(self, model: str, create: Callable[[], Awaitable[PredictionWithIO]]) -> PredictionWithIO:
        """Counts a create, since it costs money, unless it was certainly refused or not sent."""
        self._guards.check_model(model)
        self._guards.take_prediction()
        try:
            return await create()
        except ValueError:
            self._guards.give_back_prediction()
            raise
        except (APIStatusError, APIConnectionError) as error:
            if error.request.method == "POST" and error.request.url.path.endswith("/predictions"):
                self._guards.give_back_prediction()
            raise

    async def _start(self, arguments: Mapping[str, Any]) -> CallToolResult:
        model, given = arguments["model"], arguments["input"]
        # If the call is cancelled before it returns the id, nobody can follow or cancel the prediction.
        options = AsyncWaitOptions(poll=False, cancel_on_exit=True)
        create = self._client.predictions.async_create
        prediction = await self._guarded(
            model, lambda: create({"input": given}, model, wait=True, wait_options=options)
        )
        return result_of(summary(prediction))

    async def _get(self, arguments: Mapping[str, Any]) -> CallToolResult:
        prediction = await self._client.predictions.async_get(arguments["prediction_id"])
        offset = arguments.get("offset", 0)
        images = [] if offset else await images_of(self._client, prediction.get("output"))
        return result_of(details(prediction, offset), *images)

    async def _list(self, arguments: Mapping[str, Any]) -> CallToolResult:
        limit = arguments.get("limit", 10)
        options: dict[str, Any] = {"page_size": max(5, limit)}  # the API requires at least 5
        if arguments.get("statuses"):
            options["statuses"] = arguments["statuses"]
        page = await self._client.predictions.async_list(options)  # type: ignore[arg-type]
        return result_of({"predictions": [summary(prediction) for prediction in page.items[:limit]]})

    async def _cancel(self, arguments: Mapping[str, Any]) -> CallToolResult:
        await self._client.predictions.async_cancel(arguments["prediction_id"])
        return result_of({"prediction_id": arguments["prediction_id"], "cancel_requested": True})

    async def _search(self, arguments: Mapping[str, Any]) -> CallToolResult:
        limit = arguments.get("limit", 10)
        page = await self._client.models.async_search(arguments["query"], {"page_size": max(5, limit)})
        return result_of({"models": [_model(model) for model in page.items[:limit]]})

    async def _describe(self, arguments: Mapping[str, Any]) -> CallToolResult:
        return result_of(await self.description(arguments["model"]))

    async def description(self, model: str) -> dict[str, Any]:
        """Returns the description of a model: what it does, the fields of its input, and its schemas.

        Args:
            model: `owner/name` for its latest version, or `owner/name:number`.
        """
        name, _, number = model.partition(":")
        found = await self._client.models.async_get(name)
        version = await self._client.model_versions.async_get(model) if number else found.get("latest_version")
        if version is None:
            raise ToolError(f"{name} has no version that could be run.")
        schemas = mapping(mapping(version.get("schemas")).get("prediction"))
        schema = schemas.get("input")
        return {
            **_model(found),
            "version": version.get("number"),
            "overview": readable(found.get("overview") or "", LONGEST_OVERVIEW) or None,
            "input_fields": input_fields(schema),
            "input_schema": shown(schema),
            "output_schema": shown(schemas.get("output")),
        }

    async def _save(self, arguments: Mapping[str, Any]) -> CallToolResult:
        folder = self._guards.path(arguments.get("subfolder", "."))
        prediction = await self._client.predictions.async_get(arguments["prediction_id"])
        folder.mkdir(parents=True, exist_ok=True)
        missing: dict[str, object] = {}
        try:
            saved = await self._client.files.async_save(prediction.get("output"), folder)
        except FilesNotSavedError as error:
            saved = error.saved
            missing["not_saved"] = {address: str(reason) for address, reason in error.failures.items()}
        output = decode_json(encode_json(saved, default=str))
        return result_of({"prediction_id": prediction["id"], "output": output, **missing})

    async def _upload(self, arguments: Mapping[str, Any]) -> CallToolResult:
        path = self._guards.path(arguments["path"])
        if not path.is_file():
            raise ToolError(f"There is no file {arguments['path'][:80]!r} in the folder of this server.")
        uploaded = await self._client.files.async_upload(File(path))
        return result_of({"url": uploaded["download_url"]})


def _model(model: Model) -> dict[str, Any]:
    owner = model.get("owner") or {}
    return {
        "model": readable(f"{owner.get('name')}/{model['name']}"),
        "description": readable(model.get("description") or "", LONGEST_DESCRIPTION) or None,
        "predictions_count": model.get("predictions_count"),
    }
