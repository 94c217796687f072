"""What becomes of an answer: a value of the shape that was promised, or the error that belongs to it."""

import json
from collections.abc import Callable
from typing import Final, TypeVar

import httpx

from wriftai_anyio._parsing.shapes import ShapeError
from wriftai_anyio._transport.bodies import PlainBody, body_of
from wriftai_anyio._transport.failures import without_secrets
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio.errors import APIResponseError, APIStatusError, status_error

T = TypeVar("T")

_NOT_FOLLOWED: Final = "it is a redirect, which is followed only within the API's own origin, so that no token leaves"


def shaped(response: httpx.Response, shape: Callable[[JsonValue], T]) -> T:
    """Decodes an answer that was read, and checks its shape.

    Args:
        response: The answer; if it is empty it stands for null.
        shape: Returns the result for decoded JSON; raises `ShapeError` where that is not as promised.

    Raises:
        APIResponseError: If it is not JSON, or not of that shape.
    """
    try:
        return shape(_decoded(response))
    except ShapeError as error:
        raise response_error(response, str(error)) from None


def unchanged(value: JsonValue) -> JsonValue:
    """The shape of an answer that may be any JSON."""
    return value


def nothing(_: JsonValue) -> None:
    """The shape of an answer whose body says nothing that is needed."""


def _decoded(response: httpx.Response) -> JsonValue:
    content = body_of(response)
    if not content:
        return None
    try:
        value: JsonValue = json.loads(content)
    except (ValueError, RecursionError):
        raise response_error(response, "it is not JSON") from None
    return value


def response_error(response: httpx.Response, problem: str) -> APIResponseError:
    """Returns the error for an answer that is not what the API promises.

    Args:
        response: The answer.
        problem: What is wrong with it, for the message.
    """
    if isinstance(response.stream, PlainBody):
        response.read()  # so that handlers of the error can look at its content
    response.request = without_secrets(response.request)
    return APIResponseError(
        f"{response.request.method} {response.request.url.path} was answered {response.status_code}, but not as "
        f"the API promises: {problem}. What the server did is unknown; is the base URL right?",
        response=response,
    )


def refusal(response: httpx.Response) -> APIStatusError | APIResponseError:
    """Returns the error for an answer that was read and is not a success."""
    if response.status_code < 400:
        return response_error(response, _NOT_FOLLOWED)
    response.request = without_secrets(response.request)
    try:
        body: JsonValue = json.loads(response.content)
    except (ValueError, RecursionError):
        body = None
    return status_error(response, body)
