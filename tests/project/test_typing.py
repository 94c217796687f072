"""What type checkers say of consumers' code: nothing of what is right, and something of each line that is wrong."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

CODE = Path(__file__).with_name("typing")
ROOT = Path(__file__).parents[2]
CHECKERS = {
    "mypy": ["--strict", "--no-error-summary"],
    "basedpyright": ["--pythonpath", sys.executable],
}
ERROR = re.compile(r"^\s*\S*?(\w+\.py):(\d+)(?::\d+)?(?: -|:) error", re.MULTILINE)


@pytest.fixture(scope="module", params=CHECKERS)
def errors(request: pytest.FixtureRequest) -> set[tuple[str, int]]:
    """The files and lines of which a checker complains."""
    checker: str = request.param
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed")
    files = [str(path) for path in sorted(CODE.glob("*.py"))]
    command = [sys.executable, "-m", checker, *CHECKERS[checker], *files]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return {(name, int(line)) for name, line in ERROR.findall(done.stdout)}


def test_right_code_is_accepted(errors: set[tuple[str, int]]) -> None:
    assert {line for name, line in errors if name == "accepted.py"} == set()


def test_wrong_code_is_rejected_line_by_line(errors: set[tuple[str, int]]) -> None:
    lines = (CODE / "rejected.py").read_text(encoding="utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, 1) if line.endswith("# error")}
    assert len(marked) > 25
    assert {line for name, line in errors if name == "rejected.py"} == marked
