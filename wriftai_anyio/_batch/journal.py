"""The journal of a batch: which creates were intended and made, and how they ended, in a file that survives a kill.

It is one SQLite file with a row for each input that was read: first the intent to create its prediction, then the
prediction's id, finally the result. The file is locked while the batch runs. All functions block; they run in a thread
of the batch.
"""

import os
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, TypeAlias

from wriftai_anyio._concurrency import system
from wriftai_anyio._parsing.ids import is_id
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio._types.prediction import PredictionWithIO
from wriftai_anyio.errors import BatchJournalError
from wriftai_anyio.json_codec import JSONTextError, decode_json, encode_json

_APPLICATION_ID: Final = 0x57524654
_VERSION: Final = 1

_LARGEST_WHEN_NEW: Final = 2 * 65536
"""The most bytes of a new journal: two pages of SQLite's largest size."""

_PROBED: Final = 65536
"""Bytes written to test whether the disk is full: a page of SQLite's largest size."""

_SCHEMA: Final = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    sent_at TEXT,
    prediction_id TEXT,
    result TEXT
)
"""

_OTHERS: Final = "SELECT sql FROM sqlite_master WHERE NOT (type = 'table' AND name GLOB 'sqlite_stat[0-9]')"
"""Finds all statements that made the database: triggers and views would run whenever we write or read. SQLite stores
each statement as it was written, and makes the tables of statistics itself."""

_KNOWN: Final = "SELECT number, digest FROM entries"
_Known: TypeAlias = dict[int, bytes]
_Identity: TypeAlias = tuple[int, int]
"""The application's id and the version, which SQLite stores at the beginning of the file."""


Change: TypeAlias = tuple[str, tuple[object, ...]]
"""A statement and its values."""


def taken_in(number: int, digest: bytes) -> Change:
    """Notes an input.

    It must be written no later than the intent of any later input: then a journal of other inputs is recognized by
    the first input that differs, before anything is created.
    """
    return "INSERT INTO entries (number, digest) VALUES (?, ?)", (number, digest)


def intended(number: int, clock_lead: float = 0.0) -> Change:
    """Notes that a create is about to be sent. It replaces everything noted about an earlier, failed one.

    Args:
        number: The input's number, from 0.
        clock_lead: Seconds by which this machine's clock is ahead of the server's. The server's time is noted.
    """
    change = "UPDATE entries SET sent_at = ?, prediction_id = NULL, result = NULL WHERE number = ?"
    now = datetime.fromtimestamp(system.wall_time() - clock_lead, timezone.utc)
    return change, (now.isoformat(), number)


def not_created(number: int) -> Change:
    """Notes that nothing was created for an input."""
    return "UPDATE entries SET sent_at = NULL WHERE number = ? AND prediction_id IS NULL", (number,)


def created(number: int, prediction_id: str) -> Change:
    """Notes the id of the new prediction."""
    return "UPDATE entries SET prediction_id = ? WHERE number = ?", (prediction_id, number)


def ended(number: int, result: PredictionWithIO) -> Change:
    """Notes the ended prediction."""
    return "UPDATE entries SET result = ? WHERE number = ?", (encode_json(result), number)


@dataclass(frozen=True)
class Entry:
    """What the journal knows about one input.

    Attributes:
        is_sent: Whether its create was sent, or was about to be.
        prediction_id: The prediction's id; `None` if it is not known.
        result: The ended prediction; `None` if no end was noted.
    """

    is_sent: bool
    prediction_id: str | None
    result: JsonValue


class Journal:
    """An open journal, locked against other processes.

    Args:
        path: The file; it is created if it does not exist.

    Raises:
        BatchJournalError: If the file is not a journal, is damaged, or is in use. It is left as it was.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(fspath(path))
        # Stays valid if the program changes its folder; and SQLite would not open a file for the name `:memory:`.
        self._place = self._path.absolute()
        if self._is_new():
            self._make_private()
        if self._path.is_file() and not os.access(self._place, os.W_OK):  # SQLite would report a failing disk
            raise self._error("cannot be written", "its permissions let this user only read it")
        try:
            self._database = sqlite3.connect(self._place, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._error("cannot be opened", error) from error
        try:
            self._open()
        except sqlite3.Error as error:
            self._database.close()
            raise self._failure(error) from error
        except BatchJournalError:
            self._database.close()
            raise

    def _is_new(self) -> bool:
        """Checks the file first: anything but a journal is not opened for writing, which could change it."""
        try:
            if self._path.is_dir():
                raise self._error("cannot be opened", "it is a folder")
            if not self._path.exists() or self._path.stat().st_size == 0:
                return True
            # With SQLite, since closing the file otherwise would release the lock that this process holds on it.
            with closing(self._opened_to_read("&immutable=1")) as database:
                known = self._known_without_log(database)
                self._check_rollback(database)
                identity = self._identity_without_log(database)
        except (OSError, sqlite3.OperationalError) as error:
            raise self._error("cannot be read", error) from error
        if identity is None and known is None and not self._was_being_made():
            raise self._error("is damaged", "it is cut off, and the log file that may hold the rest is missing")
        if identity is not None:
            self._check_identity(identity)
        if known is not None:
            self._check_identity(self._identity_with_log(known))
        return False

    def _was_being_made(self) -> bool:
        """Returns whether a kill may have interrupted the file's creation: SQLite's rollback journal will empty it."""
        return self._has_beside("-journal") and self._path.stat().st_size <= _LARGEST_WHEN_NEW

    def _opened_to_read(self, options: str = "") -> sqlite3.Connection:
        return sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro{options}", uri=True, timeout=0)

    def _identity_without_log(self, database: sqlite3.Connection) -> "_Identity | None":
        """Returns the identity in the file itself; `None` if the file is too short to have one.

        It is too short if SQLite had begun to apply its log when it was killed or the disk was full.
        """
        try:
            return _identity(database)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            return None if "malformed" in str(error) else (0, 0)

    def _check_identity(self, identity: "_Identity") -> None:
        application_id, version = identity
        if application_id != _APPLICATION_ID:
            raise BatchJournalError(f"{self._path} is not the journal of a batch. It is left as it was.")
        if version != _VERSION:
            raise BatchJournalError(f"The journal {self._path} was written by another version of this package.")

    def _known_without_log(self, database: sqlite3.Connection) -> "_Known | None":
        """Returns what the file itself says, if SQLite's log of later changes is beside it, as after a kill."""
        if not self._has_beside("-wal"):
            return None
        with suppress(sqlite3.DatabaseError):
            return dict(database.execute(_KNOWN))
        return {}  # a kill while the log was applied leaves a file that cannot be read without it

    def _has_beside(self, suffix: str) -> bool:
        beside = self._path.with_name(self._path.name + suffix)
        return beside.is_file() and beside.stat().st_size > 0

    def _check_rollback(self, database: sqlite3.Connection) -> None:
        """Refuses another database's rollback journal: SQLite would apply it unchecked. Our journals leave none."""
        with suppress(sqlite3.DatabaseError):
            if self._has_beside("-journal") and database.execute("SELECT 1 FROM entries").fetchone():
                beside = f"{self._path.name}-journal"
                raise self._error(
                    f"does not belong to the rollback journal {beside} beside it", f"move {beside} elsewhere"
                )

    def _identity_with_log(self, known: "_Known") -> "_Identity":
        """Returns the identity of the file with its log, and refuses a log of another file.

        Such a log may lie beside a file that was moved here, and SQLite would apply it unchecked. It is recognized by
        inputs that are missing, since no input is ever removed from a journal. The file is opened only for reading,
        since closing it otherwise would apply the log.
        """
        index = self._path.with_name(f"{self._path.name}-shm")
        is_read_by_others = index.exists()
        try:
            with closing(self._opened_to_read()) as database:
                identity = _identity(database)
                after: _Known = dict(database.execute(_KNOWN))
        except sqlite3.Error as error:
            raise self._failure(error) from error
        finally:
            if not is_read_by_others:  # SQLite makes it to read a log; a batch has it in memory
                with suppress(OSError):
                    index.unlink(missing_ok=True)
        if not known.items() <= after.items():
            log = f"{self._path.name}-wal"
            problem = f"does not belong to the log file {log} beside it"
            raise self._error(problem, f"move {log} next to its own journal, or elsewhere")
        return identity

    def _make_private(self) -> None:
        """Makes the file readable only by its owner, since inputs and outputs are in it."""
        try:
            # The target of a link: SQLite would create it readable by all.
            os.close(os.open(os.path.realpath(self._path), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            # Empty, and perhaps readable by all; another owner's file stays so.
            with suppress(OSError):
                if self._path.is_file():  # not /dev/null, whose mode root can change for the whole machine
                    self._path.chmod(0o600)
        except OSError as error:
            raise self._error("cannot be opened", error) from error

    def _open(self) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("BEGIN EXCLUSIVE")
        statements = execute(_OTHERS).fetchmany(2)
        if not statements and _identity(self._database) == (0, 0):  # new, or half made and now rolled back
            execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            execute(f"PRAGMA user_version = {_VERSION}")
            execute(_SCHEMA)
        elif statements != [(_SCHEMA.strip(),)]:
            raise self._error("is damaged", "it has tables, views or triggers that no batch has made")
        elif (verdict := execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._error("is damaged", verdict)
        execute("COMMIT")
        execute("PRAGMA journal_mode = WAL")
        # A commit is on the disk before the request goes out: even after a power cut no create must be sent twice.
        execute("PRAGMA synchronous = FULL")
        try:
            self._file = self._place.stat()
        except OSError as error:
            raise self._error("cannot be opened", error) from error

    def entry(self, number: int, digest: bytes) -> Entry | None:
        """Looks up an input.

        Args:
            number: The input's number, from 0.
            digest: What identifies the input.

        Returns:
            What is known about it; `None` if it was never noted.

        Raises:
            BatchJournalError: If another input has this number: the journal belongs to other inputs.
        """
        row = self._one("SELECT digest, sent_at, prediction_id, result FROM entries WHERE number = ?", number)
        if row is None:
            return None
        known, sent_at, prediction_id, result = row
        texts = (sent_at, prediction_id, result)
        is_whole = isinstance(known, bytes) and all(text is None or isinstance(text, str) for text in texts)
        if not is_whole or not (prediction_id is None or is_id(prediction_id)):
            raise self._error("is damaged", f"the entry of input {number}")
        if known != digest:
            raise BatchJournalError(
                f"The journal {self._path} belongs to other inputs or another model (input {number} differs). Use the "
                "same inputs and model, or another journal."
            )
        return Entry(sent_at is not None, prediction_id, self._result(number, result))

    def _result(self, number: int, text: str | None) -> JsonValue:
        if text is None:
            return None
        try:
            return decode_json(text)
        except JSONTextError as error:
            raise self._error("is damaged", f"the result of input {number} is not JSON ({error})") from None

    def unknown_since(self) -> datetime | None:
        """Returns when the first create with an unknown outcome was sent; `None` if there is none.

        Raises:
            BatchJournalError: If the journal is damaged.
        """
        (sent_at,) = self._one("SELECT min(sent_at) FROM entries WHERE prediction_id IS NULL") or (None,)
        if sent_at is None:
            return None
        try:
            since = datetime.fromisoformat(sent_at)
        except (TypeError, ValueError):
            since = datetime.min
        # A time in the year 1 cannot be compared with one in another time zone, and no batch ran then.
        if since.tzinfo is None or since.year == datetime.min.year:
            raise self._error("is damaged", f"{sent_at!r} is not the time of a create")
        return since

    def has(self, prediction_id: str) -> bool:
        """Returns whether a prediction belongs to an input."""
        return self._one("SELECT 1 FROM entries WHERE prediction_id = ?", prediction_id) is not None

    def change(self, changes: list["Change"]) -> None:
        """Makes changes in one transaction; when it returns, they are on the disk.

        Raises:
            BatchJournalError: If it cannot be written.
        """
        self._check_place()
        try:
            self._database.execute("BEGIN")
            for statement, values in changes:
                self._database.execute(statement, values)
            self._database.execute("COMMIT")
        except BaseException as error:
            # For any error, such as text that SQLite refuses: half a transaction must not stay open for the next one.
            with suppress(sqlite3.Error):
                self._database.rollback()
            if isinstance(error, sqlite3.OperationalError):
                raise self._error("cannot be written", self._refused(error) or error) from error
            if isinstance(error, Exception):
                raise self._error("cannot be written", error) from error
            raise

    def _check_place(self) -> None:
        """Refuses to go on if the file was moved or deleted: SQLite would still write to it, unseen by later runs."""
        try:
            found = self._place.stat()
        except FileNotFoundError:
            found = None
        except OSError:  # such as a missing permission: the write that follows shows whether it matters
            return
        if found is None or not os.path.samestat(found, self._file) or not found.st_size:
            with suppress(sqlite3.Error):  # a moved file gets the content of the log, which stays behind
                self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            raise self._error("cannot be written", "it was moved, deleted, replaced or emptied; put it back")

    def close(self) -> None:
        """Closes the file and lets others use it."""
        self._database.close()

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._error("cannot be read", error) from error
        return row

    def _failure(self, error: sqlite3.Error) -> BatchJournalError:
        if not isinstance(error, sqlite3.OperationalError):
            return self._error("is damaged", error)
        if refused := self._refused(error):
            return self._error("cannot be written", refused)
        return self._error("is in use by another batch" if _says_locked(error) else "cannot be written", error)

    def _refused(self, error: sqlite3.OperationalError) -> str | None:
        """Returns what the file system refuses when SQLite fails to write; `None` if nothing is found.

        SQLite may report a full disk as "disk I/O error", and a disk without locks, such as some network drives, as
        "database is locked". This is tested on a separate file, since closing the journal's file would release the lock
        that this process holds on it.
        """
        try:
            with tempfile.TemporaryFile(dir=Path(os.path.realpath(self._place)).parent) as file:
                file.write(bytes(0 if _says_locked(error) else _PROBED))
                file.flush()
                return _refused_lock(file.fileno())
        except OSError as refusal:
            return None if _says_locked(error) else refusal.strerror

    def _error(self, problem: str, detail: object) -> BatchJournalError:
        return BatchJournalError(f"The journal {self._path} {problem}: {detail}.")


def _identity(database: sqlite3.Connection) -> _Identity:
    (application_id,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return application_id, version


def _says_locked(error: sqlite3.OperationalError) -> bool:
    return "locked" in str(error)


def _refused_lock(descriptor: int) -> str | None:
    try:
        import fcntl
    except ImportError:  # on Windows
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return f"its file system does not lock files ({error.strerror}); put it on a local disk"
    return None
