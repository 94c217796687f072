"""What only a process of its own can show: signals, pipes, terminals, what is imported, what is not installed."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command_line import IMPORTS, MAIN, TEMPLATE
from tests.support.copies import Template
from tests.support.patience import PATIENCE, until
from tests.support.subprocesses import LEAN, settings_for
from wriftai_anyio import Client
from wriftai_anyio.sandbox import Model, Sandbox

from .terminal import PROGRAM, Program, start

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a signal cannot be sent to a single process here")

SANDBOX = Template(f"{IMPORTS}import wriftai_anyio.sandbox.__main__", LEAN)
SLEEP = ["run", "sandbox/sleep", "seconds=60"]


def status_of(sandbox: Sandbox) -> str:
    (prediction,) = sandbox.predictions
    status: str = prediction["status"]
    return status


class TestSignals:
    @pytest.mark.parametrize(
        ("number", "code", "options"),
        [(signal.SIGINT, 130, []), (signal.SIGTERM, 143, ["--stream"]), (signal.SIGHUP, 129, [])],
    )
    def test_it_stops_with_the_id_and_the_command_to_go_on(
        self, sandbox: Sandbox, number: int, code: int, options: list[str]
    ) -> None:
        program = Program(sandbox, *SLEEP, *options)
        name = program.line().removeprefix("Created ").strip()
        program.send(number)
        ended = program.end()
        assert (ended.code, ended.out) == (code, "")
        assert ended.err.splitlines()[-1] == f"Go on with: wriftai-anyio wait {name}"
        assert "Traceback" not in ended.err
        assert status_of(sandbox) != "cancelled"

    def test_with_cancel_on_exit_it_cancels_on_the_server(self, sandbox: Sandbox) -> None:
        program = Program(sandbox, *SLEEP, "--cancel-on-exit")
        program.line()
        program.send(signal.SIGTERM)
        ended = program.end()
        assert (ended.code, "Asked the server to cancel" in ended.err, "Go on" in ended.err) == (143, True, False)
        until(lambda: status_of(sandbox) == "cancelled")

    def test_while_it_creates_the_create_is_let_finish_so_that_its_id_is_known(self, sandbox: Sandbox) -> None:
        sandbox.fail_next("delay", delay=0.5, method="POST")
        program = Program(sandbox, *SLEEP)
        until(lambda: sandbox.requests)
        program.send()
        ended = program.end()
        assert ended.code == 130
        assert ended.err.splitlines()[-1] == f"Go on with: wriftai-anyio wait {sandbox.predictions[0]['id']}"

    def test_second_one_while_it_creates_stops_it_at_once(self, sandbox: Sandbox) -> None:
        sandbox.fail_next("stall", method="POST")
        program = Program(sandbox, *SLEEP)
        until(lambda: sandbox.requests)
        program.send()
        time.sleep(0.05)
        program.send()
        ended = program.end()
        assert ended.code == 130
        assert "A prediction may have been created. Check with `wriftai-anyio list`" in ended.err

    def test_one_that_is_ignored_stays_ignored(self, sandbox: Sandbox) -> None:
        command = [*PROGRAM, "run", "sandbox/sleep", "seconds=0.3"]
        program = subprocess.Popen(
            ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command],
            env={**os.environ, **LEAN, **settings_for(sandbox)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: sandbox.requests)
        program.send_signal(signal.SIGHUP)
        assert program.wait(PATIENCE) == 0


class TestPipes:
    def test_nobody_who_reads_is_no_error(self, sandbox: Sandbox) -> None:
        process = start(sandbox, "run", "sandbox/echo", "--json")
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert process.wait(PATIENCE) == 128 + signal.SIGPIPE
        process.stderr.close()

    def test_nobody_who_watches_does_not_end_it(self, sandbox: Sandbox) -> None:
        process = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 2>&-', "sh", *PROGRAM, "run", "sandbox/echo", "a=1", "--json"],
            env={**os.environ, **LEAN, **settings_for(sandbox)},
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        assert b'"output": {"a": 1}' in process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device like a full disk here")
    @pytest.mark.parametrize("options", [[], ["--debug"]])
    def test_full_disk_of_its_progress_does_not_end_it(self, sandbox: Sandbox, options: list[str]) -> None:
        with Path("/dev/full").open("w") as full:
            ended = subprocess.run(
                [*TEMPLATE.command(MAIN), *options, "run", "sandbox/echo", "a=1", "--json"],
                env={**os.environ, **LEAN, **settings_for(sandbox)},
                stdout=subprocess.PIPE,
                stderr=full,
                timeout=PATIENCE,
                check=True,
            )
        assert b'"output": {"a": 1}' in ended.stdout

    def test_closed_output_is_no_reason_to_warn(self, sandbox: Sandbox) -> None:
        ended = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *PROGRAM, "models", "--json"],
            env={**os.environ, **LEAN, **settings_for(sandbox)},
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=True,
        )
        assert ended.stderr == b""

    def test_pipe_of_its_progress_that_breaks_does_not_end_it(self, sandbox: Sandbox) -> None:
        process = subprocess.Popen(
            [*TEMPLATE.command(MAIN), "run", "sandbox/echo", "a=1", "--json"],
            env={**os.environ, **LEAN, **settings_for(sandbox)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        process.stderr.close()
        process.stderr = None
        assert b'"output": {"a": 1}' in process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0


def screen(sandbox: Sandbox, *arguments: str, columns: int = 80) -> tuple[int, str]:
    """Runs the program in a terminal; returns its exit code and what the terminal got."""
    terminal, inner = os.openpty()
    process = start(sandbox, *arguments, settings={"TERM": "xterm", "COLUMNS": str(columns)}, terminal=inner)
    os.close(inner)
    return process.wait(PATIENCE), "".join(_read(terminal))


def _read(terminal: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        while select.select([terminal], [], [], PATIENCE)[0]:
            yield os.read(terminal, 4096).decode()
    os.close(terminal)


class TestTerminal:
    def test_wait_is_a_live_line_that_ends_with_the_status(self, sandbox: Sandbox) -> None:
        code, text = screen(sandbox, "run", "sandbox/sleep", "seconds=0.1")
        assert code == 0
        assert "\x1b[" in text
        assert "succeeded" in text
        assert text.endswith('{\r\n  "slept": 0.1\r\n}\r\n')

    def test_table_has_headings_and_fits(self, sandbox: Sandbox) -> None:
        code, text = screen(sandbox, "models")
        assert code == 0
        assert "description" in text.splitlines()[0]

    @pytest.mark.parametrize(
        ("command", "columns"),
        [(["list"], 80), (["list"], 40), (["get", "ID"], 40), (["model", "me/draw"], 40), (["get", "no-such-id"], 40)],
    )
    def test_nothing_is_wider_than_the_terminal(self, sandbox: Sandbox, command: list[str], columns: int) -> None:
        field = {"type": "string", "description": "What to draw, as precisely as you like to say it. " * 3}
        sandbox.models["me/draw"] = Model(lambda given: "to be", {"properties": {"prompt": field, "seed": {}}})
        with Client(sandbox.access_token, sandbox.base_url) as client:
            name = client.predictions.create({"input": {}}, "me/draw", wait=True)["id"]
        _, text = screen(sandbox, *(name if word == "ID" else word for word in command), columns=columns)
        lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in text.splitlines()]
        assert max(map(len, lines)) <= columns
        if command == ["list"]:
            first = next(line for line in lines if name in line or "succeeded" in line)
            assert first.startswith("succeeded")
            assert any(line.endswith(name) for line in lines)

    def test_output_cannot_command_the_terminal(self, sandbox: Sandbox) -> None:
        sandbox.models["me/evil"] = lambda given: "\x1b]0;owned\x07fine"
        _, text = screen(sandbox, "run", "me/evil")
        assert "\x1b]0;" not in text
        assert "\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}fine" in text


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code], capture_output=True, encoding="utf-8", check=False, timeout=PATIENCE
    )


class TestImports:
    def test_version_and_a_bare_import_load_none_of_what_takes_long(self) -> None:
        code = """
import sys
import wriftai_anyio
from wriftai_anyio.__main__ import main
sys.argv = ["wriftai-anyio", "--version"]
try:
    main()
finally:
    print(*({"anyio", "httpx", "rich", "sqlite3", "ssl", "asyncio"} & set(sys.modules)))
"""
        assert python(code).stdout.splitlines()[1:] == [""]

    @pytest.mark.parametrize("missing", ["typer", "rich"])
    def test_without_the_extra_it_says_in_a_sentence_which_to_install(self, missing: str, tmp_path: Path) -> None:
        code = f"""
import importlib.util, runpy, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {missing!r} else find_spec(name, *rest)
runpy.run_module("wriftai_anyio", run_name="__main__")
"""
        ended = python(code)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert ended.stderr == f"The command line needs {missing}: pip install 'wriftai-anyio[cli]'\n"

    def test_sandbox_runs_functions_that_its_command_line_names(self, tmp_path: Path) -> None:
        (tmp_path / "mine.py").write_text("def upper(given):\n    return given['text'].upper()\n")
        process = start(None, "sandbox", "--model", "me/upper=mine:upper", template=SANDBOX, folder=tmp_path)
        assert process.stdout is not None
        try:
            base_url, token = (process.stdout.readline().strip().partition("=")[2] for _ in range(2))
            with Client(token, base_url) as client:
                created = client.predictions.create({"input": {"text": "to be"}}, "me/upper", wait=True)
        finally:
            process.terminate()
            process.communicate()
        assert created["output"] == "TO BE"

    @pytest.mark.parametrize(
        "model", ["mine:upper", "me/upper=missing:upper", "me/upper=json:missing", "me/upper=json"]
    )
    def test_sandbox_refuses_functions_that_cannot_be_imported(self, model: str) -> None:
        process = start(None, "sandbox", "--model", model, template=SANDBOX)
        stdout, stderr = process.communicate()
        assert (process.returncode, stdout) == (2, "")
        assert "--model" in stderr

    def test_sandbox_command_runs_a_sandbox_until_it_is_stopped(self) -> None:
        process = start(None, "sandbox", template=SANDBOX)
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith("export WRIFTAI_API_BASE_URL=http://127.0.0.1:")
            assert process.stdout.readline().startswith("export WRIFTAI_ACCESS_TOKEN=")
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.communicate()
