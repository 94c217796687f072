"""The README: its commands and its code run, its links lead somewhere, and it is short."""

import csv
import os
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import metadata
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.markdown import Block, anchors, as_parameters, blocks, fill, run_block, run_in_terminal
from tests.support.subprocesses import CHECKOUT, run_python
from wriftai_anyio.sandbox import Sandbox

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def shell_commands() -> list[list[str]]:
    lines = [line for block in blocks(CHECKOUT / "README.md", "sh") for line in block.code.splitlines()]
    return [shlex.split(command) for line in lines for command in line.split("&&")]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("block", as_parameters(blocks(CHECKOUT / "README.md", "python")))
def test_python_block_runs_against_the_sandbox(block: Block, sandbox: Sandbox, tmp_path: Path) -> None:
    run_block(block, sandbox, tmp_path)


def test_the_program_for_a_csv_is_short_and_goes_on_where_it_was(tmp_path: Path) -> None:
    [block] = [block for block in blocks(CHECKOUT / "README.md", "python") if "csv" in block.code]
    assert len([line for line in block.code.splitlines() if line]) <= 15
    rows = []
    with Sandbox() as sandbox:
        for _ in range(2):
            run_block(block, sandbox, tmp_path)
            with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
                rows.append(sorted(tuple(row.values()) for row in csv.DictReader(file)))
        created = len(sandbox.predictions)
    assert (
        rows[0]
        == rows[1]
        == [
            ("or not", "succeeded", '{"or": 1, "not": 1}', ""),
            ("to be", "succeeded", '{"to": 1, "be": 1}', ""),
        ]
    )
    assert created == 2


def without_chances(text: str) -> str:
    """Puts the same in place of all ids and times."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+ s\b|\d+:\d\d\b", "…", text)


@pytest.mark.skipif(os.name != "posix", reason="it needs a terminal of Unix")
def test_terminal_shows_what_the_commands_print(sandbox: Sandbox, tmp_path: Path) -> None:
    (shown,) = (block.code for block in blocks(CHECKOUT / "README.md", "text"))
    fill(tmp_path)
    for command, expected in re.findall(r"^\$ (.*)\n((?:[^$].*\n)+)", shown, re.MULTILINE):
        assert without_chances(run_in_terminal(command, sandbox, tmp_path)) == without_chances(expected)


def test_first_block_is_two_commands_and_ci_runs_the_second() -> None:
    demo, tests = blocks(CHECKOUT / "README.md", "sh")[0].code.splitlines()
    assert demo.endswith("examples/demo.py")
    assert (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == tests


@pytest.mark.parametrize("command", shell_commands(), ids=shlex.join)
def test_shell_command_names_what_there_is(command: list[str]) -> None:
    extras = [name for names in re.findall(r"\.\[([\w,]+)\]", shlex.join(command)) for name in names.split(",")]
    assert set(extras) <= set(metadata("wriftai-anyio").get_all("Provides-Extra", []))
    for option, group in pairwise(command):
        if option == "--group":
            assert re.search(rf"^{group} = \[", (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    for word in command:
        if word.startswith("wriftai_anyio"):
            run_python(["-m", word, "--help"])
        if word.startswith("examples/"):
            assert (CHECKOUT / word).is_file()


def test_contents_lead_to_all_sections_in_their_order() -> None:
    contents = README[: README.index("\n## ")].split("\n\n")[-1]
    titles = re.findall(r"^## (.*)$", README, re.MULTILINE)
    assert re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", contents) == [(title, *anchors(f"## {title}")) for title in titles]


def test_it_is_at_most_200_lines() -> None:
    assert len(README.splitlines()) <= 200


def test_links_lead_to_headings_and_files_that_exist() -> None:
    assert len(set(anchors(README))) == len(anchors(README))
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", README):
        path, _, place = target.partition("#")
        page = CHECKOUT / (path or "README.md")
        assert page.exists(), target
        assert not place or place in anchors(page.read_text(encoding="utf-8")), target
