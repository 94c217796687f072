"""The code blocks of the README and the guides, and running them."""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.command_line import MAIN, TEMPLATE
from tests.support.subprocesses import CHECKOUT, LEAN, LONGEST_RUN, run_python, run_script, settings_for
from wriftai_anyio.sandbox import Sandbox

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_SET_FOR_THE_PROCESS = r"logging\.basicConfig|set_tracer_provider"
_LINES_OF_PROGRESS = r"(.+: .+ \(\d+ s\)\n)+"


@dataclass(frozen=True)
class Block:
    """A code block, under the heading that it stands below."""

    page: str
    heading: str
    language: str
    code: str

    @property
    def is_tests(self) -> bool:
        return self.language == "python" and "def test_" in self.code


def blocks(page: Path, language: str) -> list[Block]:
    """Finds the code blocks of a page that are written in a language."""
    text = page.read_text(encoding="utf-8")
    name = page.relative_to(CHECKOUT).as_posix()
    return [
        Block(name, _HEADING.findall(text[: match.start()])[-1], language, match["code"])
        for match in _BLOCK.finditer(text)
        if match["language"] == language
    ]


def as_parameters(found: list[Block]) -> list[object]:
    """Makes each block a parameter of a test, whose name shows where it stands."""
    return [
        pytest.param(block, id=f"{Path(block.page).stem}-{block.heading.replace(' ', '_')}-{number}")
        for number, block in enumerate(found)
    ]


def anchors(text: str) -> list[str]:
    """Returns the anchors of a page's headings, as code hosts and the documentation spell them."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(plain)]


def fill(folder: Path) -> None:
    """Puts into a folder what blocks read."""
    shutil.copy(CHECKOUT / "examples" / "jabberwocky.txt", folder / "poem.txt")
    (folder / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "inputs.csv").write_text("text\nto be\nor not\n", encoding="utf-8")


def run_block(block: Block, sandbox: Sandbox, folder: Path) -> str:
    """Runs a block as a script in a folder, which then holds what blocks read, and returns what it prints."""
    fill(folder)
    script = folder / "block.py"
    script.write_text(block.code, encoding="utf-8")
    progress = _LINES_OF_PROGRESS if "wriftai_anyio.progress" in block.code else ""
    if re.search(_SET_FOR_THE_PROCESS, block.code):
        return run_python([script], settings_for(sandbox), stderr=progress)
    before = Path.cwd()
    os.chdir(folder)
    try:
        return run_script(script, sandbox, stderr=progress)
    finally:
        os.chdir(before)


def run_in_terminal(command: str, sandbox: Sandbox, folder: Path) -> str:
    """Runs a shell command in a terminal of 80 columns, and returns what it shows at its end."""
    import pty  # not everywhere

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["bash", "-c", f"{_program()}\n{command}"],
        cwd=folder,
        env={**os.environ, **settings_for(sandbox), "TERM": "xterm", "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        written = b""
        with contextlib.suppress(OSError):  # how a terminal ends on Linux
            while part := os.read(ours, 65536):
                written += part
        os.close(ours)
        process.wait(LONGEST_RUN)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    # A bar is written over itself.
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in plain.split("\n"))


def run_in_shell(commands: str, sandbox: Sandbox, folder: Path) -> str:
    """Runs shell commands in a folder, checks that each ends well, and returns what they print."""
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{_program()}\n{commands}"],
        cwd=folder,
        env={**os.environ, **LEAN, **settings_for(sandbox)},
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST_RUN,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _program() -> str:
    return f'wriftai-anyio() {{ {shlex.join(TEMPLATE.command(MAIN))} "$@"; }}'
