"""What a reading of the list of running predictions concludes from the one before."""

from wriftai_anyio._polling.running_list import Reading


def reading(*pages: str, last: Reading | None = None) -> Reading:
    made = Reading(last)
    for page in pages:
        made.add(list(page))
    return made


def gone(last: Reading | None, *pages: str) -> list[str]:
    """Returns what each page shows to be gone."""
    made = Reading(last)
    return ["".join(made.add(list(page))) for page in pages]


def test_a_first_reading_concludes_nothing() -> None:
    assert gone(None, "abc", "", "def") == ["", "", ""]
    assert list(reading("abc", "cd").ids) == ["a", "b", "c", "d"]
    assert reading("abc", "", "d").pages == 3


def test_what_a_page_passes_without_it_is_gone_and_is_said_once() -> None:
    before = reading("abc", "def")
    assert gone(before, "acd", "f") == ["b", "e"]
    assert gone(before, "bd", "f") == ["ac", "e"]
    assert gone(before, "abc", "def") == ["", ""]


def test_nothing_is_concluded_of_places_that_were_not_reached() -> None:
    before = reading("abcdef")
    assert gone(before, "", "a", "c") == ["", "", "b"]
    assert gone(before, "xyz") == [""]
    assert gone(before, "xad") == ["bc"]


def test_pages_that_overlap_are_read_as_one() -> None:
    assert gone(reading("abcdef"), "ad", "bd", "f") == ["bc", "", "e"]
    assert gone(reading("abcdef"), "ad", "a", "f") == ["bc", "", "e"]


def test_of_a_list_whose_order_changes_nothing_is_concluded_any_more() -> None:
    before = reading("abcdef")
    changed = reading("ad", "b", last=before)
    assert (before.in_order, changed.in_order) == (True, False)
    after = reading("af", last=changed)
    assert not after.in_order
    assert gone(changed, "af") == [""]


def test_a_reading_in_order_is_concluded_from() -> None:
    second = reading("acf", last=reading("abcdef"))
    assert second.in_order
    assert gone(second, "f") == ["ac"]
