import ast
import re
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.support.subprocesses import CHECKOUT, run_python, run_script, settings_for
from wriftai_anyio.sandbox import Sandbox

EXAMPLES = CHECKOUT / "examples"
WORD = r"\w+(?:'\w+)*"
SAME_JOB = ["quickstart.py", "trio_app.py", "asyncio_app.py"]


def strings_of_tests() -> set[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in Path(__file__).parents[1].rglob("test_*.py"))
    return {str(node.value) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def test_every_example_has_a_test() -> None:
    examples = {path.name for path in EXAMPLES.iterdir() if path.is_file() and path.suffix != ".txt"}
    assert examples - strings_of_tests() == set()


def counted_words() -> dict[str, int]:
    text = (EXAMPLES / "jabberwocky.txt").read_text(encoding="utf-8").lower()
    letters = "".join(character if character.isalnum() or character == "'" else " " for character in text)
    return Counter(word.strip("'") for word in letters.split())


def check_output(lines: list[str]) -> None:
    """Checks the lines for each status that was seen, and for the output, which may take several lines."""
    end = lines.index("succeeded")
    order = ["pending", "starting", "started", "succeeded"]
    assert lines[: end + 1] == [status for status in order if status in lines]
    assert lines[0] == "pending"
    assert ast.literal_eval(" ".join(lines[end + 1 :])) == counted_words()


@pytest.mark.parametrize("name", SAME_JOB)
def test_example_uses_the_server_of_the_environment(name: str) -> None:
    with Sandbox() as sandbox:
        check_output(run_script(EXAMPLES / name, sandbox).splitlines())
        assert [prediction["status"] for prediction in sandbox.predictions] == ["succeeded"]


def test_models_looks_around_and_leaves_nothing_behind() -> None:
    with Sandbox(sample_data=True) as sandbox:
        before = sandbox.requests
        lines = run_script(EXAMPLES / "models.py", sandbox).splitlines()
        paths = [request.path for request in sandbox.requests[len(before) :] if request.method == "DELETE"]
    assert lines[-1] == "me/greeter:1 runs on cpu-small with ['greeting']"
    assert [path.removeprefix("/v1") for path in paths] == [
        "/models/me/greeter/versions/1",
        "/models/me/greeter",
        "/variables/greeting",
    ]


def test_webhook_app_prints_each_status_that_a_webhook_tells_of() -> None:
    lines = run_python([EXAMPLES / "webhook_app.py"]).splitlines()
    assert lines[:3] == ["webhook: starting", "webhook: started", "webhook: succeeded"]
    assert ast.literal_eval(" ".join(lines[3:])) == counted_words()


@pytest.mark.parametrize("name", ["stream.py", "stream_trio.py"])
def test_streaming_example_prints_the_whole_text_and_how_it_ended(name: str) -> None:
    with Sandbox() as sandbox:
        printed = run_script(EXAMPLES / name, sandbox)
    assert printed == (EXAMPLES / "jabberwocky.txt").read_text(encoding="utf-8") + "\nsucceeded\n"


@pytest.mark.parametrize("name", ["upload.py", "upload_trio.py"])
def test_upload_example_fills_its_bar_and_uses_the_file(name: str) -> None:
    poem = (EXAMPLES / "jabberwocky.txt").read_bytes()
    with Sandbox(part_size=300) as sandbox:
        bar, ended = run_script(EXAMPLES / name, sandbox).splitlines()[-2:]
        (prediction,) = sandbox.predictions
        assert httpx.get(prediction["output"]["url"]).content == poem
    assert bar == f"[{'#' * 40}] {len(poem)} of {len(poem)} bytes"
    assert ended == "succeeded"


def test_dask_batch_counts_the_words_of_each_line() -> None:
    lines = [line for line in (EXAMPLES / "jabberwocky.txt").read_text(encoding="utf-8").splitlines() if line]
    with Sandbox() as sandbox:
        slow_goodbyes = r"(.* - distributed\.nanny - WARNING - .*\n)*"
        printed = run_python([EXAMPLES / "dask_batch.py"], settings_for(sandbox), stderr=slow_goodbyes).splitlines()
        assert len(sandbox.predictions) == len(lines)
    assert sorted(printed) == sorted(f"{line}  [{len(re.findall(WORD, line))}]" for line in lines)


def test_demo_runs_each_example_which_starts_a_sandbox_of_its_own() -> None:
    first, *sections = run_python([EXAMPLES / "demo.py"]).split("--- examples/")
    assert first == ""
    assert [section.splitlines()[0] for section in sections] == SAME_JOB
    for section in sections:
        check_output(section.splitlines()[1:])
