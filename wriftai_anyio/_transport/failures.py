"""Errors for requests that no answer came to: what is known of them, without what is secret."""

import errno
import math

import httpx

from wriftai_anyio._concurrency.causes import causes
from wriftai_anyio.errors import APIConnectionError, APITimeoutError

from .bodies import Body


def connection_error(request: httpx.Request, error: httpx.RequestError) -> APIConnectionError:
    """Returns our error for one of httpx; the request that both then carry has no access token."""
    said = next((str(cause) for cause in causes(error) if str(cause)), "")
    reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if isinstance(error, httpx.TimeoutException):
        made = _error(APITimeoutError, request, f"was not answered in time ({reason})", error)
    else:
        made = _error(APIConnectionError, request, f"was not answered ({reason})", error)
    error.request = made.request
    return made


def late(request: httpx.Request) -> APIConnectionError:
    """Returns the error for a request that took longer than its timeouts together."""
    return _error(APITimeoutError, request, f"was not answered within {patience_with(request):g} s", None)


def _error(
    kind: type[APIConnectionError], request: httpx.Request, what: str, error: httpx.RequestError | None
) -> APIConnectionError:
    sent = _may_have_arrived(request, error)
    known = "The server may have seen it." if sent else "The server did nothing."
    return kind(
        f"{request.method} {request.url.path} on {request.url.host} {what}. {known} "
        "Check the network and the base URL, then try again.",
        request=without_secrets(request),
        request_sent=sent,
    )


def _may_have_arrived(request: httpx.Request, error: httpx.RequestError | None) -> bool:
    never_connected = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
    if isinstance(error, never_connected):
        return False
    return not isinstance(request.stream, Body) or request.stream.asked


def without_secrets(request: httpx.Request) -> httpx.Request:
    """Returns a copy of a request's method, address and headers, without its credentials and its body."""
    # Bytes: an ETag that is sent back need not be ASCII, and httpx encodes no other strings.
    headers = [(name, value) for name, value in request.headers.raw if name.lower() not in _SECRET_HEADERS]
    return httpx.Request(request.method, request.url, headers=headers)


_SECRET_HEADERS = frozenset({b"authorization", b"proxy-authorization", b"cookie"})


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
