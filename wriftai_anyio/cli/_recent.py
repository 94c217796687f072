"""Recent names of models and ids of predictions, with which shells complete words without asking the API."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

T = TypeVar("T")

MOST: Final = 200
MODELS: Final = "models"
PREDICTIONS: Final = "predictions"
# Names from a server with any other characters are not offered to a shell.
_PLAIN: Final = re.compile(r"(?=.{1,200}\Z)[A-Za-z0-9][\w.-]*(/[\w.-]+)?", re.ASCII)
_LARGEST: Final = 256 * 1024
"""The most bytes to read: more than all names can have. A shell waits for this at each key press."""


def recent(kind: str) -> list[str]:
    """Returns the names of a kind, `MODELS` or `PREDICTIONS`, latest first."""
    return _read().get(kind, [])


def remember(kind: str, names: Iterable[str]) -> None:
    """Saves names of a kind for completion."""
    known = _read()
    new = [name for name in names if _PLAIN.fullmatch(name)]
    kept = list(dict.fromkeys([*new, *known.get(kind, [])]))[:MOST]
    if kept == known.get(kind, []):
        return
    # Completion is optional: if nothing can be written, there is none.
    with contextlib.suppress(OSError, RuntimeError):
        _write(_path(), json.dumps({**known, kind: kept}))


def remembering(kind: str, items: Iterable[T], name: Callable[[T], str]) -> Iterator[T]:
    """Yields listed items, and saves their names for completion."""
    names: list[str] = []
    try:
        for item in items:
            if len(names) < MOST:
                names.append(name(item))
            yield item
    finally:
        remember(kind, names)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 -- a descriptor, not a path
            file.write(text)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def _read() -> dict[str, list[str]]:
    try:
        found: Any = json.loads(_content(_path()))
        return {
            kind: [name for name in found[kind] if isinstance(name, str) and _PLAIN.fullmatch(name)]
            for kind in (MODELS, PREDICTIONS)
            if kind in found
        }
    except (OSError, RuntimeError, ValueError, TypeError):
        return {}


def _content(path: Path) -> bytes:
    """Reads the file, unless it is something that may never end, such as a pipe or a device."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(_LARGEST)


def _path() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(folder or Path.home() / ".cache") / "wriftai-anyio" / "completion.json"
