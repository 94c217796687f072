"""Ids from the server, which are sent back to it: checked as those from callers are."""

import pytest

from wriftai_anyio._parsing.ids import is_same_id
from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio._parsing.shapes import ShapeError, page_of

ODD = ["", " ", ".", "..", "a\nb", "\x00", "\x7f", "\ud800", "x" * 513, None, 5, ["x"]]


@pytest.mark.parametrize("odd", ODD)
def test_a_prediction_with_an_id_that_cannot_be_sent_back_is_refused(odd: object) -> None:
    parser = PredictionParser("https://api.example/v1")
    for parse in (parser.listed, parser.detailed):
        with pytest.raises(ShapeError, match="id"):
            parse({"id": odd, "status": "started"})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["a/b", "ä", "a b", "a?b=c", "%2e%2e", "x" * 512])
def test_an_id_that_can_be_quoted_is_kept(name: str) -> None:
    assert PredictionParser("https://api.example/v1").detailed({"id": name, "status": "started"})["id"] == name


@pytest.mark.parametrize("name", ["next_cursor", "previous_cursor"])
def test_a_cursor_that_cannot_be_sent_back_is_refused(name: str) -> None:
    with pytest.raises(ShapeError, match=name):
        page_of(lambda value: value)({"items": [], name: "\ud800"})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("abc", "abc", True),
        ("5b6f1c3e-0000-4000-8000-000000000001", "5B6F1C3E000040008000000000000001", True),
        ("abc", "abd", False),
    ],
)
def test_a_uuid_is_the_same_however_it_is_written(one: str, other: str, same: bool) -> None:
    assert is_same_id(one, other) is same
