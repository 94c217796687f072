"""JSON as Python has it."""

from collections.abc import Mapping
from typing import TypeAlias, Union

JsonValue: TypeAlias = Union[  # noqa: UP007 -- a forward reference cannot stand beside `|` at run time
    list["JsonValue"], Mapping[str, "JsonValue"], str, bool, int, float, None
]
"""A value that JSON can express."""
