"""Files of SQLite beside a journal that are not its own: it is left as it was, and nothing is created again."""

import os
import shutil
import sqlite3
import struct
from contextlib import closing
from pathlib import Path

import pytest

from wriftai_anyio import BatchJournalError
from wriftai_anyio._batch.journal import Entry, Journal, created, intended, taken_in

DIGEST = b"d" * 32
ID = "created-before"


def written(path: Path, numbers: range, digest: bytes = DIGEST) -> None:
    """Writes a journal of inputs that were created."""
    with closing(Journal(path)) as journal:
        for number in numbers:
            journal.change([taken_in(number, digest), intended(number), created(number, ID)])


def killed(path: Path, numbers: range, folder: Path, digest: bytes = DIGEST) -> None:
    """Writes more into a journal, as far as a kill leaves it: what came last is in the log beside it alone."""
    original = folder / "running"
    if path.exists():
        shutil.copy(path, original)
    with closing(Journal(original)) as journal:
        journal.change([taken_in(number, digest) for number in numbers])
        for suffix in ("", "-wal"):
            shutil.copy(f"{original}{suffix}", f"{path}{suffix}")


def entries(path: Path, numbers: range) -> list[Entry | None]:
    with closing(Journal(path)) as journal:
        return [journal.entry(number, DIGEST) for number in numbers]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def test_a_journal_goes_on_with_its_own_log_after_a_kill(path: Path, elsewhere: Path) -> None:
    written(path, range(3))
    killed(path, range(3, 9), elsewhere)
    assert path.with_name("journal-wal").stat().st_size
    found = entries(path, range(9))
    assert [entry and entry.prediction_id for entry in found] == [ID] * 3 + [None] * 6
    assert None not in found
    assert [each.name for each in path.parent.iterdir() if each.is_file()] == ["journal"]


@pytest.mark.parametrize("pages", [1, 2, 3])
def test_a_journal_to_which_its_log_was_applied_in_part_goes_on_and_without_the_log_is_damaged(
    path: Path, elsewhere: Path, pages: int
) -> None:
    # SQLite was killed meanwhile, or the disk was full: the first page counts pages that the file does not have.
    killed(path, range(200), elsewhere)
    whole = elsewhere / "whole"
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{whole}{suffix}")
    Journal(whole).close()
    cut = whole.read_bytes()[: 4096 * pages]
    assert len(cut) < whole.stat().st_size
    path.write_bytes(cut)
    log = path.with_name("journal-wal").read_bytes()
    assert None not in entries(path, range(200))
    path.write_bytes(cut)
    with pytest.raises(BatchJournalError, match="is damaged: it is cut off, and the log file that may hold the rest"):
        Journal(path)
    assert path.read_bytes() == cut
    text = b"my notes" * 1000
    path.write_bytes(text)
    path.with_name("journal-wal").write_bytes(log)
    with pytest.raises(BatchJournalError, match="is not the journal of a batch"):
        Journal(path)
    assert path.read_bytes() == text


@pytest.mark.parametrize("pages", [1, 2])
def test_a_journal_whose_making_was_killed_is_made_anew(path: Path, pages: int) -> None:
    written(path, range(0))
    size = path.stat().st_size
    assert size == 2 * 4096
    path.write_bytes(path.read_bytes()[: 4096 * pages])
    # As SQLite writes it before the first page: there are none to go back to.
    header = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + struct.pack(">iIIII", -1, 7, 0, 512, 4096)
    path.with_name("journal-journal").write_bytes(header.ljust(512, b"\0"))
    assert entries(path, range(1)) == [None]
    written(path, range(2))
    assert None not in entries(path, range(2))
    assert [each.name for each in path.parent.iterdir()] == ["journal"]
    if os.name != "nt":
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_journal_with_the_log_of_another_is_refused_and_left_as_it_was(path: Path, elsewhere: Path) -> None:
    written(path, range(3))
    other = elsewhere / "other"
    killed(other, range(100, 140), elsewhere)
    shutil.copy(f"{other}-wal", f"{path}-wal")
    before = path.read_bytes()
    said = "does not belong to the log file journal-wal beside it: move journal-wal next to its own journal"
    for _ in range(2):
        with pytest.raises(BatchJournalError, match=said):
            Journal(path)
    assert path.read_bytes() == before
    assert not path.with_name("journal-shm").exists()
    path.with_name("journal-wal").unlink()
    assert [entry and entry.prediction_id for entry in entries(path, range(3))] == [ID] * 3


def test_a_log_beside_no_journal_is_not_applied(path: Path, elsewhere: Path) -> None:
    killed(path, range(9), elsewhere)
    path.unlink()
    assert entries(path, range(9)) == [None] * 9


def test_a_journal_with_the_rollback_journal_of_another_database_is_refused_and_left_as_it_was(path: Path) -> None:
    written(path, range(3))
    other = path.with_name("other")
    with closing(sqlite3.connect(other, isolation_level=None)) as database:
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (zeroblob(40000))")
        database.execute("PRAGMA cache_size = 1")
        database.execute("BEGIN")
        database.execute("UPDATE t SET x = randomblob(40000)")
        shutil.copy(f"{other}-journal", f"{path}-journal")
    before = path.read_bytes()
    said = "rollback journal journal-journal beside it: move journal-journal elsewhere"
    with pytest.raises(BatchJournalError, match=said):
        Journal(path)
    assert path.read_bytes() == before
    path.with_name("journal-journal").unlink()
    assert [entry and entry.prediction_id for entry in entries(path, range(3))] == [ID] * 3
