"""Requests that a web page could make: a page that a developer has open must not reach the sandbox.

A page can send requests to any address of the machine it is shown on. It can even give a host name of its own to
that address after it has loaded (DNS rebinding), and then counts as the same origin. So the host must be one of
this machine's own names, and what a browser marks as sent by another site is refused.
"""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from ._answers import ApiError, refusal

OWN_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "::1"})
"""The names under which a server on loopback can be asked for."""


def foreign(headers: Headers, method: str) -> ApiError | None:
    """Returns the refusal of a request that a web page may have made, or that asks for another host.

    Args:
        headers: The request's headers.
        method: Its method. What a browser only reads, such as a picture, may be shown by any page that has its
            presigned URL.
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
