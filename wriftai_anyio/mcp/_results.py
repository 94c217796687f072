"""The results of tools: a JSON object, in which a long output is cut, with small images as images."""

import base64
import binascii
import math
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import anyio
from mcp_types import CallToolResult, ContentBlock, ImageContent, TextContent

from wriftai_anyio import Client, WriftAIError
from wriftai_anyio.json_codec import encode_json
from wriftai_anyio.plain_text import json_text, one_line, printable
from wriftai_anyio.predictions import Prediction, PredictionWithIO

LONGEST_OUTPUT: Final = 20_000
"""The most characters of an output in one result: an agent's context is small, and costs money, too."""
LONGEST_MESSAGE: Final = 2_000
"""Characters of an error's message."""
LONGEST_LINE: Final = 200
"""Characters of a name or a status."""
DEEPEST_OUTPUT: Final = 100
"""Levels of nested lists and objects: at 255 the SDK fails, and its server with it."""
MOST_BITS: Final = 14_000
"""The size of an integer. An agent's SDK ignores a message with one of over 4,300 digits, and waits for another."""
MOST_IMAGES: Final = 4
MOST_FETCHED: Final = 8
"""The most addresses of an output that are tried for images; most of them may lead nowhere."""
LONGEST_FETCH: Final = 20.0
"""Seconds for all images of a result: a server may be very slow, and failed requests are retried."""
LARGEST_IMAGE: Final = 1024 * 1024
"""The most bytes of an image in a result."""

_DATA_URL: Final = re.compile(r"data:image/[\w.+-]+;base64,([A-Za-z0-9+/=\s]+)")
_WEB_ADDRESS: Final = re.compile(r"https?://[^\s?#]+\.(?:png|jpe?g|gif|webp)(?:[?#]\S*)?", re.IGNORECASE)
_SIGNATURES: Final = (
    (re.compile(rb"\x89PNG"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair, which JSON can express and UTF-8 cannot."""


class _TooLargeError(Exception):
    """An image is too large for a result."""


def result_of(value: Mapping[str, Any], *more: ContentBlock, is_error: bool = False) -> CallToolResult:
    """Returns a result that contains an object, as structured content and as text.

    Args:
        value: The object.
        *more: Further content, such as images.
        is_error: Whether the call failed.
    """
    said = {key: _sendable(entry) for key, entry in value.items()}
    text = TextContent(text=json_text(encode_json(said, ensure_ascii=False)))
    return CallToolResult(content=[text, *more], structured_content=said, is_error=is_error)


def _sendable(value: object, depth: int = 0) -> object:
    """Returns a model's output in a form that a message can contain; parts that it cannot contain become text."""
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and value.bit_length() > MOST_BITS:
        return _json(value)
    if not isinstance(value, (dict, list)):
        return value
    if depth == DEEPEST_OUTPUT:
        return _json(cast("object", value))
    if isinstance(value, list):
        return [_sendable(entry, depth + 1) for entry in cast("list[object]", value)]
    entries = cast("dict[str, object]", value).items()
    return {_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", key): _sendable(entry, depth + 1) for key, entry in entries}


def _json(value: object) -> str:
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", encode_json(value, ensure_ascii=False))


def readable(text: str, longest: int | None = None) -> str:
    """Returns a string from an untrusted source without control characters, on one line unless `longest` is given.

    Args:
        text: The text.
        longest: The most characters to keep, with line breaks; by default the result is one line, such as for a name.
    """
    return one_line(text, LONGEST_LINE) if longest is None else printable(text.strip())[:longest]


def error_result(message: str, **details: object) -> CallToolResult:
    """Returns the result of a call that failed.

    Args:
        message: What happened, and what to do.
        **details: Further details, such as the prediction's id.
    """
    return result_of({"error": readable(message, LONGEST_MESSAGE), **details}, is_error=True)


def summary(prediction: Prediction) -> dict[str, Any]:
    """Returns the fields of a prediction that a list shows."""
    model = prediction.get("model") or {}
    version = f":{model['version_number']}" if model.get("version_number") else ""
    return {
        "prediction_id": prediction["id"],
        "status": readable(str(prediction["status"])),
        "model": readable(f"{model.get('owner')}/{model.get('name')}{version}"),
        "created_at": prediction.get("created_at"),
    }


def details(prediction: PredictionWithIO, offset: int = 0) -> dict[str, Any]:
    """Returns a prediction with its output or error. A long output is cut, with a note on how to read on.

    Args:
        prediction: The prediction.
        offset: How many characters of the output, as text, to skip.
    """
    shown: dict[str, Any] = summary(prediction)
    error, output = prediction.get("error"), prediction.get("output")
    if isinstance(error, Mapping):
        message, source = error.get("message"), error.get("source")
        shown["error"] = {
            "message": readable(message if isinstance(message, str) else _json(message), LONGEST_MESSAGE),
            "source": readable(source) if isinstance(source, str) else None,
            "detail": _short(error.get("detail")),
        }
    elif error:
        shown["error"] = {"message": readable(_json(error), LONGEST_MESSAGE)}
    text = output if isinstance(output, str) else _json(output)
    if offset == 0 and len(text) <= LONGEST_OUTPUT:
        return {**shown, "output": output}
    end = min(len(text), offset + LONGEST_OUTPUT)
    shown.update(output=text[offset:end], output_characters=len(text))
    if end < len(text):
        shown["note"] = f"The output was cut. Call get_prediction with offset={end} to read on."
    return shown


def _short(detail: object) -> object:
    text = _json(detail)
    return detail if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"


async def images_of(client: Client, output: object) -> list[ContentBlock]:
    """Returns the small images of an output: those in data URLs, and those at web addresses.

    Args:
        client: Downloads them.
        output: The output. An image that is too large, or cannot be downloaded in time, is left out.
    """
    found: list[ContentBlock] = []
    left = MOST_FETCHED
    with anyio.move_on_after(LONGEST_FETCH):
        for text in _strings(output):
            if len(found) == MOST_IMAGES:
                break
            image = _embedded(text)
            if image is None and left and _WEB_ADDRESS.fullmatch(text):
                left -= 1
                image = await _downloaded(client, text)
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


def _embedded(text: str) -> ImageContent | None:
    data = _DATA_URL.fullmatch(text) if len(text) <= 2 * LARGEST_IMAGE else None
    try:
        return _content(base64.b64decode(data[1], validate=False)) if data else None
    except binascii.Error:
        return None


async def _downloaded(client: Client, address: str) -> ImageContent | None:
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
        return _content(await path.read_bytes())


def _content(content: bytes) -> ImageContent | None:
    """Returns an image with the media type of its content, whatever its name says: language models check that."""
    media_type = next((kind for signature, kind in _SIGNATURES if signature.match(content)), None)
    if media_type is None or len(content) > LARGEST_IMAGE:
        return None
    return ImageContent(data=base64.b64encode(content).decode("ascii"), mime_type=media_type)
