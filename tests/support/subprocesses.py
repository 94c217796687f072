"""Running Python as a user does: in a process of its own, with an environment of its own, or quicker in this one."""

import contextlib
import io
import os
import re
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from wriftai_anyio.sandbox import Sandbox

LONGEST_RUN = 120.0
"""Seconds."""

CHECKOUT = Path(__file__).parents[2]

LEAN: Mapping[str, str] = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(Path(__file__).with_name("lean")), os.environ.get("PYTHONPATH")]))
}
"""More of an environment, for command lines: without trio and HTTP/2 they take a seventh less time."""


def run_python(arguments: list[str | Path], settings: Mapping[str, str] | None = None, *, stderr: str = "") -> str:
    """Runs Python with warnings as errors, checks that it ends well, and returns its stdout.

    Args:
        arguments: The arguments of the interpreter.
        settings: More variables of its environment, which has no others that begin with `WRIFTAI_`.
        stderr: A regular expression of what it may write there.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WRIFTAI_")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=CHECKOUT,
        env={**environment, **(settings or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST_RUN,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.fullmatch(stderr, ended.stderr), ended.stderr
    return ended.stdout


def run_script(path: Path, sandbox: Sandbox, *, arguments: Sequence[str | Path] = (), stderr: str = "") -> str:
    """Runs a script in this process, which has imported all that it needs, and returns its stdout.

    Args:
        path: The script.
        sandbox: The server of its environment.
        arguments: Its arguments.
        stderr: A regular expression of what it may write there.
    """
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryFile("w+", encoding="utf-8") as complained:
        for name, value in settings_for(sandbox).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(complained):
            runpy.run_path(str(path), run_name="__main__")
        complained.seek(0)
        complaints = complained.read()  # also of the processes that the script started
    assert re.fullmatch(stderr, complaints), complaints
    return written.getvalue()


def run_pytest(path: Path, *arguments: str) -> str:
    """Runs pytest with this package's plugin and no other, checks that all passes, and returns what it says.

    Args:
        path: The tests.
        *arguments: More arguments, such as other plugins.
    """
    plugins = ["-p", "no:cacheprovider", "-p", "wriftai_anyio.pytest_plugin"]
    # Whether the checkout was installed since it has a plugin shall not matter.
    return run_python(["-m", "pytest", *plugins, *arguments, path], {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})


def settings_for(sandbox: Sandbox) -> dict[str, str]:
    """Says which variables lead a client to a sandbox."""
    return {"WRIFTAI_API_BASE_URL": sandbox.base_url, "WRIFTAI_ACCESS_TOKEN": sandbox.access_token}
