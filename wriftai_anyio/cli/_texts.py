"""Reads text from standard input, files and arguments: UTF-8 whatever the locale, without a byte order mark."""

import os
import sys
from pathlib import Path
from typing import BinaryIO

STANDARD_INPUT = "-"


def read_text(source: str) -> str:
    """Reads all of a file or of standard input.

    Args:
        source: The path, or `-`.

    Raises:
        ValueError: If it is not UTF-8 text.
        OSError: If it cannot be read.
    """
    if source != STANDARD_INPUT:
        return decoded(Path(source).read_bytes(), source)
    stream = sys.stdin
    if stream is None:
        raise ValueError("Standard input is closed.")
    # A stand-in for it, as in tests, may have no byte buffer.
    raw: BinaryIO | None = getattr(stream, "buffer", None)
    return stream.read().removeprefix("\ufeff") if raw is None else decoded(raw.read(), source_name(source))


def decoded(content: bytes, name: str) -> str:
    """Decodes text.

    Args:
        content: Its bytes.
        name: Its name in the error.

    Raises:
        ValueError: If it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not text in UTF-8 (see byte {error.start}): save it as UTF-8.") from None


def argument_text(argument: str) -> str:
    """Returns an argument decoded as UTF-8, whatever locale Python used to decode it.

    Raises:
        ValueError: If it is not UTF-8.
    """
    return argument if argument.isascii() else decoded(os.fsencode(argument), "An argument")


def source_name(source: str) -> str:
    """Returns the name of a source for the beginning of a sentence."""
    return "Standard input" if source == STANDARD_INPUT else source
