"""Imports httpx without its command line, which brings click, pygments and rich along: 47 ms of a start of 175.

Their place is kept only while httpx is imported: afterwards `httpx.main` and `httpx._main` are imported when asked for.
"""

import importlib
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Final

_COMMAND_LINE: Final = "httpx._main"
_NEEDED: Final = ("click", "pygments", "rich")


def import_httpx() -> None:
    """Imports httpx; does nothing if it is already imported, or if its command line cannot be imported."""
    if "httpx" in sys.modules or not all(map(_is_installed, _NEEDED)):
        return
    stand_in = _StandIn(_COMMAND_LINE)
    sys.modules.setdefault(_COMMAND_LINE, stand_in)
    try:
        attributes = vars(importlib.import_module("httpx"))
    finally:
        stand_in.leave()
    # Another version may have no command line, or its own `__getattr__`.
    if attributes.get("main") is _main and "__getattr__" not in attributes:
        attributes["__getattr__"] = _imported_late
        del attributes["main"]


class _StandIn(ModuleType):
    """Stands in for the module of the command line until httpx asks it for `main`.

    httpx does so while it is imported, when no other thread can ask for that module yet.
    """

    def leave(self) -> None:
        if sys.modules.get(_COMMAND_LINE) is self:
            del sys.modules[_COMMAND_LINE]

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):  # asked for by the import machinery
            raise AttributeError(name)
        self.leave()
        return _main if name == "main" else getattr(importlib.import_module(_COMMAND_LINE), name)


def _main(*args: object, **kwargs: object) -> object:
    """What `httpx.main` is for the moment until `_imported_late` takes its place."""
    return importlib.import_module(_COMMAND_LINE).main(*args, **kwargs)


def _imported_late(name: str) -> object:
    """The `__getattr__` of httpx."""
    if name not in {"main", "_main"}:
        raise AttributeError(f"module 'httpx' has no attribute {name!r}")
    command_line = importlib.import_module(_COMMAND_LINE)
    main: object = command_line.main
    vars(sys.modules["httpx"])["main"] = main
    return main if name == "main" else command_line


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # somebody put a module in its place
        return False
