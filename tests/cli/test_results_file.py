"""The file of a batch's results."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.clients import prediction
from wriftai_anyio.cli._results_file import ResultsFile


def ended(output: object) -> Any:
    return prediction(output=output)


def test_each_index_is_written_once_over_several_openings(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for _ in range(2):
        with ResultsFile(path) as file:
            file.add(3, ended("a"))
            file.add(3, ended("b"))
    (line,) = path.read_text().splitlines()
    assert (json.loads(line)["index"], json.loads(line)["prediction"]["output"]) == (3, "a")


def test_text_that_utf_8_does_not_know_stays_json(tmp_path: Path) -> None:
    with ResultsFile(tmp_path / "out") as file:
        file.add(0, ended("\ud800∞\u2028"))
    (line,) = (tmp_path / "out").read_bytes().splitlines()
    assert json.loads(line)["prediction"]["output"] == "\ud800∞\u2028"


@pytest.mark.parametrize("output", [10**5000, {"a": [10**5000]}], ids=["number", "object"])
@pytest.mark.parametrize("name", ["out", "out.csv"])
def test_integers_of_thousands_of_digits_are_written_and_read_again(tmp_path: Path, name: str, output: object) -> None:
    for _ in range(2):
        with ResultsFile(tmp_path / name) as file:
            file.add(0, ended(output))
    text = (tmp_path / name).read_text()
    assert text.count("1" + "0" * 5000) == 1


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_line_that_a_kill_cut_off_is_taken_away_wherever_it_was_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "out"
    with ResultsFile(path) as file:
        file.add(0, ended("a"))
        whole = path.read_bytes()
        file.add(1, ended("b"))
    path.write_bytes(path.read_bytes()[: len(whole) + cut])
    with ResultsFile(path) as file:
        assert file.indexes == {0}
    assert path.read_bytes() == whole


@pytest.mark.parametrize("content", [b"precious", b"precious\n", b'{"a": 1}\n', b"[1]\n", b'{"index": 0}\n{"a": 1}\n'])
def test_file_of_something_else_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "out"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="something other than results"):
        ResultsFile(path)
    assert path.read_bytes() == content


def test_line_that_the_disk_takes_only_a_part_of_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(io.RawIOBase):
        def write(self, content: Any) -> int:
            return len(content) - 1

    with ResultsFile(tmp_path / "out") as file, monkeypatch.context() as patched:
        patched.setattr(file, "_file", FullDisk())
        with pytest.raises(OSError, match="No space left"):
            file.add(0, ended("a"))
