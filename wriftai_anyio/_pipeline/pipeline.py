"""The path of a request to the API: it waits for the rate limit, is sent, and is sent again where that is safe.

retry loop ── attempt ── rate limit ── redirects ── hooks and log ── shield ── connections
    ▲                                                                              │
    └────────────── a connection error, or an answer that is not a success ◀───────┘
"""

import math
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, TypeVar

import anyio
import httpx

from wriftai_anyio._concurrency import system
from wriftai_anyio._concurrency.cancellation import SendShield
from wriftai_anyio._concurrency.causes import without_internals
from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio._config import Config
from wriftai_anyio._instrumentation.event_hooks import Watch
from wriftai_anyio._instrumentation.log import NOTICEABLE_WAIT, logger, reason
from wriftai_anyio._rate_limits.accounts import SharedLimits
from wriftai_anyio._rate_limits.bucket import Bucket
from wriftai_anyio._rate_limits.budget import Slot
from wriftai_anyio._transport import retries
from wriftai_anyio._transport.connections import Http
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio.errors import RateLimitError, WriftAIError
from wriftai_anyio.hooks import RequestEvent
from wriftai_anyio.pagination import Query

from .attempt_hooks import AttemptHooks
from .redirects import follow_redirects
from .request import APIRequest, base_headers
from .responses import refusal, shaped
from .retry_loop import Failure, try_until_done

T = TypeVar("T")

MOST_REDIRECTS: Final = 3


class Pipeline:
    """Sends requests to the API.

    Args:
        config: The client's configuration.
        http: The client's connections.
        rate_limits: The rate limits of the account.
        watch: The client's hooks.
    """

    def __init__(self, config: Config, http: Http, rate_limits: SharedLimits, watch: Watch) -> None:
        self._config = config
        self._headers = base_headers(config)
        self._http = http
        self._rate_limits = rate_limits
        self._watch = watch
        self._latest: tuple[httpx.Headers, float] = (httpx.Headers(), 0.0)

    @property
    def clock_lead(self) -> float:
        """Seconds by which this machine's clock is ahead of the server's, going by the latest answer; else 0."""
        return retries.clock_lead(*self._latest)

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
        """Sends a request and checks the shape of its answer; see `API.async_request`.

        Args:
            method: The HTTP method.
            path: The path below the base URL.
            shape: Returns the result for the decoded answer; raises `ShapeError` if it is not as promised.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.
            hold: The value of the header `Prefer`, which asks the server to answer late.
            timeout: Replaces the client's.
            repeatable: Whether it is safe to repeat. By default GET, HEAD, PUT and DELETE are.
            shield: Entered during each attempt, which then finishes even if the caller is cancelled.
            hooks: Awaited around each attempt.
            urgent: Whether it goes ahead of the requests already waiting for the rate limit.

        Returns:
            What `shape` returned.

        Raises:
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is not what the API promises.
        """
        request = APIRequest.checked(self._config, method, path, json, headers, params, timeout, repeatable)
        if hold or shield or hooks or urgent:
            request = request._replace(hold=hold, shield=shield, hooks=hooks, urgent=urgent)
        try:
            return shaped(await self.answer(request), shape)
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
            timeout: Replaces the client's.

        Returns:
            The answer, a success whose body has not been read. The caller closes it.

        Raises:
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer is a redirect out of the API's origin.
        """
        request = APIRequest.checked(self._config, method, path, json, headers, params, timeout)
        try:
            return await self.answer(request._replace(unread=True))
        except WriftAIError as error:
            raise without_internals(error)  # noqa: B904 -- the same error

    # Methods that only delegate are not `async`: each coroutine frame between a caller and the socket is entered again
    # whenever the event loop resumes the call, some six times for one answer.

    def answer(self, request: APIRequest) -> Awaitable[httpx.Response]:
        """Sends a request until it succeeds or must not be sent again.

        Returns:
            The answer, a success; read, unless the request is `unread`: the caller closes it then.

        Raises:
            APIStatusError: If the API refused.
            APIConnectionError: If nothing came back.
            APIResponseError: If the answer is a redirect out of the API's origin.
        """
        bucket = self._rate_limits.get().bucket(request.method, request.path)
        return try_until_done(_Sending(self, request, bucket, self._config.max_retries))

    async def attempt(
        self, request: APIRequest, bucket: Bucket, number: int, *, first_in_queue: bool
    ) -> httpx.Response:
        """Sends a request once, when the rate limit allows it, and follows redirects; see `answer`.

        Args:
            request: The request.
            bucket: The rate limit that it counts towards.
            number: Of the attempt, from 1.
            first_in_queue: Whether it goes ahead of the requests already waiting for the rate limit.
        """
        slot = await bucket.acquire(held=request.hold is not None, first=first_in_queue)
        if slot.waited >= NOTICEABLE_WAIT:
            logger.info("%s %s waited %.2f s for the rate limit", request.method, request.path, slot.waited)
        try:
            response = await self._tell(request, slot, number)
            if response.is_redirect:
                again = partial(self._redirected, request, slot, number)
                response = await follow_redirects(response, retries.redirection, again, MOST_REDIRECTS)
        except BaseException:
            bucket.unanswered(slot)
            raise
        bucket.answered(slot, response.status_code, response.headers)
        self._latest = response.headers, system.wall_time()
        if response.is_success:
            return response
        raise refusal(response)

    async def _redirected(self, request: APIRequest, slot: Slot, number: int, address: httpx.URL) -> httpx.Response:
        if request.hooks is not None:
            await request.hooks.after_failure()
        return await self._tell(request._replace(url=address), slot, number)

    def _tell(self, request: APIRequest, slot: Slot, number: int) -> Awaitable[httpx.Response]:
        built = request.build(self._headers, held=slot.held)
        if self._watch.idle:
            return self._send(built, request)
        event = RequestEvent(request.method, request.url.host, request.path, number, slot.waited)
        return self._watch.answer(event, lambda: self._send(built, request))

    def _send(self, built: httpx.Request, request: APIRequest) -> Awaitable[httpx.Response]:
        if request.unread:
            return self._open(built)
        if request.shield is not None:
            return self._fetch_shielded(built, request.shield, request.hooks)
        return self._http.fetch(built) if request.hooks is None else self._fetch_hooked(built, request.hooks)

    async def _open(self, built: httpx.Request) -> httpx.Response:
        response = await self._http.open(built)
        return response if response.is_success else await self._http.read(response)

    async def _fetch_shielded(
        self, built: httpx.Request, shield: SendShield, hooks: AttemptHooks | None
    ) -> httpx.Response:
        async with shield:
            # Inside the shield, so that what the hook notes is true: nothing can come between it and the request.
            return await (self._http.fetch(built) if hooks is None else self._fetch_hooked(built, hooks))

    async def _fetch_hooked(self, built: httpx.Request, hooks: AttemptHooks) -> httpx.Response:
        await hooks.before()
        return await self._http.fetch(built)


class _Sending:
    """One request over all of its attempts.

    Refusals for too many requests (429) do not count as retries: they certainly did nothing, and the rate limit
    says when to go on. They are repeated for two minutes.
    """

    def __init__(self, pipeline: Pipeline, request: APIRequest, bucket: Bucket, max_retries: int) -> None:
        self._pipeline = pipeline
        self._request = request
        self._bucket = bucket
        self._max_retries = max_retries
        self._repeats = 0
        self._give_up = math.inf

    def attempt(self, number: int) -> Awaitable[httpx.Response]:
        first = self._request.urgent or self._give_up != math.inf
        return self._pipeline.attempt(self._request, self._bucket, number, first_in_queue=first)

    def retry_delay(self, failure: Failure) -> float | None:
        if isinstance(failure, RateLimitError):
            now = anyio.current_time()
            self._give_up = min(self._give_up, now + scaled(retries.RATE_LIMIT_PATIENCE))
            # The next attempt waits in the rate limit's queue, which knows for how long.
            return 0.0 if self._max_retries > 0 and now <= self._give_up else None
        if self._repeats >= self._max_retries:
            return None
        self._repeats += 1
        return retries.retry_delay(failure, self._repeats - 1, system.wall_time(), repeatable=self._request.repeatable)

    async def before_retry(self, failure: Failure, delay: float) -> None:
        request = self._request
        shown = self._bucket.pause if isinstance(failure, RateLimitError) else delay
        logger.info("retrying %s %s after %.2f s: %s", request.method, request.path, shown, reason(failure))
        if request.hooks is not None:
            await request.hooks.after_failure()
