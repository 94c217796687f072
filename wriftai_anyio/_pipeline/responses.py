"""Turns an answer into a value of the promised shape, or into the right error."""

from collections.abc import Callable
from typing import Final, TypeVar

import httpx

from wriftai_anyio._instrumentation.shown import shown_response
from wriftai_anyio._parsing.shapes import ShapeError
from wriftai_anyio._transport.bodies import body_of
from wriftai_anyio._transport.failures import PROXY, response_error
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio.errors import APIResponseError, APIStatusError, status_error
from wriftai_anyio.json_codec import JSONTextError, decode_json

T = TypeVar("T")

_PROXY_FAULTS: Final = frozenset({407, 502, 503, 504})
"""Statuses with which a proxy answers when it does not reach the server, or refuses to try."""

_NOT_FOLLOWED: Final = "it is a redirect, which is followed only within the API's own origin, so that no token leaves"


def shaped(response: httpx.Response, shape: Callable[[JsonValue], T]) -> T:
    """Decodes an answer that was read, and checks its shape.

    Args:
        response: The answer; an empty one stands for null.
        shape: Returns the result for the decoded JSON; raises `ShapeError` if that is not as promised.

    Raises:
        APIResponseError: If it is not JSON, or not of that shape.
    """
    try:
        return shape(_decoded(response))
    except ShapeError as error:
        raise response_error(response, str(error)) from None


def _decoded(response: httpx.Response) -> JsonValue:
    content = body_of(response)
    if not content:
        return None
    try:
        return decode_json(content)
    except JSONTextError as error:
        raise response_error(response, str(error)) from None


def refusal(response: httpx.Response) -> APIStatusError | APIResponseError:
    """Returns the error for an answer that was read and is not a success."""
    if response.status_code < 400:
        return response_error(response, _NOT_FOLLOWED)
    try:
        body = decode_json(response.content)
    except JSONTextError:
        body = None
    error = status_error(shown_response(response), body)
    proxy = response.request.extensions.get(PROXY)
    if proxy is not None and response.status_code in _PROXY_FAULTS:
        error.args = (f"{error} It came over the proxy {proxy}, which may have answered it.",)
    return error
