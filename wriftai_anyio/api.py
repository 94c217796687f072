"""One request becomes one checked answer: pace, send, retry, decode, map errors."""

import json as json_module
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias, TypeVar

import anyio
import httpx

from ._blocking.runner import BlockingRunner
from ._concurrency import system
from ._concurrency.cancellation import SendShield
from ._concurrency.time_scale import scaled
from ._config import Config, checked_headers
from ._instrumentation.event_hooks import Watch
from ._instrumentation.log import NOTICEABLE_WAIT, logger, reason
from ._instrumentation.observer import NOBODY, Observer
from ._parsing.shapes import ShapeError
from ._pipeline.attempt_hooks import AttemptHooks
from ._pipeline.encoding import encoded
from ._rate_limits.bucket import Bucket, SharedPace
from ._rate_limits.budget import Slot
from ._transport import retries
from ._transport.bodies import Body
from ._transport.connections import Http
from ._transport.failures import without_secrets
from ._types.json import JsonValue
from ._version import __version__
from .errors import APIConnectionError, APIResponseError, APIStatusError, status_error
from .hooks import RequestEvent

__all__ = ["API"]

T = TypeVar("T")

Query: TypeAlias = Mapping[str, str | Sequence[str]]
"""Query parameters; a sequence is sent as one parameter for each of its values."""

USER_AGENT: Final = f"wriftai-anyio/{__version__}"


class _Exchange(NamedTuple):
    """A request as asked for, from which each attempt makes its own."""

    method: str
    path: str
    url: httpx.URL
    content: bytes | None
    headers: Mapping[str, str]
    timeout: httpx.Timeout
    repeatable: bool
    hold: str | None = None
    shield: SendShield | None = None
    hooks: AttemptHooks | None = None
    urgent: bool = False
    unread: bool = False

    def request(self, base_headers: httpx.Headers, *, held: bool) -> httpx.Request:
        body = httpx.ByteStream(b"") if self.content is None else Body(self.content)
        extensions = {"timeout": self.timeout.as_dict()}
        request = httpx.Request(self.method, self.url, headers=base_headers, stream=body, extensions=extensions)
        if self.hold is not None and held:
            request.headers["prefer"] = self.hold
        if self.content is not None:
            request.headers["content-type"] = "application/json"
        if self.content is not None or self.method not in _BODILESS:
            request.headers["content-length"] = str(len(self.content or b""))
        if self.headers:
            request.headers.update(self.headers)
        return request

    async def failed(self) -> None:
        if self.hooks is not None:
            await self.hooks.after_failure()


_BODILESS = frozenset({"GET", "HEAD", "DELETE"})
_TOO_MANY = 429
_NOT_FOLLOWED = "it is a redirect, which is followed only within the API's own origin, so that no token leaves"


class API:
    """Sends requests to the WriftAI API. Use `Client`, which makes one.

    Args:
        config: The checked configuration.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.http: Http = Http(config.transport)
        self.pace: SharedPace = SharedPace(config.base_url, config.access_token)
        self.watch: Watch = Watch(config.on_request, config.on_response)
        self.observer: Observer = NOBODY if config.tracer is None else config.tracer.observer()
        self.blocking: BlockingRunner = BlockingRunner(config.backend, self.http.close_loop)
        self._headers = _base_headers(config)

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
            APIStatusError: If the API refused.
            APIConnectionError: If nothing came back.
            APIResponseError: If the answer is not JSON.
        """
        return await self.ask(method, path, _as_it_is, json=json, headers=headers, params=params)

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
            APIStatusError: If the API refused.
            APIConnectionError: If nothing came back.
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
            shape: Makes the result of the decoded answer; raises `ShapeError` where it is not as promised.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.
            hold: The value of the header `Prefer`, by which the server is asked to answer late.
            timeout: Instead of the client's.
            repeatable: Whether a second time does no harm. By default GET, HEAD, PUT and DELETE are.
            shield: Entered while an attempt is under way, which is then let finish.
            hooks: Awaited around each attempt.
            urgent: Whether it goes before those that wait for the pace already.

        Returns:
            What `shape` made.

        Raises:
            APIStatusError: If the API refused.
            APIConnectionError: If nothing came back.
            APIResponseError: If the answer is not what the API promises.
        """
        exchange = _Exchange(
            method=method,
            path=path,
            url=self._url(path, params),
            content=None if json is None else encoded(json),
            headers=checked_headers(headers) if headers else {},
            timeout=timeout or self.config.timeout,
            repeatable=method in retries.REPEATABLE_METHODS if repeatable is None else repeatable,
            hold=hold,
            shield=shield,
            hooks=hooks,
            urgent=urgent,
        )
        return shaped(await self._answer(exchange), shape)

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
            APIStatusError: If the API refused.
            APIConnectionError: If nothing came back.
            APIResponseError: If the answer is a redirect out of the API's origin.
        """
        return await self._answer(
            _Exchange(
                method=method,
                path=path,
                url=self._url(path, params),
                content=None if json is None else encoded(json),
                headers=checked_headers(headers) if headers else {},
                timeout=timeout or self.config.timeout,
                repeatable=method in retries.REPEATABLE_METHODS,
                unread=True,
            )
        )

    def _url(self, path: str, params: Query | None) -> httpx.URL:
        if not path.startswith("/"):
            raise ValueError(f"path must begin with a slash, not {path[:80]!r}.")
        url = self.config.base_url + path
        try:
            return httpx.URL(url, params=params) if params else _parsed(url)
        except httpx.InvalidURL as error:
            raise ValueError(f"path cannot be sent: {error}.") from None

    async def _answer(self, exchange: "_Exchange") -> httpx.Response:
        bucket = self.pace.get().bucket(exchange.method, exchange.path)
        repeats = refusals = 0
        give_up = math.inf
        while True:
            slot = await bucket.acquire(held=exchange.hold is not None, first=exchange.urgent or refusals > 0)
            if slot.waited >= NOTICEABLE_WAIT:
                logger.info("%s %s waited %.2f s for the pace", exchange.method, exchange.path, slot.waited)
            outcome = await self._attempt(exchange, bucket, slot, 1 + repeats + refusals)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return outcome
            if isinstance(outcome, httpx.Response) and outcome.status_code == _TOO_MANY:
                refusals += 1
                give_up = min(give_up, anyio.current_time() + scaled(retries.RATE_LIMIT_PATIENCE))
                if self.config.max_retries == 0 or anyio.current_time() > give_up:
                    raise _as_error(outcome)
                _log_retry(exchange, bucket.pause, outcome)
                await exchange.failed()
                continue
            delay = _retry_delay(exchange, outcome, repeats)
            if delay is None or repeats >= self.config.max_retries:
                raise _as_error(outcome)
            _log_retry(exchange, delay, outcome)
            repeats += 1
            await exchange.failed()
            await anyio.sleep(delay)

    async def _attempt(
        self, exchange: "_Exchange", bucket: Bucket, slot: Slot, number: int
    ) -> httpx.Response | APIConnectionError:
        try:
            response = await self._follow(exchange, slot, number)
        except APIConnectionError as error:
            bucket.unanswered(slot)
            return error
        except BaseException:
            bucket.unanswered(slot)
            raise
        bucket.answered(slot, response.status_code, response.headers)
        return response

    async def _follow(self, exchange: "_Exchange", slot: Slot, number: int) -> httpx.Response:
        response = await self._tell(exchange, slot, number)
        for _ in range(retries.MOST_REDIRECTS):
            target = retries.redirection(response)
            if target is None:
                break
            await exchange.failed()
            response = await self._tell(exchange._replace(url=target), slot, number)
        return response

    async def _tell(self, exchange: "_Exchange", slot: Slot, number: int) -> httpx.Response:
        request = exchange.request(self._headers, held=slot.held)
        if self.watch.idle:
            return await self._send(request, exchange)
        event = RequestEvent(exchange.method, exchange.url.host, exchange.path, number, slot.waited)
        return await self.watch.answer(event, lambda: self._send(request, exchange))

    async def _send(self, request: httpx.Request, exchange: "_Exchange") -> httpx.Response:
        if exchange.unread:
            response = await self.http.open(request)
            return response if response.is_success else await self.http.read(response)
        if exchange.shield is None:
            return await self._fetch(request, exchange.hooks)
        async with exchange.shield:
            # What the hook notes is true then: nothing stands between it and the request.
            return await self._fetch(request, exchange.hooks)

    async def _fetch(self, request: httpx.Request, hooks: AttemptHooks | None) -> httpx.Response:
        if hooks is not None:
            await hooks.before()
        return await self.http.fetch(request)

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


def _retry_delay(exchange: _Exchange, outcome: httpx.Response | APIConnectionError, repeats: int) -> float | None:
    if isinstance(outcome, APIConnectionError):
        return retries.backoff(repeats) if exchange.repeatable or not outcome.request_sent else None
    if outcome.status_code not in retries.RETRIED_STATUSES or not exchange.repeatable:
        return None
    asked = retries.failure_delay(outcome.headers, system.wall_time())
    return retries.backoff(repeats) if asked is None else asked


def _log_retry(exchange: _Exchange, delay: float, outcome: httpx.Response | APIConnectionError) -> None:
    logger.info("retrying %s %s after %.2f s: %s", exchange.method, exchange.path, delay, reason(outcome))


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    # To parse a URL costs httpx a third of what the rest of a call costs us; creates and polls repeat theirs.
    return httpx.URL(url)


def _base_headers(config: Config) -> httpx.Headers:
    headers = httpx.Headers(
        {
            "host": httpx.URL(config.base_url).netloc.decode("ascii"),
            "accept": "application/json",
            "accept-encoding": "gzip, deflate",
            "user-agent": USER_AGENT,
        }
    )
    if config.access_token:
        headers["authorization"] = f"Bearer {config.access_token}"
    headers.update(config.headers)
    return headers


def _as_it_is(value: JsonValue) -> JsonValue:
    return value


def nothing(_: JsonValue) -> None:
    """The shape of an answer whose body says nothing that is needed."""


def shaped(response: httpx.Response, shape: Callable[[JsonValue], T]) -> T:
    """Decodes an answer that was read, and checks its shape.

    Args:
        response: The answer; if it is empty it stands for null.
        shape: See `API.ask`.

    Raises:
        APIResponseError: If it is not JSON, or not of that shape.
    """
    try:
        return shape(_decoded(response))
    except ShapeError as error:
        raise response_error(response, str(error)) from None


def _decoded(response: httpx.Response) -> JsonValue:
    content = response.content
    if not content:
        return None
    try:
        value: JsonValue = json_module.loads(content)
    except (ValueError, RecursionError):
        raise response_error(response, "it is not JSON") from None
    return value


def response_error(response: httpx.Response, problem: str) -> APIResponseError:
    """Makes the error that belongs to an answer which is not what the API promises.

    Args:
        response: The answer.
        problem: What is wrong with it, for the message.
    """
    response.request = without_secrets(response.request)
    return APIResponseError(
        f"{response.request.method} {response.request.url.path} was answered {response.status_code}, but not as "
        f"the API promises: {problem}. What the server did is unknown; is the base URL right?",
        response=response,
    )


def _as_error(
    outcome: httpx.Response | APIConnectionError,
) -> APIStatusError | APIConnectionError | APIResponseError:
    if isinstance(outcome, APIConnectionError):
        return outcome
    if outcome.status_code < 400:
        return response_error(outcome, _NOT_FOLLOWED)
    outcome.request = without_secrets(outcome.request)
    try:
        body: JsonValue = json_module.loads(outcome.content)
    except (ValueError, RecursionError):
        body = None
    return status_error(outcome, body)
