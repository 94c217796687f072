"""Running Python as a user does: in a process of its own, with an environment of its own."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from wriftai_anyio.sandbox import Sandbox

LONGEST_RUN = 60.0
"""Seconds."""

CHECKOUT = Path(__file__).parent.parent


def run_python(arguments: list[str | Path], settings: Mapping[str, str] | None = None, *, stderr: str = "") -> str:
    """Runs Python with warnings as errors, checks that it ends well, and returns its stdout.

    Args:
        arguments: The arguments of the interpreter.
        settings: The `WRIFTAI_*` variables of its environment, which otherwise has none.
        stderr: A regular expression of what it may write there.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WRIFTAI_")}
    ended = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        env={**environment, **(settings or {})},
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST_RUN,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert re.fullmatch(stderr, ended.stderr), ended.stderr
    return ended.stdout


def settings_for(sandbox: Sandbox) -> dict[str, str]:
    """Says which variables lead a client to a sandbox."""
    return {"WRIFTAI_API_BASE_URL": sandbox.base_url, "WRIFTAI_ACCESS_TOKEN": sandbox.access_token}
