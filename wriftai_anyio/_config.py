"""The configuration of a client: what is given, what the environment gives, and what is refused."""

import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeVar, cast

import httpx

from ._blocking.backends import check_backend
from ._parsing.arguments import check_callback, checked_whole, is_coroutine_function, shown
from ._transport.addresses import UNREACHABLE, can_be_reached
from .hooks import ObserverSource, OnRequest, OnResponse

DEFAULT_BASE_URL: Final = "https://api.wrift.ai/v1"
DEFAULT_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
"""Seconds for each attempt: 10 to connect, 60 for each read and write."""
DEFAULT_MAX_RESPONSE_SIZE: Final = 256 * 2**20
"""Bytes that an answer may take: an output within JSON is smaller, and what is larger is a file."""

_LARGEST_FLOAT: Final = sys.float_info.max
"""An integer may be larger, and no clock counts so far."""

F = TypeVar("F", bound=Callable[..., object])

_TOKEN = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


class Config(NamedTuple):
    """What a client was made with, checked."""

    access_token: str | None
    base_url: str
    headers: Mapping[str, str]
    max_retries: int
    timeout: httpx.Timeout
    max_response_size: int
    transport: httpx.AsyncBaseTransport | None
    backend: str
    on_request: OnRequest | None
    on_response: OnResponse | None
    tracer: ObserverSource | None

    def __repr__(self) -> str:
        return f"Config(base_url={self.base_url!r}, …)"  # neither the token nor the headers

    @classmethod
    def resolve(
        cls,
        *,
        access_token: str | None,
        api_base_url: str | None,
        headers: Mapping[str, str] | None,
        max_retries: int,
        timeout: float | httpx.Timeout | None,
        max_response_size: int,
        transport: httpx.AsyncBaseTransport | None,
        backend: str,
        on_request: OnRequest | None,
        on_response: OnResponse | None,
        tracer: ObserverSource | None,
    ) -> "Config":
        """Fills in what the environment and the defaults give, and checks all of it.

        Raises:
            ValueError: If a value cannot be used; it names the argument, never a secret.
        """
        check_backend(backend)
        if tracer is not None and (isinstance(tracer, type) or not hasattr(tracer, "observer")):
            raise ValueError(f"tracer must be a PredictionTracer, not {shown(tracer)}.")
        return cls(
            access_token=_checked_token(access_token or os.environ.get("WRIFTAI_ACCESS_TOKEN")),
            base_url=_checked_url(api_base_url or default_base_url()),
            headers=checked_headers({} if headers is None else headers),
            max_retries=checked_whole(max_retries, "max_retries", 0),
            timeout=_checked_timeout(timeout),
            max_response_size=checked_whole(max_response_size, "max_response_size", 1),
            transport=_checked_transport(transport),
            backend=backend,
            on_request=_checked_hook(on_request, "on_request"),
            on_response=_checked_hook(on_response, "on_response"),
            tracer=tracer,
        )

    @property
    def lacks_token(self) -> bool:
        """Whether requests would go to the public API without an access token.

        Another server may need none, and a transport of the user's or a header may bring one.
        """
        return (
            self.access_token is None
            and self.transport is None
            and httpx.URL(self.base_url).host == httpx.URL(DEFAULT_BASE_URL).host
            and "authorization" not in map(str.lower, self.headers)
        )


def default_base_url() -> str:
    """Returns the API's base URL where none is given."""
    return os.environ.get("WRIFTAI_API_BASE_URL", "").strip().rstrip("/") or DEFAULT_BASE_URL


def _checked_token(token: object) -> str | None:
    if not token:
        return None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise ValueError(
            "access_token (WRIFTAI_ACCESS_TOKEN) must be visible ASCII characters without spaces or line breaks; "
            "was it read from a file with its last line break?"
        )
    return token


def _checked_timeout(timeout: object) -> httpx.Timeout:
    if isinstance(timeout, httpx.Timeout):
        for name, seconds in timeout.as_dict().items():
            _seconds(seconds, f"timeout ({name})")
        return timeout
    return httpx.Timeout(_seconds(timeout, "timeout"))


def _seconds(value: object, argument: str) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value <= _LARGEST_FLOAT:
        raise ValueError(
            f"{argument} must be a number of seconds above 0, an httpx.Timeout, or None for no limit, "
            f"not {shown(value)}."
        )
    return value


def _checked_transport(transport: object) -> httpx.AsyncBaseTransport | None:
    if transport is None or isinstance(transport, httpx.AsyncBaseTransport):
        return transport
    hint = ""
    if isinstance(transport, type):
        hint = " It is a class: make one of it."
    elif isinstance(transport, httpx.BaseTransport):
        hint = " It is synchronous: use its counterpart, such as httpx.AsyncHTTPTransport, for both spellings."
    elif isinstance(transport, (httpx.AsyncClient, httpx.Client)):
        hint = " It is a client: what it was made with can be given to an httpx.AsyncHTTPTransport."
    raise ValueError(
        f"transport must be an httpx.AsyncBaseTransport, such as httpx.AsyncHTTPTransport(…), "
        f"not {shown(transport)}.{hint}"
    )


def _checked_hook(hook: F | None, argument: str) -> F | None:
    if hook is None:
        return None
    if not callable(hook) or is_coroutine_function(hook):
        raise ValueError(f"{argument} must be a plain function, not a coroutine function: {shown(hook)}.")
    check_callback("event", **{argument: hook})
    return hook


def _checked_url(given: object) -> str:
    url = str(given).strip()
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(f"api_base_url (WRIFTAI_API_BASE_URL) is not a URL: {error}.") from None
    if not can_be_reached(parsed):
        raise ValueError(f"api_base_url (WRIFTAI_API_BASE_URL) {UNREACHABLE}")
    # A question mark with nothing after it leaves no query, but what is appended would become one.
    if parsed.userinfo or "?" in url or "#" in url:
        raise ValueError("api_base_url (WRIFTAI_API_BASE_URL) must hold no user, query or fragment.")
    return url.rstrip("/")


def checked_headers(headers: object) -> Mapping[str, str]:
    """Copies headers that HTTP allows.

    Raises:
        ValueError: If HTTP does not allow one; no value is shown.
    """
    if not isinstance(headers, Mapping):
        raise ValueError(f"headers must be a mapping of strings, not a {type(headers).__name__}.")  # noqa: TRY004 -- as all bad arguments
    given = cast("Mapping[object, object]", headers)
    checked: dict[str, str] = {}
    for name, value in given.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers has a name that HTTP does not allow: {shown(name)}.")
        if not isinstance(value, str):
            raise ValueError(f"headers[{name!r}] must be a string, not a {type(value).__name__}.")  # noqa: TRY004
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"headers[{name!r}] has a character that HTTP does not allow, such as a line break.")
        checked[name] = value
    return checked
