"""Errors for requests that were not answered, or not as promised: what is known of them, without what is secret."""

import errno
import math
import os
from typing import Final

import httpx

from wriftai_anyio._concurrency.causes import causes
from wriftai_anyio._instrumentation.shown import shown_request, shown_response
from wriftai_anyio.errors import APIConnectionError, APIResponseError, APITimeoutError, NetworkSettingsError

from .bodies import Body

PROXY: Final = "wriftai_anyio.proxy"
"""The extension of a request that names the proxy it goes through, without credentials."""
ELSEWHERE: Final = "wriftai_anyio.elsewhere"
"""The extension of a request to another origin than the API's, with which the base URL has nothing to do."""

_TIMEOUTS: Final[tuple[tuple[type[httpx.TimeoutException], str, str], ...]] = (
    (httpx.ConnectTimeout, "connect", "connecting"),
    (httpx.WriteTimeout, "write", "sending"),
    (httpx.ReadTimeout, "read", "waiting for the answer"),
)
_NEVER_CONNECTED: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)


class SettingsFault(httpx.ConnectError):
    """A setting of the environment cannot be used; the message names it."""


class ClosedMeanwhile(httpx.ReadError):
    """The client was closed while the request was under way."""

    def __init__(self) -> None:
        super().__init__("the client was closed meanwhile")


def connection_error(
    request: httpx.Request, error: httpx.RequestError | None, received: httpx.Response | None = None
) -> APIConnectionError:
    """Returns our error for one of httpx; the request that both then carry has no access token.

    Args:
        request: The request.
        error: What httpx raised; `None` if the request took longer than its timeouts together.
        received: What came of the answer, made to be shown.
    """
    sent = not isinstance(error, _NEVER_CONNECTED) and (not isinstance(request.stream, Body) or request.stream.asked)
    kind, what, advice = _described(request, error, sent=sent)
    known = "The server may have seen it." if sent else "The server did nothing."
    over = f" over the proxy {request.extensions[PROXY]}" if PROXY in request.extensions else ""
    text = f"{request.method} {request.url.path} on {request.url.host}{over} {what}. {known} {advice}"
    made = kind(text, request=shown_request(request), request_sent=sent, response=received)
    if error is not None:
        error.request = made.request
    return made


def _described(
    request: httpx.Request, error: httpx.RequestError | None, *, sent: bool
) -> tuple[type[APIConnectionError], str, str]:
    """Returns the kind of our error, what happened, and what to do."""
    if isinstance(error, SettingsFault):
        return NetworkSettingsError, f"cannot be sent: {error}", "Correct it, then try again."
    if isinstance(error, ClosedMeanwhile):
        return APIConnectionError, f"was not answered: {error}", "Close a client when its calls have ended."
    name = type(error).__name__
    if isinstance(error, httpx.PoolTimeout):
        # The transport is the user's, and so is its pool: the server has nothing to do with it.
        what = f"was not sent ({name}: the transport's own pool had no connection free in time)"
        return APIConnectionError, what, "Give the transport more connections (httpx.Limits)."
    # Who reads this of a create that may have been taken, such as an agent, would pay twice.
    again = "" if sent and request.method == "POST" else ", then try again"
    advice = f"{_to_check(request)}{again}."
    if error is None:
        return APITimeoutError, f"was not answered in time (timed out after {patience_with(request):g} s)", advice
    if isinstance(error, httpx.TimeoutException):
        return APITimeoutError, f"was not answered in time ({name}: {_overdue(request, error)})", advice
    said = _said(error)
    return APIConnectionError, f"was not answered ({name}: {said})" if said else f"was not answered ({name})", advice


def _to_check(request: httpx.Request) -> str:
    if PROXY in request.extensions:  # it may fail while it opens a tunnel, too, which does not show
        return _CHECK_THE_PROXY
    return _CHECK_THE_NETWORK_ALONE if ELSEWHERE in request.extensions else _CHECK_THE_NETWORK


_CHECK_THE_NETWORK: Final = "Check the network and the base URL"
_CHECK_THE_NETWORK_ALONE: Final = "Check the network"
_CHECK_THE_PROXY: Final = "Check the proxy, or name the host in NO_PROXY"


def _overdue(request: httpx.Request, error: httpx.TimeoutException) -> str:
    """Says what took too long, and how long that was; what httpx says is the event loop's word for it, if any."""
    timeouts = request.extensions.get("timeout", {})
    for kind, name, doing in _TIMEOUTS:
        if isinstance(error, kind) and timeouts.get(name) is not None:
            return f"timed out after {timeouts[name]:g} s of {doing}"
    return "timed out"


def _said(error: httpx.RequestError) -> str:
    """Returns what the system said of a failure, else what httpx said; never a word of the event loop's machinery."""
    for cause in causes(error):
        if isinstance(cause, ConnectionRefusedError) and cause.errno:
            return os.strerror(cause.errno)  # asyncio has "Connect call failed" there
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        if isinstance(cause, ConnectionResetError):
            return "connection reset"
    named: BaseException | None = error
    while named is not None:
        if isinstance(named, Exception) and not isinstance(named, _MACHINERY) and str(named):
            # h11 quotes a line that it refuses, of up to 64 KiB, in which a server may have sent the token back.
            return str(named).partition(": bytearray(b")[0]
        named = named.__cause__
    return ""


_MACHINERY: Final = (LookupError, TimeoutError, RuntimeError)
"""What event loops and pools fail with inside: "pop from an empty deque" says nothing of a connection."""


def response_error(response: httpx.Response, problem: str, content: bytes | None = None) -> APIResponseError:
    """Returns the error for an answer that is not what the API promises.

    Args:
        response: The answer.
        problem: What is wrong with it, for the message.
        content: What is known of a body that cannot be read as a whole.
    """
    request = response.request
    return APIResponseError(
        f"{request.method} {request.url.path} was answered {response.status_code}, but not as "
        f"the API promises: {problem}. The server may have acted on the request. Check the base URL.",
        response=shown_response(response, content),
    )


def patience_with(request: httpx.Request) -> float:
    """Returns the seconds that one attempt may take in all: to connect, and to be answered."""
    timeout = request.extensions.get("timeout", {})
    connect, answer = timeout.get("connect"), timeout.get("read")
    return math.inf if connect is None or answer is None else connect + answer


def out_of_descriptors(error: BaseException) -> bool:
    """Whether an error came because no file descriptor was free, in this process or in the whole system."""
    return any(isinstance(cause, OSError) and cause.errno in {errno.EMFILE, errno.ENFILE} for cause in causes(error))


def closed_error() -> RuntimeError:
    """Returns the error for calls of a client that is closed."""
    return RuntimeError("This client is closed. Make a new Client.")
