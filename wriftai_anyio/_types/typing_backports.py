"""Types that, before Python 3.12, pydantic and FastAPI accept only from `typing_extensions`, which anyio installs."""

import sys

if sys.version_info >= (3, 12):
    from typing import TypeAliasType, TypedDict
else:
    from typing_extensions import TypeAliasType, TypedDict

__all__ = ["TypeAliasType", "TypedDict"]
