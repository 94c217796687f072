"""What a download writes to."""

import errno
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.patience import PATIENCE
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
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device like a full disk here")
def test_a_full_disk_is_that_of_the_file_that_was_to_be(tmp_path: Path) -> None:
    file = PartialFile(tmp_path / "picture")
    with Path("/dev/full").open("wb", buffering=0) as full:
        os.dup2(full.fileno(), file._file.fileno())
    with pytest.raises(OSError, match="No space left") as caught:
        file.write([b"bytes"])
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "picture")
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_what_a_short_write_left_over_is_written_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "writev", lambda descriptor, pieces: os.write(descriptor, b"".join(pieces)[:4]))
    assert written(tmp_path) == b"onetwothreefour"


def kept(path: Path, name: str = "", content: bytes = b"new") -> Path:
    file = PartialFile(path)
    try:
        file.write([content])
        return file.keep(name)
    finally:
        file.discard()


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
class TestPermissions:
    @pytest.fixture(autouse=True)
    def umask(self) -> Iterator[None]:
        before = os.umask(0o027)
        yield
        os.umask(before)

    def test_file_is_its_owners_alone_until_it_is_whole(self, tmp_path: Path) -> None:
        file = PartialFile(tmp_path / "x")
        file.write([b"secret"])
        (partial,) = tmp_path.iterdir()
        assert mode_of(partial) == 0o600
        file.discard()
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o400, 0o755])
    def test_file_that_is_replaced_keeps_its_mode(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "x"
        path.touch()
        path.chmod(mode)
        assert kept(path) == path
        assert (mode_of(path), path.read_bytes() if mode & 0o200 else b"new") == (mode, b"new")

    def test_new_file_has_the_mode_that_new_files_have(self, tmp_path: Path) -> None:
        assert mode_of(kept(tmp_path / "x")) == 0o640
        assert mode_of(kept(tmp_path, "y")) == 0o640

    def test_program_in_place_of_which_a_file_comes_lends_it_nobodys_rights(self, tmp_path: Path) -> None:
        path = tmp_path / "x"
        path.touch()
        path.chmod(0o4755)
        assert mode_of(kept(path)) == 0o755

    def test_file_system_that_keeps_no_modes_takes_files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def not_here(*_: object) -> None:
            raise PermissionError("no modes here")

        monkeypatch.setattr(os, "fchmod", not_here)
        assert kept(tmp_path / "x").read_bytes() == b"new"

    def test_mode_of_what_a_link_leads_to_does_not_count(self, tmp_path: Path) -> None:
        (tmp_path / "outside").touch(0o600)
        (tmp_path / "x").symlink_to(tmp_path / "outside")
        assert mode_of(kept(tmp_path / "x")) == 0o640
        assert not (tmp_path / "x").is_symlink()


def test_file_in_a_folder_gets_a_number_where_its_name_is_taken(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"old")
    assert kept(tmp_path, "x.png") == tmp_path / "x-2.png"
    assert kept(tmp_path, "x.png") == tmp_path / "x-3.png"
    assert kept(tmp_path, "y.png") == tmp_path / "y.png"
    assert (tmp_path / "x.png").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("leads_to", ["outside", "nowhere", "."])
def test_link_in_a_folder_is_neither_followed_nor_replaced(tmp_path: Path, leads_to: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "outside").write_bytes(b"old")
    (folder / "x").symlink_to(tmp_path / leads_to)
    assert kept(folder, "x") == folder / "x-2"
    assert (folder / "x").is_symlink()
    assert (tmp_path / "outside").read_bytes() == b"old"
    assert not (tmp_path / "nowhere").exists()


def no_links(*_: object) -> None:
    raise PermissionError("no hard links here")


@pytest.mark.parametrize("links", [True, False])
def test_files_that_come_at_once_get_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    # As if each looked before any of them came.
    monkeypatch.setattr(os.path, "lexists", lambda _: False)
    paths: list[Path] = []
    together = threading.Barrier(8)

    def keep(number: int) -> None:
        file = PartialFile(tmp_path)
        file.write([b"%d" % number])
        together.wait(PATIENCE)
        paths.append(file.keep("x.png"))

    threads = [threading.Thread(target=keep, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(path.read_bytes() for path in paths) == [b"%d" % number for number in range(8)]
    assert sorted(paths) == sorted(tmp_path.iterdir())


def test_file_without_hard_links_has_the_usual_mode_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = mode_of(kept(tmp_path, "x"))
    monkeypatch.setattr(os, "link", no_links)
    assert mode_of(kept(tmp_path, "y")) == usual
