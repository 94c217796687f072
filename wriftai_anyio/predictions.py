"""Predictions: create them, wait for them, read their events and get their output."""

from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias

from ._batch.inputs import CallersInputs, iterator_of, reader
from ._batch.job import Job
from ._parsing.arguments import check_flags
from ._parsing.ids import segment
from ._parsing.prediction import PredictionParser
from ._polling.options import (
    DEFAULT_ASYNC_WAIT_OPTIONS,
    DEFAULT_WAIT_OPTIONS,
    AsyncWaitOptions,
    WaitOptions,
    for_coroutine,
)
from ._predictions.create import Create
from ._predictions.event_reader import EventReader
from ._predictions.file_inputs import with_files_uploaded
from ._predictions.json_input import JsonInput
from ._predictions.late import late_operations
from ._resources.base import Resource
from ._resources.lists import Listing
from ._resources.paths import model_reference
from ._types.prediction import ErrorSource, Prediction, PredictionModel, PredictionWithIO, Status, TaskError
from ._types.prediction_params import CreatePredictionParams, DataclassInstance, InputValue, PydanticModel, Webhook
from .api import API
from .batch import DEFAULT_IN_FLIGHT, AsyncBatch, Batch, BatchLimits
from .files import Files
from .pagination import AsyncItems, Items, PaginatedResponse, PaginationOptions
from .streams import AsyncPredictionStream, PredictionStream, PredictionStreamEvent, PredictionStreamEventType

if TYPE_CHECKING:
    from ._polling.poller import Poller
    from ._predictions.operations import Operations

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
"""Options for a list of predictions; the options of other lists are accepted, too."""


class Predictions(Resource):
    """Predictions: create them, wait for them, read their events and get their output.

    Args:
        api: What sends the requests.
    """

    def __init__(self, api: API) -> None:
        super().__init__(api)
        self._parser = PredictionParser(api.config.base_url)
        self._listing = Listing(
            api, "/predictions", self._parser.listed, options=PredictionPaginationOptions, seen=api.observer.seen
        )
        self._files = Files(api)
        self._late = late_operations(api, self._parser)

    async def async_get(self, prediction_id: str) -> PredictionWithIO:
        """Get a prediction by its id.

        Args:
            prediction_id: The id of the prediction.

        Returns:
            The prediction with its input and, once it has ended, its output or error.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._operations.get(prediction_id)

    def get(self, prediction_id: str) -> PredictionWithIO:
        """Get a prediction by its id.

        Args:
            prediction_id: The id of the prediction.

        Returns:
            The prediction with its input and, once it has ended, its output or error.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_get, prediction_id)

    async def async_list(self, pagination_options: AnyPaginationOptions | None = None) -> PaginatedResponse[Prediction]:
        """List predictions, newest first, one page at a time.

        Args:
            pagination_options: Which page to get, and how many predictions it should have; by default the first page.
                With `PredictionPaginationOptions` also which `statuses`.

        Returns:
            One page of predictions, without their inputs and outputs, with the cursors of the pages before and after
            it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
        """
        return await self._listing.page(pagination_options)

    def list(self, pagination_options: AnyPaginationOptions | None = None) -> PaginatedResponse[Prediction]:
        """List predictions, newest first, one page at a time.

        Args:
            pagination_options: Which page to get, and how many predictions it should have; by default the first page.
                With `PredictionPaginationOptions` also which `statuses`.

        Returns:
            One page of predictions, without their inputs and outputs, with the cursors of the pages before and after
            it.

        Raises:
            ValueError: If an option is not known; nothing was sent.
            UnprocessableEntityError: If the API refuses the options, such as a `page_size` outside 5 to 50.
            APIStatusError: If the API refuses the request for another reason.
            APIConnectionError: If there was no answer.
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
            params: What to create, above all the `input`; it is not changed. It is read when the call starts to run:
                changes that you make before then are sent. Files in the input are uploaded first, before the timeout of
                `wait_options` starts.
            model: The model as owner/name, or as owner/name:number for one of its versions (for example:
                deepseek-ai/deepseek-r1 or deepseek-ai/deepseek-r1:1).
            wait: Whether to wait until the prediction has ended. The server holds the connection for as long as it can;
                after that the prediction is polled.
            wait_options: How to wait, such as for how long.
            stream: Whether the prediction's events can be read with `async_stream`.

        Returns:
            The new prediction. It has ended if `wait` is true (unless the options say not to poll).

        Raises:
            ValueError: If the model reference or the params are not valid; nothing was sent.
            CreateOutcomeUnknown: If the create was sent, but its answer was lost or the server failed: the prediction
                may be running. Look before you create it again.
            WaitTimeoutError: If `wait_options.timeout` passes first.
            APIStatusError: If the API refuses the request; nothing was created.
            APIConnectionError: If the create certainly did not reach the server, or polls go unanswered for a minute.
            OSError: If a file in the input cannot be read; nothing was created.

        Example:
            ```python
            prediction = await client.predictions.async_create(
                {"input": {"text": "to be or not to be"}}, "sandbox/word-count", wait=True
            )
            print(prediction["output"])
            ```
        """
        check_flags(wait=wait, stream=stream)
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
            params: What to create, above all the `input`; it is not changed. It is read when the call starts to run:
                changes that you make before then are sent. Files in the input are uploaded first, before the timeout of
                `wait_options` starts.
            model: The model as owner/name, or as owner/name:number for one of its versions (for example:
                deepseek-ai/deepseek-r1 or deepseek-ai/deepseek-r1:1).
            wait: Whether to wait until the prediction has ended. The server holds the connection for as long as it can;
                after that the prediction is polled.
            wait_options: How to wait, such as for how long.
            stream: Whether the prediction's events can be read with `stream`.

        Returns:
            The new prediction. It has ended if `wait` is true (unless the options say not to poll).

        Raises:
            ValueError: If the model reference or the params are not valid; nothing was sent.
            CreateOutcomeUnknown: If the create was sent, but its answer was lost or the server failed: the prediction
                may be running. Look before you create it again.
            WaitTimeoutError: If `wait_options.timeout` passes first.
            APIStatusError: If the API refuses the request; nothing was created.
            APIConnectionError: If the create certainly did not reach the server, or polls go unanswered for a minute.
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
        """Wait until a prediction has ended.

        Concurrent waits share their polls. A wait survives temporary failures: it ends early only if its timeout
        passes, if the API refuses the request (such as with a 404), or after a minute of nothing but failures.

        Args:
            predictionID: The id of the prediction.
            options: How to wait, such as for how long.

        Returns:
            The ended prediction, whether it succeeded or not; its `status` says which.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            WaitTimeoutError: If `options.timeout` passes first. The prediction goes on, unless `cancel_on_exit` is set.
            APIStatusError: If the API refuses the request, or fails for a whole minute.
            APIConnectionError: If there is no answer for a whole minute.

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
        """Wait until a prediction has ended.

        Concurrent waits share their polls. A wait survives temporary failures: it ends early only if its timeout
        passes, if the API refuses the request (such as with a 404), or after a minute of nothing but failures.

        Args:
            predictionID: The id of the prediction.
            options: How to wait, such as for how long.

        Returns:
            The ended prediction, whether it succeeded or not; its `status` says which.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            WaitTimeoutError: If `options.timeout` passes first. The prediction goes on, unless `cancel_on_exit` is set.
            APIStatusError: If the API refuses the request, or fails for a whole minute.
            APIConnectionError: If there is no answer for a whole minute.

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

        The status changes a little later. It is safe to ask again.

        Args:
            prediction_id: The id of the prediction.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses the request, for example because the prediction has already ended.
            APIConnectionError: If there was no answer.
        """
        await self._operations.cancel(prediction_id)

    def cancel(self, prediction_id: str) -> None:
        """Ask the server to cancel a prediction.

        The status changes a little later. It is safe to ask again.

        Args:
            prediction_id: The id of the prediction.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            NotFoundError: If there is no such prediction.
            APIStatusError: If the API refuses the request, for example because the prediction has already ended.
            APIConnectionError: If there was no answer.
        """
        self._api.blocking.call(self.async_cancel, prediction_id)

    def expect_webhooks(self) -> None:
        """Poll less often, because webhooks for this client's predictions arrive in this process.

        `WebhookReceiver` calls this when you give it the client. If no webhooks arrive after all, polling goes on.
        """
        self._poller.expect_webhooks()

    def notify(self, prediction: PredictionWithIO) -> None:
        """Pass a prediction's new state to the waits of this client, so that they can end without a poll.

        `WebhookReceiver` calls this; call it yourself if webhooks reach you in another way. It never blocks, and may be
        called from any thread.

        Args:
            prediction: The prediction as its webhook describes it.
        """
        self._poller.notify(prediction)

    def async_iterate(self, pagination_options: AnyPaginationOptions | None = None) -> AsyncItems[Prediction]:
        """Iterate over all predictions, newest first; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin, and which statuses. If the API refuses the `page_size`, its default is
                used.

        Returns:
            An iterator over the predictions, without their inputs and outputs.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.

        Example:
            ```python
            async for prediction in client.predictions.async_iterate({"page_size": 50}):
                print(prediction["id"], prediction["status"])
            ```
        """
        return self._listing.items(pagination_options)

    def iterate(self, pagination_options: AnyPaginationOptions | None = None) -> Items[Prediction]:
        """Iterate over all predictions, newest first; pages are fetched when they are needed.

        Args:
            pagination_options: Where to begin, and which statuses. If the API refuses the `page_size`, its default is
                used.

        Returns:
            An iterator over the predictions, without their inputs and outputs.

        Raises:
            ValueError: If an option is not known.
            WriftAIError: While iterating, if a page leads back to an earlier one.
            APIStatusError: While iterating, if the API refuses a request.
            APIConnectionError: While iterating, if there was no answer.

        Example:
            ```python
            for prediction in client.predictions.iterate({"page_size": 50}):
                print(prediction["id"], prediction["status"])
            ```
        """
        return self._listing.blocking_items("async_iterate", pagination_options)

    def async_stream(
        self, prediction_id: str, after_id: str | None = None, wait: float | None = None
    ) -> AsyncPredictionStream:
        """Read a prediction's events as they happen, until `done` or `error`.

        The prediction must have been created with `stream=True`. Some time after it has ended, its events can no longer
        be read.

        Args:
            prediction_id: The id of the prediction.
            after_id: The id of the event to begin after; by default the stream begins with the first event.
            wait: Seconds without an event after which the server should close the connection; the stream then connects
                again. By default the server decides.

        Returns:
            An iterator over the events, which is also a context manager. It connects when you ask for the first event.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            NotFoundError: While iterating, if there is no such stream, or it has expired.
            APIStatusError: While iterating, if the API refuses the request for another reason.
            APIConnectionError: While iterating, if connections keep breaking without a new event.
            APIResponseError: While iterating, if an answer is not what the API promises.

        Example:
            ```python
            async with client.predictions.async_stream(prediction_id) as stream:
                async for event in stream:
                    print(event["event"], event["data"])
            ```
        """
        return AsyncPredictionStream(self._stream_reader(prediction_id, after_id, wait), self._parser)

    def stream(self, prediction_id: str, after_id: str | None = None, wait: float | None = None) -> PredictionStream:
        """Read a prediction's events as they happen, until `done` or `error`.

        The prediction must have been created with `stream=True`. Some time after it has ended, its events can no longer
        be read.

        Args:
            prediction_id: The id of the prediction.
            after_id: The id of the event to begin after; by default the stream begins with the first event.
            wait: Seconds without an event after which the server should close the connection; the stream then connects
                again. By default the server decides.

        Returns:
            An iterator over the events, which is also a context manager. It connects when you ask for the first event.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            NotFoundError: While iterating, if there is no such stream, or it has expired.
            APIStatusError: While iterating, if the API refuses the request for another reason.
            APIConnectionError: While iterating, if connections keep breaking without a new event.
            APIResponseError: While iterating, if an answer is not what the API promises.

        Example:
            ```python
            with client.predictions.stream(prediction_id) as stream:
                for event in stream:
                    print(event["event"], event["data"])
            ```
        """
        return PredictionStream(self._api, self._stream_reader(prediction_id, after_id, wait), self._parser)

    def async_create_stream(
        self, params: CreatePredictionParams, model: str, *, wait: float | None = None
    ) -> AsyncPredictionStream:
        """Create a prediction and read its events as they happen, until `done` or `error`.

        It is created when you ask for the first event, and never sent twice.

        Args:
            params: What to create, above all the `input`; it is not changed. Files in the input are uploaded first.
            model: The model as owner/name, or as owner/name:number for one of its versions.
            wait: Seconds without an event after which the server should close the connection; the stream then connects
                again. By default the server decides.

        Returns:
            An iterator over the events, which is also a context manager.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            CreateOutcomeUnknown: While iterating, if the create was sent and the stream broke before its first event:
                the prediction may be running. Look before you create it again.
            APIStatusError: While iterating, if the API refuses the request.
            APIConnectionError: While iterating, if the create certainly did not reach the server, or connections keep
                breaking without a new event.
            APIResponseError: While iterating, if an answer is not what the API promises.

        Example:
            ```python
            async with client.predictions.async_create_stream({"input": {"text": "to be"}}, "o/text") as stream:
                async for event in stream:
                    if event["event"] == "output":
                        print(event["data"], end="")
            ```
        """
        return AsyncPredictionStream(self._create_reader(params, model, wait), self._parser)

    def create_stream(
        self, params: CreatePredictionParams, model: str, *, wait: float | None = None
    ) -> PredictionStream:
        """Create a prediction and read its events as they happen, until `done` or `error`.

        It is created when you ask for the first event, and never sent twice.

        Args:
            params: What to create, above all the `input`; it is not changed. Files in the input are uploaded first.
            model: The model as owner/name, or as owner/name:number for one of its versions.
            wait: Seconds without an event after which the server should close the connection; the stream then connects
                again. By default the server decides.

        Returns:
            An iterator over the events, which is also a context manager.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            CreateOutcomeUnknown: While iterating, if the create was sent and the stream broke before its first event:
                the prediction may be running. Look before you create it again.
            APIStatusError: While iterating, if the API refuses the request.
            APIConnectionError: While iterating, if the create certainly did not reach the server, or connections keep
                breaking without a new event.
            APIResponseError: While iterating, if an answer is not what the API promises.

        Example:
            ```python
            with client.predictions.create_stream({"input": {"text": "to be"}}, "o/text") as stream:
                for event in stream:
                    if event["event"] == "output":
                        print(event["data"], end="")
            ```
        """
        return PredictionStream(self._api, self._create_reader(params, model, wait), self._parser)

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
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
        in_order: bool = False,
    ) -> AsyncBatch:
        """Run many predictions as one job.

        Args:
            inputs: The params of each prediction, read only as fast as the predictions end. An iterable that blocks
                also blocks the event loop.
            model: The model as owner/name, or as owner/name:number for one of its versions.
            journal: Path of a file that lets the job survive being killed: run it again with the same inputs and the
                same journal, and it continues where it stopped and also returns the results of earlier runs. With a
                journal the server does not hold the creates.
            max_in_flight: The most inputs in progress at a time. An input counts from when it is read until you have
                taken its result.
            wait_options: How to wait for each prediction. With `cancel_on_exit`, leaving the block early also cancels
                the unfinished predictions on the server, as many as the rate limit allows within five seconds. With a
                journal, `timeout` begins after the create.
            recreate_unknown: With a journal: whether to create again what an earlier run may have created, instead of
                reporting `CreateOutcomeUnknown`.
            find_unknown: With a journal: whether to look for such a prediction first, on entering the block, among the
                newest predictions. One of this model, with the same input, that the journal does not know is taken to
                be it.
            retry_failed: With a journal: whether to create again what an earlier run saw fail, be cancelled or be
                abandoned. Inputs that ended in an error and were not created are always tried again.
            max_failures: The number of results without success after which no more inputs are read. Predictions under
                way finish; then `BatchStoppedError` is raised. Until something has succeeded, no more than this many
                are created, so that a wrong field name does not cost hundreds. Failures known from the journal do not
                count, and one that several equal inputs share counts once.
            deduplicate: Whether equal inputs are created once, and each gets the result. The results are kept in memory
                until the batch ends.
            in_order: Whether results come in the order of the inputs, rather than as they end. Results that wait for
                their turn count towards `max_in_flight`.

        Returns:
            A context manager, in which you iterate over a `BatchResult` for each input, in the order in which they end.
            A failure does not stop the others.

        Raises:
            ValueError: If an argument is not valid, or an option about earlier runs is given without a journal; nothing
                was sent.
            RuntimeError: While iterating, if the block has ended before the last result.
            BatchJournalError: On entering the block, if the file is not a journal, is damaged or in use; while
                iterating, if the journal is that of other inputs. The file is left unchanged.
            BatchStoppedError: After the last result, if `max_failures` results did not succeed.

        Example:
            ```python
            inputs = ({"input": {"text": f"line {number}"}} for number in range(100))
            async with client.predictions.async_batch(inputs, "sandbox/word-count") as results:
                async for result in results:
                    print(result.index, result.error or result.prediction["output"])
            ```
        """
        job = self._job(model, for_coroutine(wait_options), recreate_unknown, find_unknown, retry_failed)
        return AsyncBatch(job, reader(inputs), BatchLimits(max_in_flight, max_failures, deduplicate, journal, in_order))

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
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
        in_order: bool = False,
    ) -> Batch:
        """Run many predictions as one job.

        Args:
            inputs: The params of each prediction, read only as fast as the predictions end. They are read in the
                calling thread.
            model: The model as owner/name, or as owner/name:number for one of its versions.
            journal: Path of a file that lets the job survive being killed: run it again with the same inputs and the
                same journal, and it continues where it stopped and also returns the results of earlier runs. With a
                journal the server does not hold the creates.
            max_in_flight: The most inputs in progress at a time. An input counts from when it is read until you have
                taken its result.
            wait_options: How to wait for each prediction. With `cancel_on_exit`, leaving the block early also cancels
                the unfinished predictions on the server, as many as the rate limit allows within five seconds. With a
                journal, `timeout` begins after the create.
            recreate_unknown: With a journal: whether to create again what an earlier run may have created, instead of
                reporting `CreateOutcomeUnknown`.
            find_unknown: With a journal: whether to look for such a prediction first, on entering the block, among the
                newest predictions. One of this model, with the same input, that the journal does not know is taken to
                be it.
            retry_failed: With a journal: whether to create again what an earlier run saw fail, be cancelled or be
                abandoned. Inputs that ended in an error and were not created are always tried again.
            max_failures: The number of results without success after which no more inputs are read. Predictions under
                way finish; then `BatchStoppedError` is raised. Until something has succeeded, no more than this many
                are created, so that a wrong field name does not cost hundreds. Failures known from the journal do not
                count, and one that several equal inputs share counts once.
            deduplicate: Whether equal inputs are created once, and each gets the result. The results are kept in memory
                until the batch ends.
            in_order: Whether results come in the order of the inputs, rather than as they end. Results that wait for
                their turn count towards `max_in_flight`.

        Returns:
            A context manager, in which you iterate over a `BatchResult` for each input, in the order in which they end.
            A failure does not stop the others.

        Raises:
            ValueError: If an argument is not valid, or an option about earlier runs is given without a journal; nothing
                was sent.
            RuntimeError: While iterating, if the block has ended before the last result.
            BatchJournalError: On entering the block, if the file is not a journal, is damaged or in use; while
                iterating, if the journal is that of other inputs. The file is left unchanged.
            BatchStoppedError: After the last result, if `max_failures` results did not succeed.

        Example:
            ```python
            inputs = ({"input": {"text": f"line {number}"}} for number in range(100))
            with client.predictions.batch(inputs, "sandbox/word-count") as results:
                for result in results:
                    print(result.index, result.error or result.prediction["output"])
            ```
        """
        caller = self._api.blocking.caller()
        read = CallersInputs(iterator_of(inputs), caller)
        job = self._job(model, for_coroutine(wait_options, caller), recreate_unknown, find_unknown, retry_failed)
        limits = BatchLimits(max_in_flight, max_failures, deduplicate, journal, in_order)
        return Batch(self._api, AsyncBatch(job, read, limits), read)

    @property
    def _operations(self) -> "Operations":
        return self._late.get()

    @property
    def _poller(self) -> "Poller":
        return self._operations.poller

    def _job(
        self, model: str, options: AsyncWaitOptions, recreate_unknown: bool, find_unknown: bool, retry_failed: bool
    ) -> Job:
        model_reference(model)
        parts = (self._operations, self._parser, self._prepare, self._listing)
        return Job(*parts, model, options, recreate_unknown, find_unknown, retry_failed)

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
