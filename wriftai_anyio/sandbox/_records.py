"""Records that are created, edited and deleted by name: their fields as they are sent, and their order."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ._answers import not_found, refusal
from ._pages import Position


def timestamp() -> str:
    """Return the current time in the API's format."""
    return datetime.now(timezone.utc).isoformat()


@dataclass
class Record:
    """One record.

    Args:
        serial: Its number in the order of creation.
        fields: Its fields.
    """

    serial: int
    fields: dict[str, Any]

    def edit(self, changes: Mapping[str, Any]) -> None:
        """Change some fields."""
        self.fields.update(changes)
        self.fields["updated_at"] = timestamp()


def newest_first(record: Record) -> Position:
    """Return the position of a record in the usual order."""
    return (-record.serial,)


class Records:
    """Records of one kind, whose names are unique.

    Args:
        kind: What they are, such as `"variable"`.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._records: dict[str, Record] = {}
        self._serials = itertools.count()

    def create(self, fields: Mapping[str, Any]) -> Record:
        """Add a record under the name in its fields.

        Raises:
            ApiError: 409, if there is one of that name.
        """
        name: str = fields["name"]
        self._refuse_taken(name)
        times = {"created_at": timestamp(), "updated_at": None}
        record = Record(next(self._serials), {**fields, **times})
        self._records[name] = record
        return record

    def get(self, name: str) -> Record | None:
        """Return a record by its name."""
        return self._records.get(name)

    def find(self, name: str) -> Record:
        """Returns a record by its name.

        Raises:
            ApiError: 404, if there is none.
        """
        record = self._records.get(name)
        if record is None:
            raise not_found(self._kind)
        return record

    def edit(self, record: Record, changes: Mapping[str, Any]) -> None:
        """Change some fields of a record, such as its name.

        Raises:
            ApiError: 409, if the new name is taken.
        """
        old_name: str = record.fields["name"]
        new_name: str = changes.get("name", old_name)
        if new_name != old_name:
            self._refuse_taken(new_name)
        record.edit(changes)
        self._records[new_name] = self._records.pop(old_name)

    def remove(self, name: str) -> None:
        """Remove a record."""
        del self._records[name]

    def newest_first(self) -> list[Record]:
        """Return all records, newest first."""
        return sorted(self._records.values(), key=newest_first)

    def clear(self) -> None:
        """Remove all records."""
        self._records.clear()

    def _refuse_taken(self, name: str) -> None:
        if name in self._records:
            raise refusal(409, "conflict", f"there is a {self._kind} of that name")
