"""Predictions: create them, follow them, get their output."""

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from os import PathLike
from typing import TypeAlias

from ._batch.inputs import CallersInputs, reader
from ._batch.job import Job
from ._blocking.calls import Caller
from ._parsing.ids import segment
from ._parsing.prediction import PredictionParser
from ._polling.options import (
    DEFAULT_ASYNC_WAIT_OPTIONS,
    DEFAULT_WAIT_OPTIONS,
    AsyncWaitOptions,
    WaitOptions,
    for_coroutine,
)
from ._polling.poller import Poller
from ._predictions.create import Create
from ._predictions.event_reader import EventReader
from ._predictions.file_inputs import with_files_uploaded
from ._predictions.json_input import JsonInput
from ._predictions.operations import Operations
from ._resources.base import Resource
from ._resources.lists import Listing
from ._resources.paths import model_reference
from ._types.prediction import ErrorSource, Prediction, PredictionModel, PredictionWithIO, Status, TaskError
from ._types.prediction_params import CreatePredictionParams, DataclassInstance, InputValue, PydanticModel, Webhook
from .api import API
from .batch import DEFAULT_IN_FLIGHT, AsyncBatch, Batch
from .files import Files
from .pagination import AsyncItems, Items, PaginatedResponse, PaginationOptions
from .streams import AsyncPredictionStream, PredictionStream, PredictionStreamEvent, PredictionStreamEventType

__all__ = [
    "DEFAULT_ASYNC_WAIT_OPTIONS",
    "DEFAULT_WAIT_OPTIONS",
    "AnyPaginationOptions",
    "AsyncWaitOptions",
    "CreatePredictionParams",
    "DataclassInstance",
    "ErrorSource",
    "InputValue",
    "Prediction",
    "PredictionModel",
    "PredictionPaginationOptions",
    "PredictionStreamEvent",
    "PredictionStreamEventType",
    "PredictionWithIO",
    "Predictions",
    "PydanticModel",
    "Status",
    "TaskError",
    "WaitOptions",
    "Webhook",
]


class PredictionPaginationOptions(PaginationOptions, total=False):
    """Options for the pages of the list of predictions."""

    statuses: Sequence[Status | str]
    """Only predictions of these statuses."""


AnyPaginationOptions: TypeAlias = PredictionPaginationOptions | PaginationOptions
"""What narrows a list of predictions; the options of other lists will do."""


class Predictions(Resource):
    """Predictions: create them, follow them, get their output.

    Args:
        api: An instance of the API class.
    """

    def __init__(self, api: API) -> None:
        super().__init__(api)
        self._shape = PredictionParser(api.config.base_url)
        self._listing = Listing(
            api, "/predictions", self._shape.listed, options=PredictionPaginationOptions, seen=api.observer.seen
        )
        self._files = Files(api)
        self._poller = Poller(api, self._shape)
        self._operations = Operations(api, self._shape, self._poller)

    async def async_get(self, prediction_id: str) -> PredictionWithIO:
        """Get a prediction by id.

        Args:
            prediction_id: The unique identifier of the prediction.

        Returns:
            The prediction, with its input, and output or error once it has ended.

        Raises:
            ValueError: If the id cannot be one; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses otherwise.
            APIConnectionError: If nothing came back.
        """
        return await self._operations.get(prediction_id)

    def get(self, prediction_id: str) -> PredictionWithIO:
        """Get a prediction by id.

        Args:
            prediction_id: The unique identifier of the prediction.

        Returns:
            The prediction, with its input, and output or error once it has ended.

        Raises:
            ValueError: If the id cannot be one; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses otherwise.
            APIConnectionError: If nothing came back.
        """
        return self._api.blocking.call(self.async_get, prediction_id)

    async def async_list(self, pagination_options: AnyPaginationOptions | None = None) -> PaginatedResponse[Prediction]:
        """List predictions, newest first.

        Args:
            pagination_options: Optional settings to control pagination behavior; with
                `PredictionPaginationOptions` also `statuses`.

        Returns:
            Paginated response containing predictions (without input and output) and navigation metadata.

        Raises:
            APIStatusError: If the API refuses.
            APIConnectionError: If nothing came back.
        """
        return await self._listing.page(pagination_options)

    def list(self, pagination_options: AnyPaginationOptions | None = None) -> PaginatedResponse[Prediction]:
        """List predictions, newest first.

        Args:
            pagination_options: Optional settings to control pagination behavior; with
                `PredictionPaginationOptions` also `statuses`.

        Returns:
            Paginated response containing predictions (without input and output) and navigation metadata.

        Raises:
            APIStatusError: If the API refuses.
            APIConnectionError: If nothing came back.
        """
        return self._api.blocking.call(self.async_list, pagination_options)

    async def async_create(
        self,
        params: CreatePredictionParams,
        model: str,
        wait: bool = False,
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
        *,
        stream: bool = False,
    ) -> PredictionWithIO:
        """Create a prediction. It is never sent twice.

        Args:
            params: Prediction creation params; they are not changed. Each `File` in the input is uploaded first
                (see `Files`), before the time of `wait_options` begins.
            model: The model reference in either owner/name or owner/name:version-number format (for example:
                deepseek-ai/deepseek-r1 or deepseek-ai/deepseek-r1:1).
            wait: If True, waits until the prediction reaches a terminal state: the server holds the connection
                while it can, then it is polled. If False, returns the prediction immediately.
            wait_options: Options for customizing wait behavior.
            stream: Whether the prediction's events can be read with `async_stream`.

        Returns:
            The new prediction; ended if `wait` is True (unless the options say not to poll).

        Raises:
            ValueError: If the model reference or the params cannot be right; nothing was sent.
            CreateOutcomeUnknown: If the create was sent and its answer was lost, or the server failed: the
                prediction may run. Look before you create it again.
            WaitTimeoutError: If `wait_options.timeout` passes first.
            APIStatusError: If the API refuses; nothing was created.
            APIConnectionError: If the create surely did not reach the server, or nothing comes back from a
                poll for a minute.
            OSError: If a file in the input cannot be read; nothing was created.

        Example:
            ```python
            prediction = await client.predictions.async_create(
                {"input": {"text": "to be or not to be"}}, "sandbox/word-count", wait=True
            )
            print(prediction["output"])
            ```
        """
        options = for_coroutine(wait_options)
        create = await with_files_uploaded(Create.checked(params, model, stream=stream), self._files.async_upload)
        if not wait:
            return await self._operations.create(create)
        return await self._operations.create_and_wait(create, options)

    def create(
        self,
        params: CreatePredictionParams,
        model: str,
        wait: bool = False,
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
        *,
        stream: bool = False,
    ) -> PredictionWithIO:
        """Create a prediction. It is never sent twice.

        Args:
            params: Prediction creation params; they are not changed. Each `File` in the input is uploaded first
                (see `Files`), before the time of `wait_options` begins.
            model: The model reference in either owner/name or owner/name:version-number format (for example:
                deepseek-ai/deepseek-r1 or deepseek-ai/deepseek-r1:1).
            wait: If True, waits until the prediction reaches a terminal state: the server holds the connection
                while it can, then it is polled. If False, returns the prediction immediately.
            wait_options: Options for customizing wait behavior.
            stream: Whether the prediction's events can be read with `stream`.

        Returns:
            The new prediction; ended if `wait` is True (unless the options say not to poll).

        Raises:
            ValueError: If the model reference or the params cannot be right; nothing was sent.
            CreateOutcomeUnknown: If the create was sent and its answer was lost, or the server failed: the
                prediction may run. Look before you create it again.
            WaitTimeoutError: If `wait_options.timeout` passes first.
            APIStatusError: If the API refuses; nothing was created.
            APIConnectionError: If the create surely did not reach the server, or nothing comes back from a
                poll for a minute.
            OSError: If a file in the input cannot be read; nothing was created.

        Example:
            ```python
            prediction = client.predictions.create(
                {"input": {"text": "to be or not to be"}}, "sandbox/word-count", wait=True
            )
            print(prediction["output"])
            ```
        """
        return self._api.blocking.call_with_callbacks(
            "async_create",
            lambda caller: self.async_create(params, model, wait, for_coroutine(wait_options, caller), stream=stream),
        )

    async def async_wait(
        self,
        predictionID: str,  # noqa: N803 -- the contract's name
        options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
    ) -> PredictionWithIO:
        """Wait for a prediction to complete.

        Many waits at once share their polls. A wait outlives passing faults: it ends early only on its
        timeout, when the API refuses (404: at once), or after a minute of nothing but failures.

        Args:
            predictionID: Unique identifier of the prediction.
            options: Options for customizing wait behavior.

        Returns:
            Prediction after completion, in whatever terminal status.

        Raises:
            ValueError: If the id cannot be one; nothing was sent.
            WaitTimeoutError: If `options.timeout` passes first; the prediction runs on unless
                `cancel_on_exit` is set.
            APIStatusError: If the API refuses, or fails for a minute on end.
            APIConnectionError: If nothing comes back for a minute on end.

        Example:
            ```python
            prediction = await client.predictions.async_wait(prediction_id, AsyncWaitOptions(timeout=600))
            print(prediction["status"], prediction["output"])
            ```
        """
        segment(predictionID, "predictionID")
        return await self._operations.wait(predictionID, for_coroutine(options))

    def wait(
        self,
        predictionID: str,  # noqa: N803 -- the contract's name
        options: WaitOptions = DEFAULT_WAIT_OPTIONS,
    ) -> PredictionWithIO:
        """Wait for a prediction to complete.

        Many waits at once share their polls. A wait outlives passing faults: it ends early only on its
        timeout, when the API refuses (404: at once), or after a minute of nothing but failures.

        Args:
            predictionID: Unique identifier of the prediction.
            options: Options for customizing wait behavior.

        Returns:
            Prediction after completion, in whatever terminal status.

        Raises:
            ValueError: If the id cannot be one; nothing was sent.
            WaitTimeoutError: If `options.timeout` passes first; the prediction runs on unless
                `cancel_on_exit` is set.
            APIStatusError: If the API refuses, or fails for a minute on end.
            APIConnectionError: If nothing comes back for a minute on end.

        Example:
            ```python
            prediction = client.predictions.wait(prediction_id, WaitOptions(timeout=600))
            print(prediction["status"], prediction["output"])
            ```
        """
        return self._api.blocking.call_with_callbacks(
            "async_wait", lambda caller: self.async_wait(predictionID, for_coroutine(options, caller))
        )

    async def async_cancel(self, prediction_id: str) -> None:
        """Ask the server to cancel a prediction.

        It takes effect a little later: the status stays until then. Asking again does no harm.

        Args:
            prediction_id: The unique identifier of the prediction.

        Raises:
            ValueError: If the id cannot be one; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses, since the prediction has already ended.
            APIConnectionError: If nothing came back.
        """
        await self._operations.cancel(prediction_id)

    def cancel(self, prediction_id: str) -> None:
        """Ask the server to cancel a prediction.

        It takes effect a little later: the status stays until then. Asking again does no harm.

        Args:
            prediction_id: The unique identifier of the prediction.

        Raises:
            ValueError: If the id cannot be one; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses, since the prediction has already ended.
            APIConnectionError: If nothing came back.
        """
        self._api.blocking.call(self.async_cancel, prediction_id)

    def expect_webhooks(self) -> None:
        """Says that webhooks of what this client creates come to this process, so that polls may be rare.

        `WebhookReceiver` says so when it is given the client. Where none come after all, polling goes on.
        """
        self._poller.expect_webhooks()

    def notify(self, prediction: PredictionWithIO) -> None:
        """Tells the waits of this client a prediction's state, so that they end without a poll.

        `WebhookReceiver` calls it; call it yourself where webhooks reach you in another way. It never blocks, and
        may be called from any thread.

        Args:
            prediction: The prediction as its webhook has it.
        """
        self._poller.notify(prediction)

    def async_iterate(self, pagination_options: AnyPaginationOptions | None = None) -> AsyncItems[Prediction]:
        """Iterate over all predictions of all pages, newest first, lazily.

        Args:
            pagination_options: Where to begin, and which statuses. A `page_size` is a wish: where the API refuses
                it, its default is taken.

        Returns:
            An iterator over predictions, without input and output.

        Raises:
            WriftAIError: While iterating, if the server's pages go in a circle.
            APIStatusError: While iterating, if the API refuses.
            APIConnectionError: While iterating, if nothing came back.

        Example:
            ```python
            async for prediction in client.predictions.async_iterate({"page_size": 50}):
                print(prediction["id"], prediction["status"])
            ```
        """
        return self._listing.items(pagination_options)

    def iterate(self, pagination_options: AnyPaginationOptions | None = None) -> Items[Prediction]:
        """Iterate over all predictions of all pages, newest first, lazily.

        Args:
            pagination_options: Where to begin, and which statuses. A `page_size` is a wish: where the API refuses
                it, its default is taken.

        Returns:
            An iterator over predictions, without input and output.

        Raises:
            WriftAIError: While iterating, if the server's pages go in a circle.
            APIStatusError: While iterating, if the API refuses.
            APIConnectionError: While iterating, if nothing came back.

        Example:
            ```python
            for prediction in client.predictions.iterate({"page_size": 50}):
                print(prediction["id"], prediction["status"])
            ```
        """
        return self._listing.blocking_items("async_iterate", pagination_options)

    def async_stream(
        self, prediction_id: str, *, after_id: str | None = None, wait: float | None = None
    ) -> AsyncPredictionStream:
        """Read a prediction's events as they happen, until `done` or `error`.

        The prediction must have been created with `stream=True`. Streams expire some time after its end.

        Args:
            prediction_id: The unique identifier of the prediction.
            after_id: The id of the event to begin after; by default the stream begins with the first.
            wait: Seconds without an event after which the server is asked to close the connection; the stream then
                connects again. By default the server decides.

        Returns:
            An iterator over the events, which connects when the first is asked for; also a context manager.

        Raises:
            ValueError: If an argument cannot be right; nothing was sent.
            NotFoundError: While iterating, if there is no such stream, or not any more.
            APIStatusError: While iterating, if the API refuses otherwise.
            APIConnectionError: While iterating, if connections break again and again without an event.
            APIResponseError: While iterating, if an answer is not what the API promises.
        """
        return AsyncPredictionStream(self._stream_reader(prediction_id, after_id, wait), self._shape)

    def stream(self, prediction_id: str, *, after_id: str | None = None, wait: float | None = None) -> PredictionStream:
        """Read a prediction's events as they happen, until `done` or `error`.

        The prediction must have been created with `stream=True`. Streams expire some time after its end.

        Args:
            prediction_id: The unique identifier of the prediction.
            after_id: The id of the event to begin after; by default the stream begins with the first.
            wait: Seconds without an event after which the server is asked to close the connection; the stream then
                connects again. By default the server decides.

        Returns:
            An iterator over the events, which connects when the first is asked for; also a context manager.

        Raises:
            ValueError: If an argument cannot be right; nothing was sent.
            NotFoundError: While iterating, if there is no such stream, or not any more.
            APIStatusError: While iterating, if the API refuses otherwise.
            APIConnectionError: While iterating, if connections break again and again without an event.
            APIResponseError: While iterating, if an answer is not what the API promises.
        """
        return PredictionStream(self._api, self._stream_reader(prediction_id, after_id, wait), self._shape)

    def async_create_stream(
        self, params: CreatePredictionParams, model: str, *, wait: float | None = None
    ) -> AsyncPredictionStream:
        """Create a prediction and read its events as they happen, until `done` or `error`.

        It is created when the first event is asked for, and never sent twice.

        Args:
            params: Prediction creation params; they are not changed.
            model: The model reference in either owner/name or owner/name:version-number format.
            wait: Seconds without an event after which the server is asked to close the connection; the stream then
                connects again. By default the server decides.

        Returns:
            An iterator over the events; also a context manager.

        Raises:
            ValueError: If an argument cannot be right; nothing was sent.
            CreateOutcomeUnknown: While iterating, if the create was sent and the stream broke before its first
                event: the prediction may run.
            APIStatusError: While iterating, if the API refuses.
            APIConnectionError: While iterating, if the create surely did not reach the server, or connections
                break again and again without an event.
            APIResponseError: While iterating, if an answer is not what the API promises.

        Example:
            ```python
            async with client.predictions.async_create_stream({"input": {"text": "to be"}}, "o/text") as stream:
                async for event in stream:
                    if event["event"] == "output":
                        print(event["data"], end="")
            ```
        """
        return AsyncPredictionStream(self._create_reader(params, model, wait), self._shape)

    def create_stream(
        self, params: CreatePredictionParams, model: str, *, wait: float | None = None
    ) -> PredictionStream:
        """Create a prediction and read its events as they happen, until `done` or `error`.

        It is created when the first event is asked for, and never sent twice.

        Args:
            params: Prediction creation params; they are not changed.
            model: The model reference in either owner/name or owner/name:version-number format.
            wait: Seconds without an event after which the server is asked to close the connection; the stream then
                connects again. By default the server decides.

        Returns:
            An iterator over the events; also a context manager.

        Raises:
            ValueError: If an argument cannot be right; nothing was sent.
            CreateOutcomeUnknown: While iterating, if the create was sent and the stream broke before its first
                event: the prediction may run.
            APIStatusError: While iterating, if the API refuses.
            APIConnectionError: While iterating, if the create surely did not reach the server, or connections
                break again and again without an event.
            APIResponseError: While iterating, if an answer is not what the API promises.

        Example:
            ```python
            with client.predictions.create_stream({"input": {"text": "to be"}}, "o/text") as stream:
                for event in stream:
                    if event["event"] == "output":
                        print(event["data"], end="")
            ```
        """
        return PredictionStream(self._api, self._create_reader(params, model, wait), self._shape)

    def async_batch(
        self,
        inputs: Iterable[Mapping[str, object]] | AsyncIterable[Mapping[str, object]],
        model: str,
        *,
        journal: str | PathLike[str] | None = None,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
    ) -> AsyncBatch:
        """Run many predictions as one job.

        Args:
            inputs: Prediction creation params, taken in only as fast as they are worked off. An iterable that
                blocks also blocks the event loop.
            model: The model reference in either owner/name or owner/name:version-number format.
            journal: Path of a file that the job survives a kill with: run it again with the same inputs and
                journal, and it goes on, and gives the results of earlier runs, too. Creates are not held then.
            max_in_flight: How many inputs are taken in at most and their results not yet taken out.
            wait_options: How to wait for each prediction. With `cancel_on_exit`, leaving the block early also
                cancels on the server what is under way, as far as the rate limit allows within five seconds. With
                a journal, `timeout` begins after the create.
            recreate_unknown: Whether to create again what an earlier run may have created, instead of reporting
                `CreateOutcomeUnknown`.
            find_unknown: Whether to look for it first among the newest predictions, on entering the block: one of
                this model with the same input, which the journal does not know, is taken for it.

        Returns:
            A context manager, and in it an iterator over each `BatchResult`, as they end. One failure does not stop
            the others.

        Raises:
            ValueError: If an argument cannot be right; nothing was sent.
            BatchJournalError: On entering the block, if the journal is none, damaged or in use; while iterating,
                if it is that of other inputs. It is left as it was.

        Example:
            ```python
            inputs = ({"input": {"text": line}} for line in open("lines.txt"))
            async with client.predictions.async_batch(inputs, "sandbox/word-count") as results:
                async for result in results:
                    print(result.index, result.error or result.prediction["output"])
            ```
        """
        job = self._job(model, for_coroutine(wait_options), recreate_unknown, find_unknown)
        return AsyncBatch(job, reader(inputs), max_in_flight, journal)

    def batch(
        self,
        inputs: Iterable[Mapping[str, object]],
        model: str,
        *,
        journal: str | PathLike[str] | None = None,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
    ) -> Batch:
        """Run many predictions as one job.

        Args:
            inputs: Prediction creation params, taken in only as fast as they are worked off. They are read in the
                calling thread.
            model: The model reference in either owner/name or owner/name:version-number format.
            journal: Path of a file that the job survives a kill with: run it again with the same inputs and
                journal, and it goes on, and gives the results of earlier runs, too. Creates are not held then.
            max_in_flight: How many inputs are taken in at most and their results not yet taken out.
            wait_options: How to wait for each prediction. With `cancel_on_exit`, leaving the block early also
                cancels on the server what is under way, as far as the rate limit allows within five seconds. With
                a journal, `timeout` begins after the create.
            recreate_unknown: Whether to create again what an earlier run may have created, instead of reporting
                `CreateOutcomeUnknown`.
            find_unknown: Whether to look for it first among the newest predictions, on entering the block: one of
                this model with the same input, which the journal does not know, is taken for it.

        Returns:
            A context manager, and in it an iterator over each `BatchResult`, as they end. One failure does not stop
            the others.

        Raises:
            ValueError: If an argument cannot be right; nothing was sent.
            BatchJournalError: On entering the block, if the journal is none, damaged or in use; while iterating,
                if it is that of other inputs. It is left as it was.

        Example:
            ```python
            inputs = ({"input": {"text": line}} for line in open("lines.txt"))
            with client.predictions.batch(inputs, "sandbox/word-count") as results:
                for result in results:
                    print(result.index, result.error or result.prediction["output"])
            ```
        """
        caller = Caller()
        read = CallersInputs(iter(inputs), caller)
        job = self._job(model, for_coroutine(wait_options, caller), recreate_unknown, find_unknown)
        return Batch(self._api, AsyncBatch(job, read, max_in_flight, journal), read)

    def _job(self, model: str, options: AsyncWaitOptions, recreate_unknown: bool, find_unknown: bool) -> Job:
        model_reference(model)
        return Job(
            self._operations, self._shape, self._prepare, model, options, recreate_unknown, find_unknown, self._listing
        )

    async def _prepare(self, params: JsonInput, model: str) -> Create:
        return await with_files_uploaded(Create.of(params, model), self._files.async_upload)

    def _stream_reader(self, prediction_id: str, after_id: str | None, wait: float | None) -> EventReader:
        segment(prediction_id, "prediction_id")
        return EventReader(self._api, self._operations, prediction_id, after_id=after_id, wait=wait)

    def _create_reader(self, params: CreatePredictionParams, model: str, wait: float | None) -> EventReader:
        create = Create.checked(params, model, stream=True)
        return EventReader(
            self._api, self._operations, lambda: with_files_uploaded(create, self._files.async_upload), wait=wait
        )
