"""What a tool returns: a JSON object, with an output cut where it is long, and small images as images."""

import base64
import binascii
import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import anyio
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from wriftai_anyio import Client, WriftAIError
from wriftai_anyio.predictions import Prediction, PredictionWithIO

LONGEST_OUTPUT: Final = 20_000
"""Characters of an output that one result holds: an agent's context is small, and costs money too."""
MOST_IMAGES: Final = 4
LARGEST_IMAGE: Final = 1024 * 1024
"""Bytes of an image that is shown in a result."""

_IMAGE_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
_DATA_URL: Final = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=\s]+)")
_WEB_ADDRESS: Final = re.compile(r"https?://[^\s?#]+\.(\w{3,4})(?:[?#]\S*)?")


class _TooLargeError(Exception):
    """An image that is larger than a result should be."""


def result_of(value: Mapping[str, Any], *more: ContentBlock, is_error: bool = False) -> CallToolResult:
    """Returns a result that holds an object, as structure and as text.

    Args:
        value: The object.
        *more: Further content, such as images.
        is_error: Whether the call failed.
    """
    text = TextContent(text=json.dumps(value, ensure_ascii=False))
    return CallToolResult(content=[text, *more], structured_content=dict(value), is_error=is_error)


def error_result(message: str, **details: object) -> CallToolResult:
    """Returns the result of a call that failed.

    Args:
        message: What happened, and what to do.
        **details: What is known besides, such as the prediction's id.
    """
    return result_of({"error": message, **details}, is_error=True)


def summary(prediction: Prediction) -> dict[str, Any]:
    """Returns what a list shows of a prediction."""
    model = prediction.get("model") or {}
    version = f":{model['version_number']}" if model.get("version_number") else ""
    return {
        "prediction_id": prediction["id"],
        "status": str(prediction["status"]),
        "model": f"{model.get('owner')}/{model.get('name')}{version}",
        "created_at": prediction.get("created_at"),
    }


def details(prediction: PredictionWithIO, offset: int = 0) -> dict[str, Any]:
    """Returns a prediction with its output or error; a long output is cut, with a note how to read on.

    Args:
        prediction: The prediction.
        offset: Characters of the output, as text, to skip.
    """
    shown: dict[str, Any] = summary(prediction)
    error, output = prediction.get("error"), prediction.get("output")
    if error:
        shown["error"] = {"message": error.get("message"), "source": error.get("source"), "detail": error.get("detail")}
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
    if offset == 0 and len(text) <= LONGEST_OUTPUT:
        return {**shown, "output": output}
    end = min(len(text), offset + LONGEST_OUTPUT)
    shown.update(output=text[offset:end], output_characters=len(text))
    if end < len(text):
        shown["note"] = f"The output was cut. Call get_prediction with offset={end} to read on."
    return shown


async def images_of(client: Client, output: object) -> list[ContentBlock]:
    """Returns the small images of an output: those in data URLs, and those that web addresses lead to.

    Args:
        client: Downloads them.
        output: The output. An image that is too large, or cannot be had, stays the address that it is.
    """
    found: list[ContentBlock] = []
    for text in _strings(output):
        if len(found) == MOST_IMAGES:
            break
        image = await _image(client, text)
        if image is not None:
            found.append(image)
    return found


def _strings(value: object) -> Iterator[str]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list):
            pending.extend(reversed(cast("list[object]", each)))
        elif isinstance(each, dict):
            pending.extend(reversed([*cast("dict[str, object]", each).values()]))


async def _image(client: Client, text: str) -> ImageContent | None:
    data = _DATA_URL.fullmatch(text) if len(text) <= 2 * LARGEST_IMAGE else None
    if data:
        try:
            content = base64.b64decode(data[2], validate=False)
        except binascii.Error:
            return None
        return _content(content, data[1]) if len(content) <= LARGEST_IMAGE else None
    address = _WEB_ADDRESS.fullmatch(text)
    media_type = _IMAGE_TYPES.get(address[1].lower()) if address else None
    return None if media_type is None else await _downloaded(client, text, media_type)


async def _downloaded(client: Client, address: str, media_type: str) -> ImageContent | None:
    loaded = 0

    def count(received: int, total: int | None) -> None:
        nonlocal loaded
        loaded += received
        if max(loaded, total or 0) > LARGEST_IMAGE:
            raise _TooLargeError

    with tempfile.TemporaryDirectory() as folder:
        path = anyio.Path(folder, "image")
        try:
            await client.files.async_download(address, path, on_progress=count)
        except (WriftAIError, ValueError, OSError, _TooLargeError):
            return None
        return _content(await path.read_bytes(), media_type)


def _content(content: bytes, media_type: str) -> ImageContent:
    return ImageContent(data=base64.b64encode(content).decode("ascii"), mime_type=media_type)
