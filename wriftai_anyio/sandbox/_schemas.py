"""JSON Schemas, compiled once; violations become the API's validation errors."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from starlette.requests import Request

from wriftai_anyio.json_codec import parse_integer

from ._answers import ApiError, invalid


class _Validator(Protocol):
    def iter_errors(self, instance: Any, /) -> Iterable[ValidationError]: ...  # noqa: ANN401 - any JSON


class Schema:
    """A JSON Schema (2020-12).

    Args:
        schema: The schema.

    Raises:
        ValueError: If it is not a JSON Schema.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            raise ValueError(f"not a JSON Schema: {error.message}") from None
        self._validator: _Validator = Draft202012Validator(schema)

    def check(self, value: object, *location: str) -> None:
        """Check a value against the schema.

        Args:
            value: The value.
            location: Where in the request it is.

        Raises:
            ApiError: 422, with one entry for each error.
        """
        wrong = [
            {"loc": [*location, *error.absolute_path], "msg": error.message, "type": str(error.validator)}
            for error in self._validator.iter_errors(value)
        ]
        if wrong:
            raise ApiError(422, {"detail": wrong})


def object_schema(properties: Mapping[str, Any], required: Sequence[str] = ()) -> Schema:
    """Return the schema of a JSON object with these properties; others are allowed."""
    return Schema({"type": "object", "required": list(required), "properties": dict(properties)})


async def read_body(request: Request, schema: Schema) -> dict[str, Any]:
    """Decode a request's JSON body and check it against the schema of an object.

    Raises:
        ApiError: 422, if it is not JSON or does not match the schema.
    """
    try:
        body: dict[str, Any] = json.loads(
            await request.body(), parse_constant=_refuse_constant, parse_int=parse_integer
        )
    except (ValueError, RecursionError) as error:
        raise invalid(["body"], f"JSON decode error: {error}", "json_invalid") from None
    schema.check(body, "body")
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
