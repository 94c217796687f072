"""Text from outside: what it can no longer do where it is shown."""

import html
import json
import re
import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wriftai_anyio.plain_text import csv_cell, html_table, html_text, json_text, one_line, printable, shell_command

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202egpj.exe"
COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


ANY_TEXT = st.text(st.characters())  # lone surrogates among it


@given(ANY_TEXT)
def test_printable_text_keeps_its_lines_and_all_that_is_harmless(text: str) -> None:
    shown = printable(text)
    assert not COMMANDS.search(shown)
    assert shown == text or COMMANDS.search(text)


@given(ANY_TEXT | st.integers() | st.none())
def test_line_is_one_line_and_commands_nothing(value: object) -> None:
    line = one_line(value)
    assert len(line.splitlines()) <= 1
    assert not COMMANDS.search(line)
    assert "\t" not in line
    assert len(one_line(value, 10)) <= 10


def test_line_breaks_become_blanks_and_what_is_too_long_is_cut() -> None:
    assert one_line("to be \r\n  or\tnot\x85to") == "to be or not to"
    assert one_line("to be or not", 6) == "to be…"


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_stays_the_same_json(value: object) -> None:
    for indent in (None, 2):
        text = json_text(json.dumps(value, ensure_ascii=False, indent=indent))
        assert json.loads(text) == value
        assert not COMMANDS.search(text)


def test_half_a_character_can_be_shown_and_stays_in_json() -> None:
    assert printable("a\ud800b") == "a\ufffdb"
    assert json_text('"a\ud800b"') == '"a\\ud800b"'


def test_line_of_lists_in_lists_without_end_says_so() -> None:
    deep: list[object] = []
    for _ in range(120_000):  # Python 3.14 writes 50,000
        deep = [deep]
    assert one_line(deep) == "list of many levels"


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "=", "-", "\uff1d1", "-1\n=1"])
def test_formula_becomes_text(cell: str) -> None:
    assert csv_cell(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "to be", "a=b", "-1", "+3.5", "-1.5e-07", 3, -2.5, None, True])
def test_other_cells_stay_as_they_are(cell: object) -> None:
    assert csv_cell(cell) is cell


@given(st.text())
def test_html_shows_the_text_and_nothing_else(text: str) -> None:
    shown = html_text(text)
    assert not re.search("[<>\"']", shown)
    assert html.unescape(shown) == one_line(text)


def test_table_escapes_and_cuts_its_cells() -> None:
    table = html_table("a <b>", ["<i>"], [["<script>"], [None], ["x" * 1000], [EVIL]])
    assert "<b>" not in table
    assert "<script>" not in table
    assert "<td></td>" in table
    assert len(table) < 500
    assert "\x1b" not in table


@given(st.lists(st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" ';$`\"&|")), min_size=1))
def test_shell_takes_each_word_as_one_argument(words: list[str]) -> None:
    assert shlex.split(shell_command(words)) == words


def test_command_is_one_line() -> None:
    assert shell_command(["echo", "a\nrm"]) == "echo 'a rm'"


@pytest.mark.parametrize("text", ["a" + " " * 200_000 + "b", "a" + " \t" * 100_000 + "b", " " * 200_000])
def test_long_runs_of_blanks_take_no_time_that_grows_with_their_square(text: str) -> None:
    began = time.process_time()
    assert len(one_line(text)) <= len(text)
    assert time.process_time() - began < 1.0
