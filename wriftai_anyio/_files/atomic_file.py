"""A file that gets its name once it is complete."""

import errno
import io
import os
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from .names import numbered

_MOST_PIECES: Final = 0 if sys.platform == "win32" else os.sysconf("SC_IOV_MAX")
"""How many pieces the system writes in one call."""
_OWNER_ALONE: Final = 0o600


class PartialFile:
    """A file that is written under a temporary name in its folder. It blocks: use it in one thread off the event loop.

    Until it is whole, only its owner can read it.

    Args:
        path: Where the file goes; or a folder, in which it gets a free name.

    Raises:
        OSError: If the path is a device, or its folder does not exist or cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_named = not path.is_dir()
        if self._is_named and path.exists() and not path.is_file():
            raise FileExistsError(
                errno.EEXIST, "This is a device or a pipe, which no file can take the place of", str(path)
            )
        self._folder = path.parent if self._is_named else path
        if not self._folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, "There is no such folder to write to", str(self._folder))
        self._temporary = _unused(self._folder)
        self._file = io.FileIO(self._temporary, "xb", opener=_for_owner)

    def write(self, block: Sequence[bytes]) -> int:
        """Appends a block, and returns how many bytes it had.

        Raises:
            OSError: If they cannot be written, such as on a full disk; it names the final path of the file.
        """
        try:
            size, written = sum(map(len, block)), self._write_pieces(block)
            while written < size:
                written += self._file.write(b"".join(block)[written:])
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        return size

    def _write_pieces(self, block: Sequence[bytes]) -> int:
        # Joining them first would once more hold the GIL, which the event loop needs.
        if sys.platform == "win32" or not 0 < len(block) <= _MOST_PIECES:
            return 0
        return os.writev(self._file.fileno(), block)

    def restart(self) -> None:
        """Discards what was written."""
        self._file.seek(0)
        self._file.truncate()

    def keep(self, name: str = "") -> Path:
        """Gives the file its name.

        Args:
            name: Its name in the folder, which must be safe. If that name is taken, a number is added. Not used if the
                file's path was given: then it replaces what is there, and keeps its mode.

        Returns:
            Its path.
        """
        mode = _mode_at(self._path) if self._is_named else None
        if sys.platform != "win32":
            with suppress(OSError):  # some file systems keep no modes
                os.fchmod(self._file.fileno(), _usual_mode(self._folder) if mode is None else mode)
        self._file.close()
        if self._is_named:
            self._temporary.replace(self._path)
            return self._path
        return self._keep_beside_others(name)

    def _keep_beside_others(self, name: str) -> Path:
        for free in numbered(name):
            path = self._folder / free
            # Looking first is cheaper than a failed attempt, and many files of one name would fail many times.
            if not os.path.lexists(path) and _moved(self._temporary, path):
                return path
        raise AssertionError

    def discard(self) -> None:
        """Removes the file, unless it was kept."""
        self._file.close()
        self._temporary.unlink(missing_ok=True)


def _unused(folder: Path) -> Path:
    return folder / f".{os.urandom(8).hex()}.part"


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, _OWNER_ALONE)


def _mode_at(path: Path) -> int | None:
    """Returns the permissions of the file at a path; `None` if there is none, or a link, which is not followed."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else None


def _usual_mode(folder: Path) -> int:
    """Returns the permissions of new files in a folder.

    An empty file shows them: the umask can only be read by setting it, for all threads.
    """
    probe = _unused(folder)
    with probe.open("xb") as file:
        probe.unlink()
        return stat.S_IMODE(os.fstat(file.fileno()).st_mode)


def _moved(temporary: Path, path: Path) -> bool:
    """Renames a file atomically, and returns `False` if anything, even a link, already has that name."""
    try:
        if sys.platform == "win32":
            temporary.rename(path)  # which never replaces a file there
        else:
            os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # no hard links on this file system, such as FAT
        return _moved_to_placeholder(temporary, path)
    temporary.unlink(missing_ok=True)
    return True


def _moved_to_placeholder(temporary: Path, path: Path) -> bool:
    try:
        path.touch(_OWNER_ALONE, exist_ok=False)
    except FileExistsError:
        return False
    try:
        temporary.replace(path)
    except BaseException:
        path.unlink()
        raise
    return True
