"""Types shared by the resources."""

import sys
from collections.abc import Mapping
from typing import TypeAlias, TypedDict, Union

from ._file import File

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from enum import Enum

    class StrEnum(str, Enum):
        """An enumeration whose members are strings, as `enum.StrEnum` of Python 3.11."""

        def __str__(self) -> str:
            return str(self.value)


__all__ = ["JsonValue", "JsonValueWithFile", "StrEnum", "UploadCompletionResult"]

JsonValue: TypeAlias = Union[  # noqa: UP007 -- a forward reference cannot stand beside `|` at run time
    list["JsonValue"], Mapping[str, "JsonValue"], str, bool, int, float, None
]
"""A value that JSON can express."""

JsonValueWithFile: TypeAlias = Union[  # noqa: UP007 -- as above
    list["JsonValueWithFile"], Mapping[str, "JsonValueWithFile"], str, bool, int, float, File, None
]
"""A value that JSON can express, with files anywhere in it."""


class UploadCompletionResult(TypedDict):
    """Represents the result of a completed upload."""

    download_url: str
    """A time-limited signed URL for downloading the file. No additional authentication is required."""
