"""What all calls go through: requests to the API, and the lifecycle of a client."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from ._concurrency.forks import Late
from ._config import Config
from ._instrumentation.event_hooks import Watch
from ._instrumentation.observer import NOBODY
from ._parsing.shapes import unchanged
from ._types.json import JsonValue
from .hooks import Observer
from .pagination import Query

if TYPE_CHECKING:
    from ._pipeline.engine import Engine

__all__ = ["API"]

T = TypeVar("T")


def _make_engine(config: Config, watch: Watch) -> "Engine":
    # On the first call, before it sends anything: what only calls need, here and in `predictions` and `files`, is a
    # fifth of the time to start a client (130 of 660 million instructions).
    from ._pipeline.engine import Engine

    return Engine(config, watch)


class _Part(Generic[T]):
    """A part of the engine as an attribute of `API`: like a property, but without a public name for its type."""

    def __init__(self, part: "Callable[[Engine], T]") -> None:
        self._part = part

    @overload
    def __get__(self, api: None, owner: type) -> "_Part[T]": ...
    @overload
    def __get__(self, api: "API", owner: type) -> T: ...
    def __get__(self, api: "API | None", owner: type) -> "_Part[T] | T":
        if api is None:
            return self
        return self._part(api.engine.get())

    def __set__(self, api: "API", value: object) -> None:
        raise AttributeError("The parts of the engine belong together.")


class API:
    """Sends requests to the WriftAI API. Use `Client`, which makes one.

    Args:
        config: The checked configuration.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.watch: Watch = Watch(config.on_request, config.on_response)
        self.observer: Observer = NOBODY if config.tracer is None else config.tracer.observer()
        self.engine: Late[Engine] = Late(partial(_make_engine, config, self.watch))

    http = _Part(lambda engine: engine.http)
    rate_limits = _Part(lambda engine: engine.rate_limits)
    blocking = _Part(lambda engine: engine.blocking)
    departures = _Part(lambda engine: engine.departures)
    pipeline = _Part(lambda engine: engine.pipeline)

    def __reduce__(self) -> tuple[object, ...]:
        return API, (self.config,)

    async def async_request(
        self,
        method: str,
        path: str,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        params: Query | None = None,
    ) -> JsonValue:
        """Send a request of your own, and return its decoded answer. It is sent again where that is safe.

        Args:
            method: The HTTP method.
            path: The path below the base URL, with a leading slash, its segments quoted.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.

        Returns:
            The decoded answer, `None` for an empty body.

        Raises:
            ValueError: If the path, the headers or the body are not valid; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is not JSON.
        """
        return await self.pipeline.ask(method, path, unchanged, json=json, headers=headers, params=params)

    def request(
        self,
        method: str,
        path: str,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        params: Query | None = None,
    ) -> JsonValue:
        """Send a request of your own, and return its decoded answer. It is sent again where that is safe.

        Args:
            method: The HTTP method.
            path: The path below the base URL, with a leading slash, its segments quoted.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.

        Returns:
            The decoded answer, `None` for an empty body.

        Raises:
            ValueError: If the path, the headers or the body are not valid; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is not JSON.
        """
        return self.blocking.call(self.async_request, method, path, json, headers, params)

    async def aclose(self) -> None:
        """Close the connections of this event loop, and the thread of the blocking calls."""
        await self.engine.get().aclose()
        self.observer.close()

    def close(self) -> None:
        """Close the thread of the blocking calls, and refuse further requests on any event loop."""
        # Imports nothing: a finalizer may close a client when nothing can be imported any more.
        self.engine.when_made(lambda engine: engine.close())
        self.observer.close()
