"""A file that gets its name when it is whole."""

import errno
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MOST_PIECES: Final = 0 if sys.platform == "win32" else os.sysconf("SC_IOV_MAX")
"""How many pieces the system writes in one call."""


class PartialFile:
    """A file that is written under a temporary name in its folder. It blocks: for one thread off the event loop.

    Args:
        path: Where it is to be.

    Raises:
        OSError: If that is a folder or a device, or the folder that it is to be in does not exist or cannot be
            written to.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "This is a folder; name the file to write", str(path))
        if path.exists() and not path.is_file():
            raise FileExistsError(
                errno.EEXIST, "This is a device or a pipe, which no file can take the place of", str(path)
            )
        if not path.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "There is no such folder to write to", str(path.parent))
        self._path = path
        self._temporary = path.with_name(f".{secrets.token_hex(8)}.part")
        self._file = self._temporary.open("xb", buffering=0)

    def write(self, block: Sequence[bytes]) -> int:
        """Writes after what was written before, and returns how many bytes these were."""
        size, written = sum(map(len, block)), self._write_pieces(block)
        while written < size:
            written += self._file.write(b"".join(block)[written:])
        return size

    def _write_pieces(self, block: Sequence[bytes]) -> int:
        # To join them first would take the lock of the interpreter from the event loop once more.
        if sys.platform == "win32" or not 0 < len(block) <= _MOST_PIECES:
            return 0
        return os.writev(self._file.fileno(), block)

    def restart(self) -> None:
        """Forgets what was written."""
        self._file.seek(0)
        self._file.truncate()

    def keep(self) -> None:
        """Gives the file its name, in place of one that may be there."""
        self._file.close()
        self._temporary.replace(self._path)

    def discard(self) -> None:
        """Removes the file, unless it was kept."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)
