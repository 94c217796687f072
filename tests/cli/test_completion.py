"""What the shell completes: names that were seen lately, from a small file."""

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from wriftai_anyio.cli._recent import MODELS, MOST, PREDICTIONS, recent, remembering
from wriftai_anyio.sandbox import Sandbox

from .terminal import Ended

Run = Callable[..., Ended]


def complete(run: Run, monkeypatch: pytest.MonkeyPatch, words: str) -> list[str]:
    with monkeypatch.context() as patched:
        patched.setenv("_WRIFTAI_ANYIO_COMPLETE", "complete_bash")
        patched.setenv("COMP_WORDS", f"wriftai-anyio {words}")
        patched.setenv("COMP_CWORD", str(words.count(" ") + 1))
        return run().out.split()


def test_names_and_ids_are_completed_without_a_request(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("models")
    run("run", "sandbox/echo", "--no-wait")
    name = sandbox.predictions[0]["id"]
    before = len(sandbox.requests)
    assert complete(run, monkeypatch, "run sandbox/wo") == ["sandbox/word-count"]
    assert complete(run, monkeypatch, f"get {name[:3]}") == [name]
    assert complete(run, monkeypatch, "open sandbox/ec") == ["sandbox/echo"]
    assert complete(run, monkeypatch, "batch in.jsonl --model sandbox/sl") == ["sandbox/sleep"]
    assert len(sandbox.requests) == before


def test_names_that_a_shell_could_run_are_not_kept() -> None:
    names = ["o/m", "$(reboot)/m", "o/m;ls", "-o/m", "o/m\n", "o/\x1b[2J"]
    assert list(remembering(MODELS, names, str)) == names
    assert recent(MODELS) == ["o/m"]


def test_the_latest_come_first_and_only_so_many_are_kept() -> None:
    list(remembering(MODELS, [f"o/m{number}" for number in range(MOST)], str))
    list(remembering(MODELS, ["o/new", "o/m5"], str))
    assert recent(MODELS)[:3] == ["o/new", "o/m5", "o/m0"]
    assert len(recent(MODELS)) == MOST


@pytest.mark.parametrize("content", ["", "[]", "{", '{"models": 3}', '{"models": [3, "\\u001b"]}', "\xff"])
def test_file_that_is_damaged_is_none(content: str) -> None:
    path = Path(os.environ["XDG_CACHE_HOME"]) / "wriftai-anyio" / "completion.json"
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))
    assert recent(MODELS) == recent(PREDICTIONS) == []
    list(remembering(MODELS, ["o/m"], str))
    assert recent(MODELS) == ["o/m"]
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.name == "nt", reason="no pipes and devices in the file system")
@pytest.mark.parametrize("target", ["pipe", "/dev/zero", "itself", "/etc/passwd"])
def test_what_is_no_file_of_ours_is_neither_waited_for_nor_followed_nor_changed(target: str) -> None:
    path = Path(os.environ["XDG_CACHE_HOME"]) / "wriftai-anyio" / "completion.json"
    path.parent.mkdir()
    if target == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if target == "itself" else target)
    assert recent(MODELS) == recent(PREDICTIONS) == []
    list(remembering(MODELS, ["o/m"], str))
    assert recent(MODELS) == ["o/m"]
    assert path.is_file()
    assert not path.is_symlink()


def test_names_without_end_are_neither_kept_nor_read() -> None:
    list(remembering(MODELS, ["o/" + "m" * 10**6, "o/" + "m" * 198], str))
    assert recent(MODELS) == ["o/" + "m" * 198]
    path = Path(os.environ["XDG_CACHE_HOME"]) / "wriftai-anyio" / "completion.json"
    path.write_text(json.dumps({"models": [f"o/m{number}" for number in range(10**5)]}))
    assert recent(MODELS) == []


def test_folder_that_cannot_be_written_stops_nothing(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert run("models").code == 0
