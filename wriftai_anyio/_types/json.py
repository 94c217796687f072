"""JSON as Python has it."""

from collections.abc import Mapping

from .typing_backports import TypeAliasType

# pydantic does not resolve a plain recursive alias, and mypy not one of which only the inner names are quoted.
JsonValue = TypeAliasType("JsonValue", "list[JsonValue] | Mapping[str, JsonValue] | str | bool | int | float | None")
"""A value that JSON can express."""
