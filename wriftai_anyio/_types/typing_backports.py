"""What pydantic and FastAPI can read only from `typing_extensions` before Python 3.12. anyio brings that there."""

import sys

if sys.version_info >= (3, 12):
    from typing import TypeAliasType, TypedDict
else:
    from typing_extensions import TypeAliasType, TypedDict

__all__ = ["TypeAliasType", "TypedDict"]
