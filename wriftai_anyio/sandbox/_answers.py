"""Answers in JSON, and the API's error formats."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wriftai_anyio.json_codec import encode_json


def encode(content: object) -> bytes:
    """Return JSON in plain ASCII, which can encode any string, lone surrogates too."""
    return encode_json(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class JsonAnswer(JSONResponse):
    """A response in JSON."""

    def render(self, content: object) -> bytes:
        """Encode the content."""
        return encode(content)


class ApiError(Exception):
    """The API refuses a request.

    Args:
        status_code: The HTTP status of the answer.
        body: The JSON body of the answer.
    """

    def __init__(self, status_code: int, body: Mapping[str, Any]) -> None:
        super().__init__(status_code, body)
        self.status_code = status_code
        self.body = body

    def answer(self) -> Response:
        """Return the answer with this error."""
        return JsonAnswer(self.body, status_code=self.status_code)


def refusal(status_code: int, code: str, message: str) -> ApiError:
    """Return an error in the API's general format."""
    return ApiError(status_code, {"code": code, "message": message, "detail": None})


def not_found(what: str) -> ApiError:
    """Return the 404 for a thing, such as `"prediction"`."""
    return refusal(404, "not_found", f"{what} not found")


def invalid(location: Sequence[str | int], message: str, kind: str = "value_error") -> ApiError:
    """Return the 422 for one wrong parameter or field."""
    return ApiError(422, {"detail": [{"loc": list(location), "msg": message, "type": kind}]})


def answer_api_error(_request: Request, error: Exception) -> Response:
    """Turn an `ApiError` that a route raised into its answer."""
    if not isinstance(error, ApiError):
        raise error
    return error.answer()


def answer_http_error(_request: Request, error: Exception) -> Response:
    """Answer an unknown path or method in the API's other error format."""
    if not isinstance(error, HTTPException):
        raise error
    return JsonAnswer({"detail": error.detail}, status_code=error.status_code, headers=error.headers)
