"""What is public of the package: its modules, and the names in their `__all__`."""

import importlib
import pkgutil
from types import ModuleType

import wriftai_anyio

PACKAGE = wriftai_anyio.__name__


def public_modules() -> dict[str, ModuleType]:
    """Imports the public modules, and returns them by name."""
    found = pkgutil.walk_packages(wriftai_anyio.__path__, f"{PACKAGE}.")
    names = [PACKAGE, *(module.name for module in found if "._" not in module.name)]
    return {name: importlib.import_module(name) for name in names}
