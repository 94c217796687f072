"""A journal without a batch around it: what it keeps of each input, and what it says where something is wrong."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from tests.support.clients import ID, prediction
from wriftai_anyio import BatchJournalError
from wriftai_anyio._batch.journal import Change, Entry, Journal, created, ended, intended, not_created, taken_in

NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
RESULT: Any = prediction()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    now = [NOW]
    monkeypatch.setattr("wriftai_anyio._concurrency.system.wall_time", lambda: now[0].timestamp())
    return now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def digest(number: int) -> bytes:
    return f"digest {number}".encode()


def journal_with(path: Path, *changes: Change) -> None:
    """Makes a journal that has taken in three inputs."""
    with closing(Journal(path)) as journal:
        journal.change([taken_in(number, digest(number)) for number in range(3)])
        journal.change(list(changes))


def entries(path: Path) -> list[Entry | None]:
    """Returns what the journal has of the three inputs, opened anew."""
    with closing(Journal(path)) as journal:
        return [journal.entry(number, digest(number)) for number in range(3)]


def replace(path: Path) -> None:
    path.unlink()
    journal_with(path)


def unknown_since(path: Path) -> datetime | None:
    with closing(Journal(path)) as journal:
        return journal.unknown_since()


TAKEN_IN, SENT = (
    Entry(is_sent=False, prediction_id=None, result=None),
    Entry(is_sent=True, prediction_id=None, result=None),
)


class TestKeeping:
    @pytest.mark.parametrize(
        ("changes", "kept"),
        [
            ([], TAKEN_IN),
            ([intended(1)], SENT),
            ([intended(1), not_created(1)], TAKEN_IN),
            ([intended(1), created(1, ID)], Entry(is_sent=True, prediction_id=ID, result=None)),
            ([intended(1), created(1, ID), not_created(1)], Entry(is_sent=True, prediction_id=ID, result=None)),
            ([intended(1), created(1, ID), ended(1, RESULT)], Entry(is_sent=True, prediction_id=ID, result=RESULT)),
            ([intended(1), created(1, ID), ended(1, RESULT), intended(1)], SENT),
        ],
        ids=["taken in", "intended", "not created", "created", "created after all", "ended", "to be created again"],
    )
    def test_each_step_of_an_input_is_kept_and_changes_no_other(
        self, path: Path, changes: list[Change], kept: Entry
    ) -> None:
        journal_with(path, *changes)
        assert entries(path) == [TAKEN_IN, kept, TAKEN_IN]

    def test_an_input_that_was_never_taken_in_is_not_known(self, path: Path) -> None:
        journal_with(path)
        with closing(Journal(path)) as journal:
            assert journal.entry(3, digest(3)) is None

    def test_the_predictions_of_its_inputs_are_known_and_no_others(self, path: Path) -> None:
        journal_with(path, created(1, ID))
        with closing(Journal(path)) as journal:
            assert (journal.has(ID), journal.has("another")) == (True, False)

    def test_the_first_create_without_an_outcome_says_since_when_to_look(
        self, path: Path, clock: list[datetime]
    ) -> None:
        sent: list[Change] = []
        for number in range(3):
            clock[0] = NOW + timedelta(seconds=number)
            sent.append(intended(number))
        journal_with(path)
        assert unknown_since(path) is None
        with closing(Journal(path)) as journal:
            journal.change([*sent, created(0, ID)])
            assert journal.unknown_since() == NOW + timedelta(seconds=1)
            journal.change([not_created(1)])
            assert journal.unknown_since() == NOW + timedelta(seconds=2)
            journal.change([created(2, "another")])
            assert journal.unknown_since() is None

    def test_a_commit_is_on_the_disk_before_a_request_goes_out(self, path: Path) -> None:
        journal_with(path)
        with closing(Journal(path)) as journal:
            full, wal = (
                journal._database.execute(f"PRAGMA {each}").fetchone()[0] for each in ("synchronous", "journal_mode")
            )
        assert (full, wal) == (2, "wal")

    @pytest.mark.anyio
    async def test_it_is_used_on_a_thread_of_its_own_whichever_opened_it(self, path: Path) -> None:
        journal_with(path)
        with closing(await to_thread.run_sync(Journal, path)) as journal:
            assert journal.entry(0, digest(0)) == TAKEN_IN

    def test_a_name_with_signs_that_mean_something_in_an_address_is_only_a_name(self, tmp_path: Path) -> None:
        path = tmp_path / "all #1 %41"
        journal_with(path, intended(0))
        assert entries(path) == [SENT, TAKEN_IN, TAKEN_IN]
        assert [each.name for each in tmp_path.iterdir()] == [path.name]


def write(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement, values)


def refused(path: Path, look: Callable[[], object]) -> BatchJournalError:
    """Looks, and checks that the file is left as it was."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(BatchJournalError) as caught:
        look()
    assert before == (path.read_bytes() if path.is_file() else None)
    return caught.value


class TestRefusing:
    @pytest.mark.parametrize(
        ("column", "value"),
        [("digest", "text"), ("sent_at", b"x"), ("prediction_id", b"x"), ("prediction_id", ".."), ("result", b"x")],
    )
    def test_a_damaged_entry_is_named_by_its_input(self, path: Path, column: str, value: object) -> None:
        journal_with(path)
        write(path, f"UPDATE entries SET {column} = ? WHERE number = 1", value)
        error = refused(path, lambda: entries(path))
        assert str(error) == f"The journal {path} is damaged: the entry of input 1."

    def test_a_result_that_is_not_json_is_named_by_its_input(self, path: Path) -> None:
        journal_with(path)
        write(path, "UPDATE entries SET result = '{' WHERE number = 1")
        error = refused(path, lambda: entries(path))
        assert str(error).startswith(f"The journal {path} is damaged: the result of input 1 is not JSON (")

    @pytest.mark.parametrize("sent_at", ["yesterday", "2026-05-01T12:00:00", "0001-01-01T00:00:00+00:00", 7])
    def test_what_is_not_the_time_of_a_create_is_named(self, path: Path, sent_at: object) -> None:
        journal_with(path)
        write(path, "UPDATE entries SET sent_at = ? WHERE number = 1", sent_at)
        shown = repr(sent_at if isinstance(sent_at, str) else str(sent_at))
        error = refused(path, lambda: unknown_since(path))
        assert str(error) == f"The journal {path} is damaged: {shown} is not the time of a create."

    def test_times_of_any_zone_and_of_all_but_the_first_year_are_taken(self, path: Path) -> None:
        for sent_at in ("0002-01-01T00:00:00+00:00", "2026-05-01T12:00:00-05:00"):
            path.unlink(missing_ok=True)
            journal_with(path)
            write(path, "UPDATE entries SET sent_at = ? WHERE number = 1", sent_at)
            assert unknown_since(path) == datetime.fromisoformat(sent_at)

    def test_the_first_input_that_differs_is_named_with_what_to_do(self, path: Path) -> None:
        journal_with(path)
        with closing(Journal(path)) as journal:
            error = refused(path, lambda: journal.entry(1, digest(2)))
        assert str(error) == (
            f"The journal {path} belongs to other inputs or another model (input 1 differs). Use the same inputs "
            "and model, or another journal."
        )

    def test_what_is_not_a_journal_is_said_to_be_none_and_is_left(self, path: Path) -> None:
        path.write_text("my notes")
        error = refused(path, lambda: Journal(path))
        assert str(error) == f"{path} is not the journal of a batch. It is left as it was."

    def test_one_of_another_version_is_said_to_be_that(self, path: Path) -> None:
        journal_with(path)
        write(path, "PRAGMA user_version = 2")
        error = refused(path, lambda: Journal(path))
        assert str(error) == f"The journal {path} was written by another version of this package."

    def test_a_page_that_was_overwritten_is_found_on_opening(self, path: Path) -> None:
        journal_with(path)
        content = path.read_bytes()
        path.write_bytes(content[:4096] + b"\xff" * 200 + content[4296:])
        error = refused(path, lambda: Journal(path))
        assert str(error).startswith(f"The journal {path} is damaged: ")
        assert not str(error).endswith(": None.")

    def test_what_a_stranger_made_is_said_to_be_strange(self, path: Path) -> None:
        journal_with(path)
        write(path, "CREATE VIEW v AS SELECT * FROM entries")
        error = refused(path, lambda: Journal(path))
        assert str(error) == (
            f"The journal {path} is damaged: it has tables, views or triggers that no batch has made."
        )

    def test_a_folder_is_said_to_be_one(self, tmp_path: Path) -> None:
        error = refused(tmp_path, lambda: Journal(tmp_path))
        assert str(error) == f"The journal {tmp_path} cannot be opened: it is a folder."

    def test_one_in_use_is_said_to_be_in_use_until_it_is_closed(self, path: Path) -> None:
        journal_with(path)
        with closing(Journal(path)):
            error = refused(path, lambda: Journal(path))
            assert str(error) == f"The journal {path} is in use by another batch: {error.__cause__}."
        assert entries(path) == [TAKEN_IN] * 3

    @pytest.mark.parametrize(
        ("prepare", "problem", "cause"),
        [
            (lambda path: path.rmdir(), "cannot be opened", OSError),
            (lambda path: (path / "journal-wal").mkdir(), "cannot be written", sqlite3.OperationalError),
        ],
        ids=["no folder", "no place for what SQLite writes"],
    )
    def test_a_place_where_it_cannot_be_says_why(
        self, tmp_path: Path, prepare: Callable[[Path], object], problem: str, cause: type[Exception]
    ) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        prepare(folder)
        path = folder / "journal"
        with pytest.raises(BatchJournalError) as caught:
            Journal(path)
        assert isinstance(caught.value.__cause__, cause)
        assert str(caught.value) == f"The journal {path} {problem}: {caught.value.__cause__}."

    def test_one_that_this_user_may_only_read_is_said_to_be_that(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        journal_with(path)
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write whatever its permissions
        error = refused(path, lambda: Journal(path))
        assert str(error) == f"The journal {path} cannot be written: its permissions let this user only read it."

    @pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
    def test_a_link_that_leads_to_itself_says_why(self, path: Path) -> None:
        path.symlink_to(path)
        with pytest.raises(BatchJournalError) as caught:
            Journal(path)
        assert str(caught.value) == f"The journal {path} cannot be opened: {caught.value.__cause__}."

    def test_a_path_that_cannot_even_be_looked_at_says_why(self, tmp_path: Path) -> None:
        path = tmp_path / ("x" * 300)
        with pytest.raises(BatchJournalError) as caught:
            Journal(path)
        assert isinstance(caught.value.__cause__, OSError)
        # Python 3.14 takes it for one that is not there.
        assert str(caught.value) in [
            f"The journal {path} cannot be {each}: {caught.value.__cause__}." for each in ("read", "opened")
        ]

    def test_where_reading_or_writing_fails_it_says_why(self, path: Path) -> None:
        journal_with(path)
        journal = Journal(path)
        journal.close()
        uses: dict[str, Callable[[], object]] = {
            "read": lambda: journal.entry(0, digest(0)),
            "written": lambda: journal.change([intended(0)]),
        }
        for use, look in uses.items():
            error = refused(path, look)
            assert isinstance(error.__cause__, sqlite3.Error)
            assert str(error) == f"The journal {path} cannot be {use}: {error.__cause__}."

    @pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody move what is open")
    @pytest.mark.parametrize(
        "remove",
        [
            lambda path: path.unlink(),
            lambda path: path.rename(path.with_name("elsewhere")),
            lambda path: path.write_bytes(b""),
            replace,
        ],
        ids=["deleted", "moved", "emptied", "replaced"],
    )
    def test_where_it_has_left_its_place_it_is_not_written(self, path: Path, remove: Callable[[Path], object]) -> None:
        journal_with(path)
        with closing(Journal(path)) as journal:
            journal.change([intended(0)])
            remove(path)
            with pytest.raises(BatchJournalError, match="moved, deleted, replaced or emptied; put it back"):
                journal.change([intended(1)])

    @pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody move what is open")
    def test_one_that_was_moved_has_all_that_was_written(self, path: Path) -> None:
        journal_with(path)
        moved = path.with_name("elsewhere")
        with closing(Journal(path)) as journal:
            journal.change([intended(0)])
            path.rename(moved)
            with pytest.raises(BatchJournalError, match="moved"):
                journal.change([intended(1)])
        assert entries(moved) == [SENT, TAKEN_IN, TAKEN_IN]

    @pytest.mark.parametrize("name", ["journal", ":memory:"])
    def test_a_name_alone_is_that_of_a_file_in_the_folder_of_then(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        journal_with(Path(name))
        with closing(Journal(name)) as journal:
            monkeypatch.chdir("/")
            journal.change([intended(0)])
        assert entries(tmp_path / name) == [SENT, TAKEN_IN, TAKEN_IN]

    def test_half_a_transaction_does_not_wait_for_the_next(self, path: Path) -> None:
        journal_with(path)
        with closing(Journal(path)) as journal:
            with pytest.raises(BatchJournalError, match="cannot be written") as caught:
                journal.change([intended(0), taken_in(1, digest(1))])
            assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
            journal.change([intended(2)])
        assert entries(path) == [TAKEN_IN, TAKEN_IN, SENT]
