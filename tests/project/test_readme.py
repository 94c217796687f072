import ast
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import metadata
from itertools import pairwise
from pathlib import Path

import pytest

from docs.guides import anchor, headings
from tests.support.subprocesses import CHECKOUT, run_pytest, run_python, run_script, settings_for
from wriftai_anyio.sandbox import Sandbox

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SET_FOR_THE_PROCESS = r"logging\.basicConfig|set_tracer_provider"


def blocks(language: str) -> list[str]:
    return [match["code"] for match in BLOCK.finditer(README) if match["language"] == language]


def shell_commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(command) for line in lines for command in line.split("&&")]


def python_blocks() -> list[object]:
    """Each block under the heading above it, which the name of its test shows."""
    found: list[object] = []
    for match in BLOCK.finditer(README):
        if match["language"] == "python":
            heading = re.findall(r"^#+ (.*)$", README[: match.start()], re.MULTILINE)[-1]
            found.append(pytest.param(match["code"], id=f"{heading.replace(' ', '_')}-{len(found)}"))
    return found


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.mark.parametrize("code", python_blocks())
def test_python_block_runs_against_the_sandbox(code: str, sandbox: Sandbox, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(code, encoding="utf-8")
    if "def test_" in code:
        run_pytest(script)
        return
    progress = r"(.+: .+ \(\d+ s\)\n)+" if "wriftai_anyio.progress" in code else ""
    if re.search(SET_FOR_THE_PROCESS, code):
        run_python([script], settings_for(sandbox), stderr=progress)
    else:
        run_script(script, sandbox, stderr=progress)


def test_first_block_is_two_commands_and_ci_runs_the_second() -> None:
    first = BLOCK.search(README)
    assert first is not None
    assert first["language"] == "sh"
    demo, tests = first["code"].splitlines()
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
    contents = README[: README.index("## ")].split("\n\n")[-2]
    titles = re.findall(r"^## (.*)$", README, re.MULTILINE)
    assert re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", contents) == [(title, anchor(title)) for title in titles]


def test_every_session_of_nox_is_in_the_table() -> None:
    listed = re.findall(r"^\| `nox -s (\w+)` \|", README, re.MULTILINE)
    tree = ast.parse((CHECKOUT / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    sessions = [node.name for node in functions if any("session" in ast.unparse(mark) for mark in node.decorator_list)]
    assert sorted(listed) == sorted(sessions)


def test_links_lead_to_headings_and_files_that_exist() -> None:
    anchors = [anchor(heading) for heading in headings(README)]
    assert len(set(anchors)) == len(anchors)
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", README):
        path, _, place = target.partition("#")
        assert (CHECKOUT / path).exists(), target
        assert not place or path or place in anchors, target
