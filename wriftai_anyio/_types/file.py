"""A file to upload: its content and its type."""

import io
import os
import re
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import IO, Protocol, TypeAlias

import httpx

from .media_types import DEFAULT_MEDIA_TYPE, media_type_of
from .typing_backports import TypeAliasType

_MIME_TYPE = re.compile(r"[!-~]+/[ -~]+", re.ASCII)


class Readable(Protocol):
    """An object with a `read` that returns bytes, such as a pipe, a socket's file or a wrapper of your own."""

    def read(self, length: int, /) -> bytes:
        """Returns the next bytes; no bytes at the end.

        Args:
            length: The most bytes to return.

        Returns:
            The bytes.
        """
        ...


class AsyncReadable(Protocol):
    """An object with an asynchronous `read`, such as a file of `anyio.open_file` or an upload of a web framework."""

    def read(self, length: int, /) -> Awaitable[bytes]:
        """Returns the next bytes; no bytes at the end.

        Args:
            length: The most bytes to return.

        Returns:
            The bytes.
        """
        ...


FileContent: TypeAlias = IO[bytes] | Readable | AsyncReadable | httpx.Response | bytes | os.PathLike[str]
"""The content of a file: a path, bytes, a binary stream, or an `httpx.Response`."""


class File:
    """A file to upload, alone or anywhere in a prediction's input.

    You can use the same stream in many inputs and several `File`s, with several clients and threads: each upload gets
    all of its bytes.

    Args:
        content: A path, bytes, a binary stream (asynchronous ones too), or an `httpx.Response`. A stream that can seek
            is read from its start. Any other is read once, from its current position, and copied to a temporary file.
            The stream stays open, and nothing but uploads may use it until they have ended.
        mime_type: The MIME type. By default it is that of the `httpx.Response`, or is guessed from the name of the path
            or stream, with a table that is the same on every machine; otherwise "application/octet-stream".

    Raises:
        ValueError: If the content is none of these, or the MIME type is not valid.

    Example:
        ```python
        prediction = await client.predictions.async_create({"input": {"image": File(Path("cat.png"))}}, model)
        ```
    """

    content: FileContent
    """Contents of the file."""
    mime_type: str
    """MIME type of the file."""

    def __init__(self, content: FileContent, mime_type: str | None = None) -> None:
        if not is_file_content(content):
            raise ValueError(
                "content must be bytes, a path (pathlib.Path) or a binary stream, not "
                f"{type(content).__name__}{_what_to_do(content)}."
            )
        if mime_type and not (isinstance(mime_type, str) and _MIME_TYPE.fullmatch(mime_type)):
            raise ValueError(f"mime_type must be like 'image/png', not {str(mime_type)[:80]!r}.")
        self.content = content
        self.mime_type = mime_type or _guessed(content)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Mapping[str, object]:
        return {"type": "is-instance", "cls": cls}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> Mapping[str, object]:
        return {"not": {}}  # no JSON is a file: an endpoint that takes params takes only JSON


# Here and not in `common_types`, since pyright's `--verifytypes` counts an alias that refers to itself as unknown in a
# public module.
JsonValueWithFile = TypeAliasType(
    "JsonValueWithFile",
    "list[JsonValueWithFile] | Mapping[str, JsonValueWithFile] | str | bool | int | float | File | None",
)
"""A value that JSON can express, with files anywhere in it."""


def is_file_content(value: object) -> bool:
    """Returns whether a `File` can be made of a value: bytes, a path, or an object that reads bytes."""
    if isinstance(value, (bytes, os.PathLike)):
        return True
    if isinstance(value, type) or _is_text_stream(value) or _is_for_writing(value):
        return False
    return callable(getattr(value, "read", None))


def _is_text_stream(value: object) -> bool:
    # Text streams of `codecs` and `tempfile` are not a `TextIOBase`. Only text streams have these attributes.
    if isinstance(value, io.TextIOBase) or getattr(value, "charbuffertype", None) is str:
        return True
    return hasattr(value, "encoding") and hasattr(value, "errors")


def _is_for_writing(value: object) -> bool:
    # Not just any `io.IOBase`: other libraries' streams may be readable without saying so.
    return isinstance(value, (io.BufferedWriter, io.FileIO)) and not value.closed and not value.readable()


def _what_to_do(value: object) -> str:
    if isinstance(value, str):
        return ": write Path(…) for a path, and encode text"
    if isinstance(value, (bytearray, memoryview)):
        return ": write bytes(…)"
    if _is_text_stream(value):
        return ", a text stream: open it in binary mode, as in open(path, 'rb'), or encode what it holds"
    if _is_for_writing(value):
        return ", which is not open for reading: open it as in open(path, 'rb')"
    if hasattr(value, "__iter__") or hasattr(value, "__aiter__"):
        return ": join its pieces to bytes, or give a stream with a read(length) that returns bytes"
    return ""


def _guessed(content: FileContent) -> str:
    if isinstance(content, httpx.Response):
        stated = str(content.headers.get("content-type", "")).partition(";")[0].strip()
        return stated if _MIME_TYPE.fullmatch(stated) else DEFAULT_MEDIA_TYPE
    name: object = os.fspath(content) if isinstance(content, os.PathLike) else getattr(content, "name", None)
    return media_type_of(Path(os.fsdecode(name)).name) if isinstance(name, (str, bytes)) else DEFAULT_MEDIA_TYPE
