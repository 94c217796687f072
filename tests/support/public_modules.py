"""What is public of the package: its modules, and the names in their `__all__`."""

from pathlib import Path

import wriftai_anyio

PACKAGE = wriftai_anyio.__name__


def public_modules() -> list[str]:
    """Names the public modules. None is imported, since one of them takes two seconds and each worker collects."""
    folder = Path(wriftai_anyio.__file__).parent
    paths = [path.relative_to(folder.parent).with_suffix("") for path in folder.rglob("*.py")]
    names = [".".join(path.parts).removesuffix(".__init__") for path in paths]
    return sorted(name for name in names if "._" not in name)
