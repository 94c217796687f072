"""Refuses requests from web pages: a page that a developer has open must not reach the sandbox.

A page can send requests to any address of the machine that shows it. It can even make its own host name resolve to
that address after it has loaded (DNS rebinding), and then counts as the same origin. So the host must be one of this
machine's own names, and requests that a browser marks as sent by another site are refused.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from ._answers import ApiError, refusal

OWN_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""The host names of a server on loopback."""


def foreign(headers: Headers, method: str) -> ApiError | None:
    """Returns the refusal of a request that a web page may have sent, or that is for another host.

    Args:
        headers: The request's headers.
        method: Its method. Any page that has a presigned URL may show what a browser only reads, such as a picture.
    """
    host = headers.get("host", "")
    if _host_name(f"//{host}") not in OWN_HOSTS:
        return refusal(421, "wrong_host", "the sandbox answers only to 127.0.0.1 and localhost")
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return refusal(403, "foreign_origin", "the sandbox does not answer pages of other sites")
    if method not in {"GET", "HEAD"} and headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return refusal(403, "foreign_origin", "the sandbox does not answer pages of other sites")
    return None


def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
