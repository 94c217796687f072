"""Reports each request and its outcome to the hooks and to the debug log."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TypeVar

import anyio
import httpx

from wriftai_anyio.errors import request_id_of
from wriftai_anyio.hooks import OnRequest, OnResponse, RequestEvent, ResponseEvent

from .log import failures_logged, logger

E = TypeVar("E", bound=RequestEvent)


class Watch:
    """Reports requests to the hooks and the debug log.

    Args:
        on_request: The client's hook.
        on_response: The client's hook.
    """

    def __init__(self, on_request: OnRequest | None, on_response: OnResponse | None) -> None:
        self._on_request = on_request
        self._on_response = on_response
        self._hooked = on_request is not None or on_response is not None

    @property
    def idle(self) -> bool:
        """Whether nobody wants reports."""
        return not self._hooked and not logger.isEnabledFor(logging.DEBUG)

    async def answer(self, request: RequestEvent, send: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        """Sends a request, and reports it before and its outcome after.

        Args:
            request: The event to report.
            send: Sends the request.

        Returns:
            Its answer.

        Raises:
            APIConnectionError: If there is no answer. It comes from `send`, like everything else that is raised.
        """
        _call(self._on_request, request, "on_request")
        logger.debug("%s %s goes out, attempt %d", request.method, _place(request), request.attempt)
        began = anyio.current_time()
        try:
            response = await send()
        except BaseException as error:
            self._tell(_outcome(request, anyio.current_time() - began, None, error))
            raise
        self._tell(_outcome(request, anyio.current_time() - began, response, None))
        return response

    def _tell(self, event: ResponseEvent) -> None:
        _call(self._on_response, event, "on_response")
        logger.debug(
            "%s %s, attempt %d: %s in %.3f s%s",
            event.method,
            _place(event),
            event.attempt,
            type(event.error).__name__ if event.status is None else event.status,
            event.seconds,
            f", request {event.request_id}" if event.request_id else "",
        )


def _call(hook: Callable[[E], object] | None, event: E, name: str) -> None:
    if hook is not None:
        with failures_logged(f"The hook {name}"):
            hook(event)


def _place(event: RequestEvent) -> str:
    return event.path or f"to {event.host}"


def _outcome(
    request: RequestEvent, seconds: float, response: httpx.Response | None, error: BaseException | None
) -> ResponseEvent:
    status, request_id = (response.status_code, request_id_of(response)) if response is not None else (None, None)
    return ResponseEvent(**asdict(request), status=status, error=error, seconds=seconds, request_id=request_id)
