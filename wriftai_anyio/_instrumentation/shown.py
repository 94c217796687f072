"""Requests and answers as errors show them: copies of the parts that are not secret.

An `httpx.Response` refers to much else: its request with the access token, the request that would follow a redirect,
the answers before it, the connection. A copy has none of that.
"""

from typing import Final

import httpx

_SECRET_REQUEST_HEADERS: Final = frozenset({b"authorization", b"proxy-authorization", b"cookie"})
_LEFT_OUT: Final = frozenset(
    {
        b"set-cookie",
        # They describe the body as it came, and the copy has the decoded one.
        b"content-encoding",
        b"content-length",
        b"transfer-encoding",
    }
)
_ADDRESSES: Final = frozenset({b"location", b"content-location"})
_EXTENSIONS: Final = ("http_version", "reason_phrase")


def shown_request(request: httpx.Request) -> httpx.Request:
    """Returns a copy of a request's method, address and headers, without its credentials and its body."""
    # Bytes: an ETag that is sent back need not be ASCII, and httpx encodes no other strings.
    headers = [(name, value) for name, value in request.headers.raw if name.lower() not in _SECRET_REQUEST_HEADERS]
    return httpx.Request(request.method, request.url.copy_with(userinfo=b""), headers=headers)


def shown_response(response: httpx.Response, content: bytes | None = None) -> httpx.Response:
    """Returns a copy of an answer's status, headers and body, with a request that has no credentials.

    Args:
        response: The answer; the copy has no body if it was not read.
        content: Instead of its body.
    """
    return httpx.Response(
        response.status_code,
        headers=[(name, _shown_value(name, value)) for name, value in response.headers.raw if _is_shown(name)],
        content=_content(response) if content is None else content,
        request=shown_request(response.request),
        extensions={name: response.extensions[name] for name in _EXTENSIONS if name in response.extensions},
    )


def _is_shown(name: bytes) -> bool:
    return name.lower() not in _LEFT_OUT


def _shown_value(name: bytes, value: bytes) -> bytes:
    """Returns a header's value; an address without its query, which may be the signature of a presigned URL."""
    if name.lower() not in _ADDRESSES:
        return value
    address = value.partition(b"?")[0].partition(b"#")[0]
    start, slashes, rest = address.partition(b"//")
    host, slash, path = rest.partition(b"/")
    return start + slashes + host.rpartition(b"@")[2] + slash + path


def _content(response: httpx.Response) -> bytes:
    try:
        return response.content
    except httpx.ResponseNotRead:
        # What has come whole may not have been read by httpx.
        return response.read() if isinstance(response.stream, httpx.ByteStream) else b""
