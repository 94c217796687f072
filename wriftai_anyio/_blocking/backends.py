"""The kinds of event loop that blocking calls can run on."""

import sys
from importlib.util import find_spec
from typing import Any, Final, NamedTuple


class Backend(NamedTuple):
    """A kind of event loop, as anyio starts it."""

    name: str
    options: dict[str, Any]
    library: str | None
    """What must be installed for it; the extra of this package has the backend's name."""


BACKENDS: Final = {
    "asyncio": Backend("asyncio", {}, None),
    "trio": Backend("trio", {}, "trio"),
    # anyio takes winloop, a port of uvloop, if there is no uvloop.
    "uvloop": Backend("asyncio", {"use_uvloop": True}, "winloop" if sys.platform == "win32" else "uvloop"),
}


def check_backend(name: str) -> None:
    """Raises if blocking calls cannot run on an event loop of this kind.

    Args:
        name: What the user asked for.

    Raises:
        ValueError: If there is no such kind, or what it needs is not installed.
    """
    backend = BACKENDS.get(name) if isinstance(name, str) else None
    if backend is None:
        raise ValueError(f"backend must be 'asyncio', 'trio' or 'uvloop', not {name!r}.")
    if backend.library is not None and find_spec(backend.library) is None:
        raise ValueError(f"backend={name!r} needs {backend.library}: pip install 'wriftai-anyio[{name}]'.")
    if _lacks("ssl"):
        raise ImportError("This Python lacks its module 'ssl', which every connection needs: use another Python.")
    if name == "trio" and _lacks("ctypes"):
        raise ImportError("This Python lacks its module 'ctypes', which trio needs: use another backend or Python.")


def _lacks(module: str) -> bool:
    # A Python that was built without it has the module's own file, and not the library that this imports.
    return find_spec(module) is None or find_spec(f"_{module}") is None
