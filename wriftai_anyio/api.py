"""What all calls go through: requests to the API, and the life cycle of a client."""

from collections.abc import Mapping

from ._blocking.runner import BlockingRunner
from ._config import Config
from ._instrumentation.event_hooks import Watch
from ._instrumentation.observer import NOBODY
from ._pipeline.pipeline import Pipeline
from ._pipeline.request import Query
from ._pipeline.responses import unchanged
from ._rate_limits.accounts import SharedLimits
from ._transport.connections import Http
from ._types.json import JsonValue
from .hooks import Observer

__all__ = ["API"]


class API:
    """Sends requests to the WriftAI API. Use `Client`, which makes one.

    Args:
        config: The checked configuration.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.http: Http = Http(config.transport, config.max_response_size)
        self.rate_limits: SharedLimits = SharedLimits(config.base_url, config.access_token)
        self.watch: Watch = Watch(config.on_request, config.on_response)
        self.observer: Observer = NOBODY if config.tracer is None else config.tracer.observer()
        self.blocking: BlockingRunner = BlockingRunner(config.backend, self.http.close_loop)
        self.pipeline: Pipeline = Pipeline(config, self.http, self.rate_limits, self.watch)

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
        """Send a request of your own, again where that is safe, and return its decoded answer.

        Args:
            method: The HTTP method.
            path: The path below the base URL, with a leading slash, its segments quoted.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.

        Returns:
            The decoded answer, `None` for an empty body.

        Raises:
            ValueError: If the path, the headers or the body cannot be right; nothing was sent.
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
        """Send a request of your own, again where that is safe, and return its decoded answer.

        Args:
            method: The HTTP method.
            path: The path below the base URL, with a leading slash, its segments quoted.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.

        Returns:
            The decoded answer, `None` for an empty body.

        Raises:
            ValueError: If the path, the headers or the body cannot be right; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is not JSON.
        """
        return self.blocking.call(self.async_request, method, path, json, headers, params)

    async def aclose(self) -> None:
        """Close the connections of this event loop, and the thread of the blocking calls."""
        await self.blocking.aclose()
        await self.http.aclose()
        self.observer.close()

    def close(self) -> None:
        """Close the thread of the blocking calls, and refuse further requests on any event loop."""
        self.blocking.close()
        self.http.refuse()
        self.observer.close()
