"""What all calls go through: requests to the API, and the life cycle of a client."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import httpx

from ._blocking.runner import BlockingRunner
from ._concurrency.cancellation import SendShield
from ._concurrency.tracebacks import without_internals
from ._config import Config
from ._instrumentation.event_hooks import Watch
from ._instrumentation.observer import NOBODY
from ._pipeline.attempt_hooks import AttemptHooks
from ._pipeline.pipeline import Pipeline
from ._pipeline.request import APIRequest, Query
from ._pipeline.responses import shaped, unchanged
from ._rate_limits.accounts import SharedLimits
from ._transport.connections import Http
from ._types.json import JsonValue
from .errors import WriftAIError
from .hooks import Observer

__all__ = ["API"]

T = TypeVar("T")


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
        self._pipeline = Pipeline(config, self.http, self.rate_limits, self.watch)

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
        """Sends a request of your own, again where that is safe, and returns its decoded answer.

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
        return await self.ask(method, path, unchanged, json=json, headers=headers, params=params)

    def request(
        self,
        method: str,
        path: str,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        params: Query | None = None,
    ) -> JsonValue:
        """Sends a request of your own, again where that is safe, and returns its decoded answer.

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

    async def ask(
        self,
        method: str,
        path: str,
        shape: Callable[[JsonValue], T],
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        params: Query | None = None,
        hold: str | None = None,
        timeout: httpx.Timeout | None = None,
        repeatable: bool | None = None,
        shield: SendShield | None = None,
        hooks: AttemptHooks | None = None,
        urgent: bool = False,
    ) -> T:
        """Sends a request and checks the shape of its answer; see `async_request`.

        Args:
            method: The HTTP method.
            path: The path below the base URL.
            shape: Returns the result for the decoded answer; raises `ShapeError` where it is not as promised.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.
            hold: The value of the header `Prefer`, by which the server is asked to answer late.
            timeout: Instead of the client's.
            repeatable: Whether it is safe to repeat. By default GET, HEAD, PUT and DELETE are.
            shield: Entered while an attempt is under way, which is then let finish.
            hooks: Awaited around each attempt.
            urgent: Whether it goes before the requests that wait for the rate limit already.

        Returns:
            What `shape` returned.

        Raises:
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is not what the API promises.
        """
        request = APIRequest.checked(
            self.config, method, path, json=json, headers=headers, params=params, timeout=timeout, repeatable=repeatable
        )
        if hold or shield or hooks or urgent:
            request = request._replace(hold=hold, shield=shield, hooks=hooks, urgent=urgent)
        try:
            return shaped(await self._pipeline.answer(request), shape)
        except WriftAIError as error:
            raise without_internals(error)  # noqa: B904 -- the same error

    async def open(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        params: Query | None = None,
        timeout: httpx.Timeout | None = None,
    ) -> httpx.Response:
        """Sends a request and returns as soon as its answer begins; see `ask`.

        Args:
            method: The HTTP method.
            path: The path below the base URL.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.
            timeout: Instead of the client's.

        Returns:
            The answer, a success, of which nothing is read. The caller closes it.

        Raises:
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is a redirect out of the API's origin.
        """
        request = APIRequest.checked(
            self.config, method, path, json=json, headers=headers, params=params, timeout=timeout
        )
        try:
            return await self._pipeline.answer(request._replace(unread=True))
        except WriftAIError as error:
            raise without_internals(error)  # noqa: B904 -- the same error

    async def aclose(self) -> None:
        """Closes the connections of this event loop, and the thread of the blocking calls."""
        await self.blocking.aclose()
        await self.http.aclose()
        self.observer.close()

    def close(self) -> None:
        """Closes the thread of the blocking calls, and refuses further requests on any event loop."""
        self.blocking.close()
        self.http.refuse()
        self.observer.close()
