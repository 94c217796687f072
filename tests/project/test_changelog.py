"""The changelog is well formed, and tells of the version that stands in the code."""

import datetime as dt
import re

from tests.support.subprocesses import CHECKOUT
from wriftai_anyio import __version__

TEXT = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
RELEASE = re.compile(r"^## \[(\d+)\.(\d+)\.(\d+)\] - (unreleased|\d{4}-\d{2}-\d{2})$")


def headings(level: int) -> list[str]:
    return re.findall(rf"^{'#' * level} .*$", TEXT, re.MULTILINE)


def test_newest_entry_is_of_the_current_version() -> None:
    assert headings(1) == ["# Changelog"]
    assert headings(2)[0].startswith(f"## [{__version__}] - ")


def test_entries_are_dated_and_newest_first() -> None:
    releases = [RELEASE.match(heading) for heading in headings(2)]
    assert None not in releases, headings(2)
    found = [match.groups() for match in releases if match]
    versions = [tuple(map(int, numbers)) for *numbers, _ in found]
    assert versions == sorted(set(versions), reverse=True)
    dates = [date for *_, date in found]
    assert "unreleased" not in dates[1:]
    for date in dates:
        assert date == "unreleased" or dt.date.fromisoformat(date)


def test_each_entry_lists_changes_under_the_usual_headings() -> None:
    for entry in re.split(r"^## .*$", TEXT, flags=re.MULTILINE)[1:]:
        _, *parts = re.split(r"^### ", entry, flags=re.MULTILINE)
        kinds = [part.splitlines()[0] for part in parts]
        assert kinds == [kind for kind in KINDS if kind in kinds]
        assert kinds
        for part in parts:
            changes = [line for line in part.splitlines()[1:] if line]
            assert changes
            assert all(line.startswith(("- ", "  ")) for line in changes), changes
