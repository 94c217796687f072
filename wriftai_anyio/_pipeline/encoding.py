"""Encodes the bodies of requests as JSON."""

from collections.abc import Mapping
from typing import cast

from wriftai_anyio.json_codec import encode_json


def encoded(value: object) -> bytes:
    """Encodes what a caller wants to send; any mapping becomes an object.

    Args:
        value: Anything that JSON can express.

    Returns:
        The JSON, in UTF-8.

    Raises:
        ValueError: If JSON cannot express it.
    """
    try:
        text = encode_json(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_as_dict)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"This cannot be sent as JSON: {error}. Nothing was sent.") from None


def _as_dict(value: object) -> dict[object, object]:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    raise TypeError(f"{type(value).__name__} is not a JSON value")
