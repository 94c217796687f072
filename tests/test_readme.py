import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from subprocesses import CHECKOUT, run_python, settings_for
from wriftai_anyio.sandbox import Sandbox

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    return [match["code"] for match in BLOCK.finditer(README) if match["language"] == language]


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
    if "def test_" not in code:
        progress = r"(.+: .+ \(\d+ s\)\n)+" if "wriftai_anyio.progress" in code else ""
        run_python([script], settings_for(sandbox), stderr=progress)
        return
    for name, value in runpy.run_path(str(script)).items():
        if name.startswith("test_"):
            value()


def test_first_block_is_two_commands_and_ci_runs_the_second() -> None:
    first = BLOCK.search(README)
    assert first is not None
    assert first["language"] == "sh"
    demo, tests = first["code"].splitlines()
    assert demo.endswith("examples/demo.py")
    assert (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1] == tests


def test_links_lead_to_headings_and_files_that_exist() -> None:
    headings = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", README):
        path, _, anchor = target.partition("#")
        assert (CHECKOUT / path).exists(), target
        assert not anchor or path or anchor in anchors, target
