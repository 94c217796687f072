"""A checked request to the API, from which each attempt builds its own `httpx.Request`."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import httpx

from wriftai_anyio._concurrency.cancellation import SendShield
from wriftai_anyio._config import Config, checked_headers
from wriftai_anyio._transport.bodies import Body
from wriftai_anyio._transport.retries import REPEATABLE_METHODS
from wriftai_anyio._version import __version__
from wriftai_anyio.pagination import Query

from .attempt_hooks import AttemptHooks
from .encoding import encoded

USER_AGENT: Final = f"wriftai-anyio/{__version__}"

_BODILESS_METHODS: Final = frozenset({"GET", "HEAD", "DELETE"})


class APIRequest(NamedTuple):
    """A request to the API, checked.

    Attributes:
        method: The HTTP method.
        path: The path below the base URL.
        url: The full address.
        content: The body, if there is one.
        headers: Headers of this request alone.
        timeout: The timeouts of each attempt.
        repeatable: Whether it is safe to repeat although the server may have seen it.
        hold: The value of the header `Prefer`, which asks the server to answer late.
        shield: Entered during each attempt, which then finishes even if the caller is cancelled.
        hooks: Awaited around each attempt.
        urgent: Whether it goes ahead of the requests already waiting for the rate limit.
        unread: Whether the answer is wanted as soon as it begins.
    """

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

    @classmethod
    def checked(
        cls,
        config: Config,
        method: str,
        path: str,
        json: object,
        headers: Mapping[str, str] | None,
        params: Query | None,
        timeout: httpx.Timeout | None,
        repeatable: bool | None = None,
    ) -> "APIRequest":
        """Returns the request that a caller asks for.

        Args:
            config: The client's configuration.
            method: The HTTP method.
            path: The path below the base URL.
            json: The body, if there is one.
            headers: More headers, for this request alone.
            params: Query parameters.
            timeout: Replaces the client's.
            repeatable: Whether it is safe to repeat. By default GET, HEAD, PUT and DELETE are.

        Raises:
            ValueError: If the path, the headers or the body are invalid, or the access token is missing.
        """
        if config.lacks_token:
            raise ValueError(
                "There is no access token: set WRIFTAI_ACCESS_TOKEN, or pass Client(access_token). Nothing was sent."
            )
        return cls(
            method,
            path,
            address_of(config.base_url, path, params),
            None if json is None else encoded(json),
            checked_headers(headers) if headers else {},
            timeout or config.timeout,
            method in REPEATABLE_METHODS if repeatable is None else repeatable,
        )

    def build(self, base_headers: httpx.Headers, *, held: bool) -> httpx.Request:
        """Returns what one attempt sends.

        Args:
            base_headers: The headers of all requests of the client.
            held: Whether this attempt may ask the server to answer late.
        """
        body = httpx.ByteStream(b"") if self.content is None else Body(self.content)
        timeouts = self.timeout.as_dict()
        if self.content is None:
            # A head alone fits into the buffer of an idle socket, and the attempt as a whole has a timeout: a separate
            # timer for the head would cost the event loop 1 % of a call.
            timeouts["write"] = None
        extensions = {"timeout": timeouts}
        request = httpx.Request(self.method, self.url, headers=base_headers, stream=body, extensions=extensions)
        if self.hold is not None and held:
            request.headers["prefer"] = self.hold
        if self.content is not None:
            request.headers["content-type"] = "application/json"
        if self.content is not None or self.method not in _BODILESS_METHODS:
            request.headers["content-length"] = str(len(self.content or b""))
        if self.headers:
            request.headers.update(self.headers)
        return request


def base_headers(config: Config) -> httpx.Headers:
    """Returns the headers that all requests of a client carry."""
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


def address_of(base_url: str, path: str, params: Query | None = None) -> httpx.URL:
    """Returns the address of a path below the base URL.

    Raises:
        ValueError: If it is not valid.
    """
    if not path.startswith("/"):
        raise ValueError(f"path must begin with a slash, not {path[:80]!r}.")
    try:
        return httpx.URL(base_url + path, params=params) if params else _joined(base_url, path)
    except httpx.InvalidURL as error:
        raise ValueError(f"path cannot be sent: {error}.") from None


@lru_cache(maxsize=256)
def _joined(base_url: str, path: str) -> httpx.URL:
    # httpx takes a third as long to parse a URL as we take for the rest of a call. Creates and polls repeat theirs;
    # paths of plain ids are appended to the parsed base URL. That relies on a private name: without it, each is parsed.
    url = httpx.URL(_parsed(base_url))
    parts: Any = getattr(url, _URL_PARTS, None)
    if parts is None or not _PLAIN_PATH.fullmatch(path):
        return httpx.URL(base_url + path)
    setattr(url, _URL_PARTS, parts._replace(path=parts.path + path))
    return url


_parsed: Final = lru_cache(maxsize=16)(httpx.URL)

_URL_PARTS: Final = "_uri_reference"

_PLAIN_PATH: Final = re.compile(r"/[A-Za-z0-9_/-]{0,1000}")
"""Paths with nothing to quote or to resolve."""
