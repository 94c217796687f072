"""File names from untrusted sources: from an address, or from a server's headers."""

import re
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import PurePath
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

import httpx

from wriftai_anyio._types.media_types import suffix_of

LONGEST_NAME: Final = 120
"""Bytes in UTF-8. Most file systems allow 255, encrypted ones 143, and a number may be added."""
NAMELESS: Final = "file"

# Strings, since compiling them on import would slow down every start; see `plain_text`.
_SEPARATORS = r"[/\\]"
_FORBIDDEN_ON_WINDOWS = r'[<>:"|?*]'
# Also with a suffix. Windows treats the superscript digits as digits, too.
_RESERVED_ON_WINDOWS = r"(?i)(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])\s*(\..*)?"
_PARAMETER = r'(?s);\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"\s]*)'
_QUOTED_PAIR = r"(?s)\\(.)"


def safe_name(name: str) -> str:
    """Turn an untrusted name into one that is safe in any folder on any system.

    The result has no separators, control characters or invisible characters, does not begin with a dot or a dash (as
    hidden files and options of commands do), is not reserved on Windows, and is at most 120 bytes long.

    Args:
        name: The name; of a path, only the last part is used.

    Returns:
        The safe name; empty if nothing is left.

    Example:
        ```python
        path = folder / (safe_name(upload.filename) or "file")
        ```
    """
    last = re.split(_SEPARATORS, name.rstrip("/\\"))[-1]
    # Lone surrogates cannot be encoded, and characters that change the direction of text hide a suffix. None of them
    # counts as printable.
    printable = "".join(character if character.isprintable() else "_" for character in last)
    # Windows drops trailing dots and spaces.
    trimmed = re.sub(_FORBIDDEN_ON_WINDOWS, "_", printable).lstrip(".- ").rstrip(". ")
    short = _shortened(trimmed)
    return _shortened(f"_{short}") if re.fullmatch(_RESERVED_ON_WINDOWS, short) else short


def _shortened(name: str) -> str:
    if len(name.encode()) <= LONGEST_NAME:
        return name
    stem, suffix = _parted(name)
    room = LONGEST_NAME - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + suffix


def _parted(name: str) -> tuple[str, str]:
    suffix = PurePath(name).suffix
    # A longer suffix counts as part of the name.
    return (name.removesuffix(suffix), suffix) if 0 < len(suffix.encode()) <= LONGEST_NAME // 4 else (name, "")


def numbered(name: str) -> Iterator[str]:
    """Yields a name, then the same name with 2, 3, … before its suffix, without end."""
    yield name
    stem, suffix = _parted(name)
    for number in count(2):
        yield f"{stem}-{number}{suffix}"


def name_in(address: str) -> str:
    """Returns the safe name at the end of an address's path; empty if there is none."""
    path = address.partition("#")[0].partition("?")[0].partition("://")[2]
    return safe_name(unquote(path.partition("/")[2]))


def name_of(address: httpx.URL, headers: httpx.Headers) -> str:
    """Returns the safe name for a download: from the server's headers, or else from the end of its address.

    Args:
        address: The requested address.
        headers: The headers of the answer.
    """
    name = safe_name(disposition_name(headers)) or name_in(str(address)) or NAMELESS
    return name if _parted(name)[1] else _shortened(name + suffix_of(headers.get("content-type", "")))


def disposition_name(headers: Mapping[str, str]) -> str:
    """Returns the name in a `Content-Disposition` (RFC 6266), as received; empty if there is none."""
    found: dict[str, str] = {}
    for parameter in re.finditer(_PARAMETER, headers.get("content-disposition", "")):
        found.setdefault(parameter[1].lower(), parameter[2])
    return _extended(found.get("filename*", "")) or _unquoted(found.get("filename", ""))


def _unquoted(value: str) -> str:
    return re.sub(_QUOTED_PAIR, r"\1", value[1:-1]) if value.startswith('"') else value


def _extended(value: str) -> str:
    """Decodes a value of RFC 5987 (now RFC 8187), such as `UTF-8''caf%C3%A9.png`; empty if it is not valid."""
    charset, _, rest = _unquoted(value).partition("'")
    encoded = rest.partition("'")[2]
    if charset.lower() not in {"utf-8", "iso-8859-1", "us-ascii"}:
        return ""
    return unquote_to_bytes(encoded).decode(charset, errors="replace")
