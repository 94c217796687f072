"""What a download writes to."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from wriftai_anyio._files import atomic_file
from wriftai_anyio._files.atomic_file import PartialFile

BLOCKS: Sequence[Sequence[bytes]] = ([b"one", b"two", b"three"], [], [b"", b"four"])


def written(folder: Path) -> bytes:
    file = PartialFile(folder / "x")
    assert [file.write(block) for block in BLOCKS] == [11, 0, 4]
    file.keep()
    return (folder / "x").read_bytes()


def test_blocks_are_written_whole_and_in_order(tmp_path: Path) -> None:
    assert written(tmp_path) == b"onetwothreefour"


def test_more_pieces_than_the_system_takes_at_once_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_file, "_MOST_PIECES", 2)
    assert written(tmp_path) == b"onetwothreefour"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows writes one piece at a time")
def test_what_a_short_write_left_over_is_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "writev", lambda descriptor, pieces: os.write(descriptor, b"".join(pieces)[:4]))
    assert written(tmp_path) == b"onetwothreefour"
