"""JSON values in Python."""

from collections.abc import Mapping

from .typing_backports import TypeAliasType

# pydantic does not resolve a plain recursive alias, and mypy does not resolve one with only the inner names quoted.
JsonValue = TypeAliasType("JsonValue", "list[JsonValue] | Mapping[str, JsonValue] | str | bool | int | float | None")
"""A value that JSON can express."""
