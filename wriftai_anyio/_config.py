"""The configuration of a client: what is given, what the environment gives, and what is refused."""

import inspect
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

import httpx

from ._blocking.backends import check_backend
from ._transport.addresses import UNREACHABLE, can_be_reached
from .hooks import ObserverSource, OnRequest, OnResponse

DEFAULT_BASE_URL: Final = "https://api.wrift.ai/v1"
DEFAULT_TIMEOUT: Final = httpx.Timeout(60.0, connect=10.0)
"""Seconds for each attempt: 10 to connect, 60 for each read and write."""

F = TypeVar("F", bound=Callable[..., object])

_TOKEN = re.compile(r"[\x21-\x7e]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")


@dataclass(frozen=True)
class Config:
    """What a client was made with, checked."""

    access_token: str | None = field(repr=False)
    base_url: str
    headers: Mapping[str, str] = field(repr=False)
    max_retries: int
    timeout: httpx.Timeout
    transport: httpx.AsyncBaseTransport | None
    backend: str
    on_request: OnRequest | None
    on_response: OnResponse | None
    tracer: ObserverSource | None

    @classmethod
    def resolve(
        cls,
        *,
        access_token: str | None,
        api_base_url: str | None,
        headers: Mapping[str, str] | None,
        max_retries: int,
        timeout: float | httpx.Timeout | None,
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
        if isinstance(max_retries, bool) or max_retries < 0:
            raise ValueError(f"max_retries must be 0 or more, not {max_retries!r}.")
        check_backend(backend)
        if tracer is not None and not hasattr(tracer, "observer"):
            raise ValueError(f"tracer must be a PredictionTracer, not {tracer!r}.")
        return cls(
            access_token=_checked_token(access_token or os.environ.get("WRIFTAI_ACCESS_TOKEN")),
            base_url=_checked_url(api_base_url or default_base_url()),
            headers=checked_headers(headers or {}),
            max_retries=max_retries,
            timeout=timeout if isinstance(timeout, httpx.Timeout) else httpx.Timeout(timeout),
            transport=transport,
            backend=backend,
            on_request=_checked_hook(on_request, "on_request"),
            on_response=_checked_hook(on_response, "on_response"),
            tracer=tracer,
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


def _checked_hook(hook: F | None, argument: str) -> F | None:
    if hook is not None and (not callable(hook) or inspect.iscoroutinefunction(hook)):
        raise ValueError(f"{argument} must be a plain function, no coroutine function, not {hook!r}.")
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


def checked_headers(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Copies headers that HTTP allows.

    Raises:
        ValueError: If HTTP does not allow one; no value is shown.
    """
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers has a name that HTTP does not allow: {name!r}.")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"headers[{name!r}] has a character that HTTP does not allow, such as a line break.")
    return dict(headers)
