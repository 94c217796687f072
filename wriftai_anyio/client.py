"""The client: configuration, life cycle, and the resources as attributes."""

from collections.abc import AsyncIterable, Iterable, Mapping
from os import PathLike
from typing import Any, TypeVar, overload

import httpx

from ._blocking.guard import refuse_event_loop
from ._config import DEFAULT_MAX_RESPONSE_SIZE, DEFAULT_TIMEOUT, Config
from ._polling.options import DEFAULT_ASYNC_WAIT_OPTIONS, DEFAULT_WAIT_OPTIONS, AsyncWaitOptions, WaitOptions
from ._predictions.outcome import check_waits_for_the_end, output_reader
from ._rate_limits.state import RateLimits
from ._resources.base import shown_as
from ._types.prediction_params import InputValue
from .api import API
from .authenticated_user import AuthenticatedUser
from .batch import DEFAULT_IN_FLIGHT
from .files import Files
from .hardware import HardwareResource
from .hooks import ObserverSource, OnRequest, OnResponse
from .model_categories import ModelCategories
from .model_versions import ModelVersions
from .models import ModelsResource
from .outputs import AsyncOutputMap, OutputMap, as_async_params, as_params
from .predictions import Predictions
from .streams import AsyncOutputStream, OutputStream
from .uploads import Uploads
from .users import UsersResource
from .variables import Variables

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """A client of the WriftAI API, for trio, asyncio and plain scripts.

    Use it in `async with`, in `with`, or in neither: it is ready as soon as it is made, and opens nothing before the
    first call. Threads, tasks and event loops may share it; it survives a fork and can be pickled. **A pickled client
    contains the access token**, because the workers that receive it need it.

    Args:
        access_token: By default the value of the environment variable `WRIFTAI_ACCESS_TOKEN`. Without a token, nothing
            is sent to the public API.
        api_base_url: By default the value of the environment variable `WRIFTAI_API_BASE_URL`, else
            `https://api.wrift.ai/v1`.
        headers: Additional headers for every request.
        max_retries: How often a request is sent again, if that is safe. 0 means never, not even after a 429.
        timeout: Seconds for each attempt: one number that holds for connect, read and write, or an `httpx.Timeout`; by
            default 10 to connect and 60 otherwise. The time that the server is asked to hold a request is added. `None`
            for no limit.
        max_response_size: The most bytes that an answer may have, 256 MiB by default; a larger one raises
            `APIResponseError`.
        transport: Sends all requests, in place of the client's own connections (and the environment's proxies), such
            as `httpx.AsyncHTTPTransport(http2=True)` for HTTP/2.
        backend: The event loop of the blocking calls' thread: "asyncio" (the default), "trio" or "uvloop". The last two
            need the extras of the same names; on uvloop a call takes about an eighth less time.
        on_request: Called with a `RequestEvent` before each request is sent, including those that are sent again.
        on_response: Called with a `ResponseEvent` for the outcome of each request. Both hooks are plain functions that
            must not block: they run in the thread of the event loop that sends. Their exceptions are logged and
            otherwise ignored. They are pickled with the client.
        tracer: A `wriftai_anyio.tracing.PredictionTracer`, which makes an OpenTelemetry span for each prediction; or an
            `ObserverSource` of your own.

    Attributes:
        predictions: Predictions: create them, wait for them, read their events and get their output.
        models: Models: find, create, update and delete them.
        model_versions: Model versions: find, create, configure and delete them.
        model_categories: Model categories: the groups that models belong to.
        hardware: Hardware: the kinds of machines that model versions can run on.
        variables: Variables: environment variables of model versions, some of them secret.
        users: Users: the owners of models.
        authenticated_user: The authenticated user: the owner of the access token.
        files: Files: upload them as inputs, download them as outputs.
        uploads: Uploads: the steps of which `files.upload` consists.

    Raises:
        ValueError: If an argument or an environment variable cannot be used. No message shows the token.

    Example:
        ```python
        with Client() as client:
            prediction = client.predictions.create({"input": "hello"}, "sandbox/echo", wait=True)
        ```
    """

    predictions: Predictions = shown_as(Predictions)
    models: ModelsResource = shown_as(ModelsResource)
    model_versions: ModelVersions = shown_as(ModelVersions)
    model_categories: ModelCategories = shown_as(ModelCategories)
    hardware: HardwareResource = shown_as(HardwareResource)
    variables: Variables = shown_as(Variables)
    users: UsersResource = shown_as(UsersResource)
    authenticated_user: AuthenticatedUser = shown_as(AuthenticatedUser)
    files: Files = shown_as(Files)
    uploads: Uploads = shown_as(Uploads)

    def __init__(
        self,
        access_token: str | None = None,
        api_base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        max_retries: int = 2,
        timeout: float | httpx.Timeout | None = DEFAULT_TIMEOUT,
        max_response_size: int = DEFAULT_MAX_RESPONSE_SIZE,
        transport: httpx.AsyncBaseTransport | None = None,
        backend: str = "asyncio",
        on_request: OnRequest | None = None,
        on_response: OnResponse | None = None,
        tracer: ObserverSource | None = None,
    ) -> None:
        self._open(
            Config.resolve(
                access_token=access_token,
                api_base_url=api_base_url,
                headers=headers,
                max_retries=max_retries,
                timeout=timeout,
                max_response_size=max_response_size,
                transport=transport,
                backend=backend,
                on_request=on_request,
                on_response=on_response,
                tracer=tracer,
            )
        )

    def _open(self, config: Config) -> None:
        self._api = API(config)
        self.predictions = Predictions(self._api)
        self.models = ModelsResource(self._api)
        self.model_versions = ModelVersions(self._api)
        self.model_categories = ModelCategories(self._api)
        self.hardware = HardwareResource(self._api)
        self.variables = Variables(self._api)
        self.users = UsersResource(self._api)
        self.authenticated_user = AuthenticatedUser(self._api)
        self.files = Files(self._api)
        self.uploads = Uploads(self._api)

    @property
    def rate_limits(self) -> RateLimits:
        """The account's rate limits as the server last stated them, and how many requests wait for them here."""
        return self._api.rate_limits.get().state()

    def __repr__(self) -> str:
        return f"<wriftai_anyio.Client {self.api_base_url}>"

    @property
    def api_base_url(self) -> str:
        """The API's base URL."""
        return self._api.config.base_url

    def __getstate__(self) -> Config:
        return self._api.config

    def __setstate__(self, config: Config) -> None:
        self._open(config)

    @overload
    async def async_run(
        self,
        model: str,
        input: InputValue,
        *,
        output_type: type[T],
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
    ) -> T: ...
    @overload
    async def async_run(
        self,
        model: str,
        input: InputValue,
        *,
        output_type: Any = None,
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
    ) -> Any: ...
    async def async_run(
        self,
        model: str,
        input: InputValue,
        *,
        output_type: Any = None,
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
    ) -> Any:
        """Run a model on an input, and return its output.

        It creates a prediction, and waits until it has ended. For more than the output, see `predictions.async_create`.

        Args:
            model: The model as owner/name, or as owner/name:number for one of its versions.
            input: The input. Paths, open binary files and `File` anywhere in it are uploaded first; pydantic models,
                dataclasses, enumerations, dates and UUIDs become their JSON.
            output_type: The type to convert the output to: anything that pydantic's `TypeAdapter` takes, such as a
                dataclass or `list[Row]` (extra `pydantic`). By default the output is returned as received. Type
                checkers follow classes and generics such as `list[Row]`; for unions (`Row | None`) and `Annotated` they
                see `Any`.
            wait_options: How to wait.

        Returns:
            The output.

        Raises:
            PredictionFailedError: If the prediction failed, was cancelled or abandoned.
            OutputTypeError: If the output is not of `output_type`; the error holds it.
            ValueError: If an argument is not valid; nothing was sent.
            ImportError: If `output_type` is given and pydantic is not installed; nothing was sent.
            CreateOutcomeUnknown: If the create was sent and its answer was lost, or the server failed: the prediction
                may be running. Look before you run it again.
            WaitTimeoutError: If `wait_options.timeout` passes first.
            APIStatusError: If the API refuses the request; nothing was created.
            APIConnectionError: If the create certainly did not reach the server, or polls fail for a minute.
            OSError: If a file in the input cannot be read; nothing was created.

        Example:
            ```python
            words = await client.async_run("sandbox/word-count", {"text": "to be or not to be"})
            print(words)
            ```
        """
        read = output_reader(output_type)
        check_waits_for_the_end(wait_options)
        return read(await self.predictions.async_create({"input": input}, model, True, wait_options))  # noqa: FBT003

    def async_stream(self, model: str, input: InputValue, *, wait: float | None = None) -> AsyncOutputStream:
        """Run a model on an input, and iterate over the pieces of its output as they arrive.

        If the server streams nothing, you get the finished output in one piece. Use it in `async with` if you may leave
        the loop early. The prediction is created when you ask for the first piece.

        Args:
            model: The model as owner/name, or as owner/name:number for one of its versions.
            input: The input, as in `async_run`.
            wait: Seconds without an event after which the server should close the connection; the stream then connects
                again. By default the server decides.

        Returns:
            An iterator over the pieces, which is also a context manager.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            RuntimeError: While iterating, if the block has ended before the last piece.
            PredictionFailedError: While iterating, if the prediction failed, was cancelled or abandoned.
            CreateOutcomeUnknown: While iterating, if the create was sent and the stream broke before its first event.
            WriftAIError: While iterating, as in `predictions.async_create_stream`.

        Example:
            ```python
            async with client.async_stream("sandbox/word-count", {"text": "to be or not to be"}) as pieces:
                async for piece in pieces:
                    print(piece, end="")
            ```
        """
        return self.predictions.async_create_stream({"input": input}, model, wait=wait).async_outputs()

    @overload
    def async_map(
        self,
        model: str,
        inputs: Iterable[InputValue] | AsyncIterable[InputValue],
        *,
        output_type: type[T],
        return_exceptions: bool = False,
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        journal: str | PathLike[str] | None = None,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
    ) -> AsyncOutputMap[T]: ...
    @overload
    def async_map(
        self,
        model: str,
        inputs: Iterable[InputValue] | AsyncIterable[InputValue],
        *,
        output_type: Any = None,
        return_exceptions: bool = False,
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        journal: str | PathLike[str] | None = None,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
    ) -> AsyncOutputMap[Any]: ...
    def async_map(
        self,
        model: str,
        inputs: Iterable[InputValue] | AsyncIterable[InputValue],
        *,
        output_type: Any = None,
        return_exceptions: bool = False,
        wait_options: AsyncWaitOptions = DEFAULT_ASYNC_WAIT_OPTIONS,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        journal: str | PathLike[str] | None = None,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
    ) -> AsyncOutputMap[Any]:
        """Run a model on many inputs, and iterate over the outputs in the order of the inputs.

        Args:
            model: The model as owner/name, or as owner/name:number for one of its versions.
            inputs: The inputs, each as in `async_run`, read only as fast as their outputs are taken. An iterable that
                blocks also blocks the event loop.
            output_type: The type to convert each output to, as in `async_run`.
            return_exceptions: Whether an error (`PredictionFailedError`, `OutputTypeError` and others) is returned in
                place of an output. By default it is raised where the output would come.
            wait_options: How to wait for each prediction.
            max_in_flight: The most inputs in progress at a time. An input counts from when it is read until you have
                taken its output.
            journal: Path of a file that lets the job survive being killed; see `predictions.async_batch`, also for
                the options below.
            recreate_unknown: With a journal: whether to create again what an earlier run may have created.
            find_unknown: With a journal: whether to look for it on the server first.
            retry_failed: With a journal: whether to create again what an earlier run saw fail.
            max_failures: The number of failures after which no more inputs are read, and `BatchStoppedError` is raised
                at the end. A failure that equal inputs share counts once.
            deduplicate: Whether equal inputs are created once, and each gets the output.

        Returns:
            A context manager, in which you iterate over the outputs.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            ImportError: If `output_type` is given and pydantic is not installed; nothing was sent.
            RuntimeError: While iterating, if the block has ended before the last output.
            BatchJournalError: As `predictions.async_batch` does.
            BatchStoppedError: After the last output, if `max_failures` did not succeed.

        Example:
            ```python
            lines = ({"text": f"line {number}"} for number in range(100))
            async with client.async_map("sandbox/word-count", lines) as outputs:
                async for words in outputs:
                    print(words)
            ```
        """
        read = output_reader(output_type)
        check_waits_for_the_end(wait_options)
        batch = self.predictions.async_batch(
            as_async_params(inputs),
            model,
            journal=journal,
            max_in_flight=max_in_flight,
            wait_options=wait_options,
            recreate_unknown=recreate_unknown,
            find_unknown=find_unknown,
            retry_failed=retry_failed,
            max_failures=max_failures,
            deduplicate=deduplicate,
            in_order=True,
        )
        return AsyncOutputMap(batch, read, return_exceptions=return_exceptions)

    @overload
    def run(
        self,
        model: str,
        input: InputValue,
        *,
        output_type: type[T],
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
    ) -> T: ...
    @overload
    def run(
        self,
        model: str,
        input: InputValue,
        *,
        output_type: Any = None,
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
    ) -> Any: ...
    def run(
        self,
        model: str,
        input: InputValue,
        *,
        output_type: Any = None,
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
    ) -> Any:
        """Run a model on an input, and return its output.

        It creates a prediction, and waits until it has ended. For more than the output, see `predictions.create`.

        Args:
            model: The model as owner/name, or as owner/name:number for one of its versions.
            input: The input. Paths, open binary files and `File` anywhere in it are uploaded first; pydantic models,
                dataclasses, enumerations, dates and UUIDs become their JSON.
            output_type: The type to convert the output to: anything that pydantic's `TypeAdapter` takes, such as a
                dataclass or `list[Row]` (extra `pydantic`). By default the output is returned as received. Type
                checkers follow classes and generics such as `list[Row]`; for unions (`Row | None`) and `Annotated` they
                see `Any`.
            wait_options: How to wait.

        Returns:
            The output.

        Raises:
            PredictionFailedError: If the prediction failed, was cancelled or abandoned.
            OutputTypeError: If the output is not of `output_type`; the error holds it.
            ValueError: If an argument is not valid; nothing was sent.
            ImportError: If `output_type` is given and pydantic is not installed; nothing was sent.
            CreateOutcomeUnknown: If the create was sent and its answer was lost, or the server failed: the prediction
                may be running. Look before you run it again.
            WaitTimeoutError: If `wait_options.timeout` passes first.
            APIStatusError: If the API refuses the request; nothing was created.
            APIConnectionError: If the create certainly did not reach the server, or polls fail for a minute.
            OSError: If a file in the input cannot be read; nothing was created.

        Example:
            ```python
            words = client.run("sandbox/word-count", {"text": "to be or not to be"})
            print(words)
            ```
        """
        refuse_event_loop("async_run")
        read = output_reader(output_type)
        check_waits_for_the_end(wait_options)
        return read(self.predictions.create({"input": input}, model, True, wait_options))  # noqa: FBT003

    def stream(self, model: str, input: InputValue, *, wait: float | None = None) -> OutputStream:
        """Run a model on an input, and iterate over the pieces of its output as they arrive.

        If the server streams nothing, you get the finished output in one piece. Use it in `with` if you may leave the
        loop early. The prediction is created when you ask for the first piece.

        Args:
            model: The model as owner/name, or as owner/name:number for one of its versions.
            input: The input, as in `run`.
            wait: Seconds without an event after which the server should close the connection; the stream then connects
                again. By default the server decides.

        Returns:
            An iterator over the pieces, which is also a context manager.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            RuntimeError: While iterating, if the block has ended before the last piece.
            PredictionFailedError: While iterating, if the prediction failed, was cancelled or abandoned.
            CreateOutcomeUnknown: While iterating, if the create was sent and the stream broke before its first event.
            WriftAIError: While iterating, as in `predictions.create_stream`.

        Example:
            ```python
            with client.stream("sandbox/word-count", {"text": "to be or not to be"}) as pieces:
                for piece in pieces:
                    print(piece, end="")
            ```
        """
        return self.predictions.create_stream({"input": input}, model, wait=wait).outputs()

    @overload
    def map(
        self,
        model: str,
        inputs: Iterable[InputValue],
        *,
        output_type: type[T],
        return_exceptions: bool = False,
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        journal: str | PathLike[str] | None = None,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
    ) -> OutputMap[T]: ...
    @overload
    def map(
        self,
        model: str,
        inputs: Iterable[InputValue],
        *,
        output_type: Any = None,
        return_exceptions: bool = False,
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        journal: str | PathLike[str] | None = None,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
    ) -> OutputMap[Any]: ...
    def map(
        self,
        model: str,
        inputs: Iterable[InputValue],
        *,
        output_type: Any = None,
        return_exceptions: bool = False,
        wait_options: WaitOptions = DEFAULT_WAIT_OPTIONS,
        max_in_flight: int = DEFAULT_IN_FLIGHT,
        journal: str | PathLike[str] | None = None,
        recreate_unknown: bool = False,
        find_unknown: bool = False,
        retry_failed: bool = False,
        max_failures: int | None = None,
        deduplicate: bool = False,
    ) -> OutputMap[Any]:
        """Run a model on many inputs, and iterate over the outputs in the order of the inputs.

        Args:
            model: The model as owner/name, or as owner/name:number for one of its versions.
            inputs: The inputs, each as in `run`, read only as fast as their outputs are taken. They are read in the
                calling thread.
            output_type: The type to convert each output to, as in `run`.
            return_exceptions: Whether an error (`PredictionFailedError`, `OutputTypeError` and others) is returned in
                place of an output. By default it is raised where the output would come.
            wait_options: How to wait for each prediction.
            max_in_flight: The most inputs in progress at a time. An input counts from when it is read until you have
                taken its output.
            journal: Path of a file that lets the job survive being killed; see `predictions.batch`, also for the
                options below.
            recreate_unknown: With a journal: whether to create again what an earlier run may have created.
            find_unknown: With a journal: whether to look for it on the server first.
            retry_failed: With a journal: whether to create again what an earlier run saw fail.
            max_failures: The number of failures after which no more inputs are read, and `BatchStoppedError` is raised
                at the end. A failure that equal inputs share counts once.
            deduplicate: Whether equal inputs are created once, and each gets the output.

        Returns:
            A context manager, in which you iterate over the outputs.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            ImportError: If `output_type` is given and pydantic is not installed; nothing was sent.
            RuntimeError: While iterating, if the block has ended before the last output.
            BatchJournalError: As `predictions.batch` does.
            BatchStoppedError: After the last output, if `max_failures` did not succeed.

        Example:
            ```python
            lines = ({"text": f"line {number}"} for number in range(100))
            with client.map("sandbox/word-count", lines) as outputs:
                for words in outputs:
                    print(words)
            ```
        """
        read = output_reader(output_type)
        check_waits_for_the_end(wait_options)
        batch = self.predictions.batch(
            as_params(inputs),
            model,
            journal=journal,
            max_in_flight=max_in_flight,
            wait_options=wait_options,
            recreate_unknown=recreate_unknown,
            find_unknown=find_unknown,
            retry_failed=retry_failed,
            max_failures=max_failures,
            deduplicate=deduplicate,
            in_order=True,
        )
        return OutputMap(batch, read, return_exceptions=return_exceptions)

    async def aclose(self) -> None:
        """Close this event loop's connections, and stop the thread of the blocking calls, which ends its calls.

        Calls of this event loop with `cancel_on_exit` end first, and their predictions are cancelled, which may take up
        to five seconds. It is safe to call it twice. The client cannot be used afterwards.
        """
        await self._api.aclose()

    def close(self) -> None:
        """Stop the thread of the blocking calls, which ends its calls and closes its connections.

        It is safe to call it twice. The client cannot be used afterwards.
        """
        self._api.close()

    async def __aenter__(self) -> "Client":
        self._api.http.check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __enter__(self) -> "Client":
        self._api.http.check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
