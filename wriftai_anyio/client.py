"""The client: configuration, life cycle, and the resources as attributes."""

from collections.abc import Mapping
from types import TracebackType
from typing import Generic, TypeVar, cast

import httpx

from ._config import DEFAULT_TIMEOUT, Config
from ._rate_limits.state import RateLimits
from .api import API
from .authenticated_user import AuthenticatedUser
from .files import Files
from .hardware import HardwareResource
from .hooks import ObserverSource, OnRequest, OnResponse
from .model_categories import ModelCategories
from .model_versions import ModelVersions
from .models import ModelsResource
from .predictions import Predictions
from .uploads import Uploads
from .users import UsersResource
from .variables import Variables

__all__ = ["Client"]

T = TypeVar("T")


class _Kind(Generic[T]):
    """Stands for a resource in the class `Client`, so that mocks which are specified by it have the resource, too."""

    def __init__(self, kind: type[T]) -> None:
        self._kind = kind

    def __get__(self, client: None, owner: type) -> type[T]:
        return self._kind  # a client's own resource comes first, since there is no `__set__`


def _shown_as(kind: type[T]) -> T:
    return cast("T", _Kind(kind))


class Client:
    """A client of the WriftAI API, for trio, asyncio and plain scripts.

    Use it in `async with`, in `with`, or in neither: it is ready as soon as it is made, and opens nothing before the
    first call. Threads, tasks and event loops may share it; it survives a fork and can be pickled. **A pickled client
    contains the access token**, because the workers that receive it need it.

    Args:
        access_token: The access token; by default that of the environment variable `WRIFTAI_ACCESS_TOKEN`.
        api_base_url: The API's base URL; by default that of the environment variable `WRIFTAI_API_BASE_URL`, else
            `https://api.wrift.ai/v1`.
        headers: Additional headers of every request.
        max_retries: How many times a request is sent again, if it is safe to repeat. 0 means never, not even after a
            429.
        timeout: Seconds for each attempt: a number for each of connect, read and write, or an `httpx.Timeout`; by
            default 10 to connect and 60 otherwise. Time for which the server holds a request because it was asked to is
            added. `None` for no limit.
        transport: Sends all requests, in place of the client's own connections. Pass
            `httpx.AsyncHTTPTransport(http2=True)` for HTTP/2.
        backend: The event loop of the blocking calls' thread: "asyncio" (the default), "trio" or "uvloop". The last two
            need the extras of the same names; uvloop takes a few percent less time for a call.
        on_request: Called with a `RequestEvent` for each request that is about to be sent, including those that are
            sent again.
        on_response: Called with a `ResponseEvent` for the outcome of each of them. Both hooks are plain functions that
            must not block: they are called on the thread of the event loop that sends. Their exceptions are logged and
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

    predictions: Predictions = _shown_as(Predictions)
    models: ModelsResource = _shown_as(ModelsResource)
    model_versions: ModelVersions = _shown_as(ModelVersions)
    model_categories: ModelCategories = _shown_as(ModelCategories)
    hardware: HardwareResource = _shown_as(HardwareResource)
    variables: Variables = _shown_as(Variables)
    users: UsersResource = _shown_as(UsersResource)
    authenticated_user: AuthenticatedUser = _shown_as(AuthenticatedUser)
    files: Files = _shown_as(Files)
    uploads: Uploads = _shown_as(Uploads)

    def __init__(
        self,
        access_token: str | None = None,
        api_base_url: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        max_retries: int = 2,
        timeout: float | httpx.Timeout | None = DEFAULT_TIMEOUT,
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
        return self._api.pace.get().state()

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

    async def aclose(self) -> None:
        """Close this event loop's connections, and stop the thread of the blocking calls, which ends its calls.

        It is safe to call it twice. The client cannot be used afterwards.
        """
        await self._api.aclose()

    def close(self) -> None:
        """Stop the thread of the blocking calls, which ends its calls and closes its connections.

        It is safe to call it twice. The client cannot be used afterwards.
        """
        self._api.close()

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
