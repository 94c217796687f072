"""The journal of a batch: what was meant, what was created, what came of it, in a file that survives a kill.

One SQLite file, one row for each input that was taken in: first the intent to create it, then the prediction's id,
at last the result. The file is locked while the batch runs. All functions block; they run on a thread of the batch.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Final, TypeAlias

from wriftai_anyio._concurrency import system
from wriftai_anyio._types.file import File
from wriftai_anyio._types.json import JsonValue
from wriftai_anyio._types.prediction import PredictionWithIO
from wriftai_anyio.errors import BatchJournalError

_APPLICATION_ID: Final = 0x57524654
_VERSION: Final = 1

_SCHEMA: Final = """
CREATE TABLE entries (
    number INTEGER PRIMARY KEY,
    digest BLOB NOT NULL,
    sent_at TEXT,
    prediction_id TEXT,
    result TEXT
)
"""


Change: TypeAlias = tuple[str, tuple[object, ...]]
"""A statement and its values."""


def taken_in(number: int, digest: bytes) -> Change:
    """Notes an input.

    It must be written at the latest with the intent of any later one: then a journal of other inputs is known by the
    first that differs, before anything is created.
    """
    return "INSERT INTO entries (number, digest) VALUES (?, ?)", (number, digest)


def intended(number: int) -> Change:
    """Notes that a create is about to be sent."""
    return "UPDATE entries SET sent_at = ? WHERE number = ?", (_now().isoformat(), number)


def _now() -> datetime:
    return datetime.fromtimestamp(system.wall_time(), timezone.utc)


def not_created(number: int) -> Change:
    """Notes that nothing was created for an input."""
    return "UPDATE entries SET sent_at = NULL WHERE number = ? AND prediction_id IS NULL", (number,)


def created(number: int, prediction_id: str) -> Change:
    """Notes the id of what was created."""
    return "UPDATE entries SET prediction_id = ? WHERE number = ?", (prediction_id, number)


def ended(number: int, result: PredictionWithIO) -> Change:
    """Notes the ended prediction."""
    return "UPDATE entries SET result = ? WHERE number = ?", (json.dumps(result), number)


@dataclass(frozen=True)
class Entry:
    """What the journal knows of one input.

    Attributes:
        is_sent: Whether its create was sent, or about to be.
        prediction_id: The prediction's id; `None` if it is not known.
        result: The ended prediction; `None` if it had not ended.
    """

    is_sent: bool
    prediction_id: str | None
    result: JsonValue


class Journal:
    """An open journal, locked against other processes.

    Args:
        path: The file; made if it does not exist.

    Raises:
        BatchJournalError: If the file is no journal, is damaged, or is in use. It is left as it was.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(fspath(path))
        is_new = self._is_new()
        try:
            self._database = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._error("cannot be opened", error) from error
        try:
            self._open(is_new=is_new)
        except sqlite3.Error as error:
            self._database.close()
            raise self._error(_problem(error), error) from error
        except BatchJournalError:
            self._database.close()
            raise

    def _is_new(self) -> bool:
        """Looks at the file first: what is no journal is not opened for writing, which could change it."""
        if self._path.is_dir():
            raise self._error("cannot be opened", "it is a folder")
        try:
            if not self._path.exists() or self._path.stat().st_size == 0:
                return True
            # By SQLite: whoever closes a file that he opened by himself gives up the process's own lock of it.
            with closing(sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as database:
                (application_id,) = database.execute("PRAGMA application_id").fetchone()
                (version,) = database.execute("PRAGMA user_version").fetchone()
        except (OSError, sqlite3.OperationalError) as error:
            raise self._error("cannot be read", error) from error
        except sqlite3.DatabaseError:
            application_id = version = None
        if application_id != _APPLICATION_ID:
            raise BatchJournalError(f"{self._path} is not the journal of a batch. It is left as it was.")
        if version != _VERSION:
            raise BatchJournalError(f"The journal {self._path} was written by another version of this package.")
        return False

    def _open(self, *, is_new: bool) -> None:
        execute = self._database.execute
        execute("PRAGMA locking_mode = EXCLUSIVE")
        execute("BEGIN EXCLUSIVE")
        if is_new:
            execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            execute(f"PRAGMA user_version = {_VERSION}")
            execute(_SCHEMA)
        elif (verdict := execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise self._error("is damaged", verdict)
        execute("COMMIT")
        execute("PRAGMA journal_mode = WAL")
        # A commit is on the disk before the request goes out: a power cut, too, must not have a create sent twice.
        execute("PRAGMA synchronous = FULL")

    def entry(self, number: int, digest: bytes) -> Entry | None:
        """Looks an input up.

        Args:
            number: The input's number, from 0.
            digest: What identifies the input.

        Returns:
            What is known of it; `None` if it was never taken in.

        Raises:
            BatchJournalError: If another input has this number: the journal is that of other inputs.
        """
        row = self._one("SELECT digest, sent_at, prediction_id, result FROM entries WHERE number = ?", number)
        if row is None:
            return None
        known, sent_at, prediction_id, result = row
        if known != digest:
            raise self._error("is that of other inputs", f"input {number} differs, or the model; give the same ones")
        return Entry(sent_at is not None, prediction_id, json.loads(result) if result else None)

    def unknown_since(self) -> datetime | None:
        """Says when the first create was sent whose outcome is unknown; `None` if there is none."""
        (sent_at,) = self._one("SELECT min(sent_at) FROM entries WHERE prediction_id IS NULL") or (None,)
        return None if sent_at is None else datetime.fromisoformat(sent_at)

    def has(self, prediction_id: str) -> bool:
        """Whether a prediction is that of an input."""
        return self._one("SELECT 1 FROM entries WHERE prediction_id = ?", prediction_id) is not None

    def change(self, changes: list["Change"]) -> None:
        """Makes changes in one transaction: after it they are on the disk.

        Raises:
            BatchJournalError: If it cannot be written.
        """
        try:
            self._database.execute("BEGIN")
            for statement, values in changes:
                self._database.execute(statement, values)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self._error("cannot be written", error) from error

    def close(self) -> None:
        """Closes the file and lets others use it."""
        self._database.close()

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._database.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise self._error("cannot be read", error) from error
        return row

    def _error(self, problem: str, detail: object) -> BatchJournalError:
        return BatchJournalError(f"The journal {self._path} {problem}: {detail}.")


def _problem(error: sqlite3.Error) -> str:
    if not isinstance(error, sqlite3.OperationalError):
        return "is damaged"
    return "is in use by another batch" if "locked" in str(error) else "cannot be written"


def digest(params: Mapping[str, object], model: str) -> bytes:
    """Identifies an input: equal ones have equal digests, in every process.

    Args:
        params: The input's params, as JSON with files in it.
        model: The model's reference.

    Raises:
        ValueError: If the params have a stream in them, which cannot be compared.
    """
    try:
        text = json.dumps([model, params], sort_keys=True, default=_file_identity)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"params cannot be written to a journal: {error}.") from None
    return hashlib.sha256(text.encode()).digest()


def _file_identity(value: object) -> object:
    if isinstance(value, File) and isinstance(value.content, bytes):
        return {"sha256": hashlib.sha256(value.content).hexdigest(), "mime_type": value.mime_type}
    if isinstance(value, File) and isinstance(value.content, PathLike):
        return {"path": fspath(value.content), "mime_type": value.mime_type}
    raise TypeError(f"a {type(value).__name__} cannot be compared with that of an earlier run")
