"""`enum.StrEnum`, also on Python 3.10."""

import sys
from collections.abc import Callable, Mapping

if sys.version_info >= (3, 11):
    from enum import StrEnum
else:
    from enum import Enum

    class StrEnum(str, Enum):
        """An enumeration whose members are strings, like `enum.StrEnum` of Python 3.11."""

        def __str__(self) -> str:
            return str(self.value)


__all__ = ["OpenStrEnum", "StrEnum"]


class OpenStrEnum(StrEnum):
    """An enumeration that grows: values that this version does not know stay plain strings, in pydantic models too."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Callable[[object], object]) -> Mapping[str, object]:
        return {"type": "union", "mode": "left_to_right", "choices": [handler(source), {"type": "str"}]}
