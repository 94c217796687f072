"""What is public: the modules, and the names by which users know what private modules define."""

import pkgutil
import re
from collections.abc import Iterator, Mapping
from typing import Final

import pdoc.doc

import wriftai_anyio

PACKAGE: Final = wriftai_anyio.__name__

_FULL_NAME: Final = re.compile(rf"\b{PACKAGE}(?:\.\w+)+")


def public_modules() -> dict[str, pdoc.doc.Module]:
    """Takes in the package and its public modules, by their names."""
    for name in wriftai_anyio.__all__:
        getattr(wriftai_anyio, name)  # pdoc passes over what is not loaded yet
    found = pkgutil.walk_packages(wriftai_anyio.__path__, f"{PACKAGE}.")
    names = [PACKAGE, *(module.name for module in found if "._" not in module.name)]
    return {name: pdoc.doc.Module.from_name(name) for name in names}


class PublicNames:
    """Leads from a name to where it is documented.

    Args:
        modules: The public modules. Of a name that several export, the first one's counts.
    """

    def __init__(self, modules: Mapping[str, pdoc.doc.Module]) -> None:
        self._modules = modules
        self._places: dict[str, tuple[str, str]] = {}
        self._public: dict[str, str] = {}
        for name, module in modules.items():
            for documented in _documented(module):
                self._places.setdefault(documented.qualname, (name, documented.qualname))
                self._public.setdefault(".".join(documented.taken_from), f"{name}.{documented.qualname}")

    def place(self, name: str) -> tuple[str, str] | None:
        """Finds the module and the anchor that document a name, such as `Client` or `Client.close`."""
        return self._places.get(name)

    def spell(self, text: str) -> str:
        """Puts public names in the place of full ones; of what no public module exports, only the last part."""
        return _FULL_NAME.sub(lambda found: self._spelling(found[0]), text)

    def _spelling(self, full_name: str) -> str:
        if "._" not in full_name:
            return full_name
        return self._public.get(full_name) or full_name.rpartition(".")[2]

    def is_private(self, module: str, qualname: str) -> bool:
        """Whether something is of the package, but of none of its public modules."""
        ours = module.partition(".")[0] == PACKAGE
        return ours and (module not in self._modules or qualname.startswith("_"))


def _documented(module: pdoc.doc.Module) -> Iterator[pdoc.doc.Doc[object]]:
    for documented in module.members.values():
        yield documented
        if isinstance(documented, pdoc.doc.Class):
            yield from documented.members.values()
