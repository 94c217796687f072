"""Types shared by the resources."""

import sys
from collections.abc import Mapping
from typing import TypeAlias, Union

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from enum import Enum

    class StrEnum(str, Enum):
        """An enumeration whose members are strings, as `enum.StrEnum` of Python 3.11."""

        def __str__(self) -> str:
            return str(self.value)


__all__ = ["JsonValue", "StrEnum"]

JsonValue: TypeAlias = Union[  # noqa: UP007 -- a forward reference cannot stand beside `|` at run time
    list["JsonValue"], Mapping[str, "JsonValue"], str, bool, int, float, None
]
"""A value that JSON can express."""
