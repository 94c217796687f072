"""A file to upload: its content and its type."""

import io
import mimetypes
import os
import re
from pathlib import Path
from typing import IO, Final, TypeAlias

FileContent: TypeAlias = IO[bytes] | bytes | os.PathLike[str]
"""What a file holds: a binary stream, bytes, or the path of a file on disk."""

DEFAULT_MIME_TYPE: Final = "application/octet-stream"

_MIME_TYPE = re.compile(r"[!-~]+/[ -~]+", re.ASCII)


class File:
    """A file to upload, by itself or anywhere in a prediction's input.

    Args:
        content: A path, bytes, or a binary stream. A stream is read from its start if it can seek, else from
            where it stands; it stays open, and nothing else may use it during the upload.
        mime_type: The MIME type. By default it is guessed from the name of the path or stream, and is
            "application/octet-stream" where that tells nothing.

    Raises:
        ValueError: If the content is none of these, or the MIME type cannot be one.

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
        if isinstance(content, (str, io.TextIOBase)) or not (
            isinstance(content, (bytes, os.PathLike)) or hasattr(content, "read")
        ):
            raise ValueError(
                f"content must be bytes, a path (pathlib.Path) or a binary stream, not {type(content).__name__}."
            )
        if mime_type and not _MIME_TYPE.fullmatch(mime_type):
            raise ValueError(f"mime_type must be like 'image/png', not {mime_type[:80]!r}.")
        self.content = content
        self.mime_type = mime_type or _guessed(content)


def _guessed(content: FileContent) -> str:
    name: object = Path(content).name if isinstance(content, os.PathLike) else getattr(content, "name", None)
    if not isinstance(name, str):
        return DEFAULT_MIME_TYPE
    guess, compression = mimetypes.guess_type(Path(name).name)
    return guess if guess and not compression else DEFAULT_MIME_TYPE
