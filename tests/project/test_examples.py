import ast
import csv
import re
import runpy
from collections import Counter
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from starlette.testclient import TestClient

from tests.support.subprocesses import CHECKOUT, run_python, run_script, settings_for
from wriftai_anyio.sandbox import Sandbox

from .test_dask import START_METHOD

EXAMPLES = CHECKOUT / "examples"
WORD = r"\w+(?:'\w+)*"
SAME_JOB = ["quickstart.py", "trio_app.py", "asyncio_app.py"]


def strings_of_tests_with(wanted: set[str]) -> set[str]:
    sources = (path.read_text(encoding="utf-8") for path in Path(__file__).parents[1].rglob("test_*.py"))
    trees = (ast.parse(source) for source in sources if any(each in source for each in wanted))
    return {str(node.value) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def test_every_example_has_a_test() -> None:
    examples = {path.name for path in EXAMPLES.iterdir() if path.is_file() and path.suffix != ".txt"}
    assert examples - strings_of_tests_with(examples) == set()


def counted_words() -> dict[str, int]:
    text = (EXAMPLES / "jabberwocky.txt").read_text(encoding="utf-8").lower()
    letters = "".join(character if character.isalnum() or character == "'" else " " for character in text)
    return Counter(word.strip("'") for word in letters.split())


def check_most_used(lines: list[str]) -> None:
    """Checks five lines for the words that the poem uses most, and how often."""
    shown = {word: int(count) for count, word in map(str.split, lines)}
    counts = counted_words()
    assert len(lines) == len(shown) == 5
    assert shown == {word: counts[word] for word in shown}
    assert sorted(shown.values()) == sorted(counts.values())[-5:]


def check_output(lines: list[str]) -> None:
    """Checks the lines for each status that was seen, and for the output."""
    end = lines.index("succeeded")
    order = ["pending", "starting", "started", "succeeded"]
    assert lines[: end + 1] == [status for status in order if status in lines]
    assert lines[0] == "pending"
    check_most_used(lines[end + 1 :])


@pytest.mark.parametrize("name", SAME_JOB)
def test_example_uses_the_server_of_the_environment(name: str) -> None:
    with Sandbox() as sandbox:
        check_output(run_script(EXAMPLES / name, sandbox).splitlines())
        assert [prediction["status"] for prediction in sandbox.predictions] == ["succeeded"]


def test_the_first_program_is_five_lines_and_prints_an_output() -> None:
    code = (EXAMPLES / "first.py").read_text(encoding="utf-8").splitlines()[2:]
    assert len([line for line in code if line]) <= 5
    with Sandbox() as sandbox:
        assert ast.literal_eval(run_script(EXAMPLES / "first.py", sandbox)) == {"the": 2, "more": 1, "merrier": 1}


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
    check_most_used(lines[3:])


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


def test_pictures_come_back_into_the_folder(tmp_path: Path) -> None:
    pictures = [tmp_path / "cat.png", tmp_path / "dog.png"]
    for picture in pictures:
        picture.write_bytes(b"\x89PNG\r\n\x1a\n" + picture.name.encode())
    with Sandbox() as sandbox:
        run_script(EXAMPLES / "pictures.py", sandbox, arguments=["--folder", tmp_path / "results", *pictures])
    saved = {path.read_bytes() for path in (tmp_path / "results").iterdir()}
    assert saved == {picture.read_bytes() for picture in pictures}


def test_chain_gives_the_output_of_one_model_to_the_other() -> None:
    stanzas = (EXAMPLES / "jabberwocky.txt").read_text(encoding="utf-8").split("\n\n")
    printed = run_python([EXAMPLES / "chain.py"]).splitlines()
    assert sorted(printed) == sorted(stanza.splitlines()[0].upper() for stanza in stanzas)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    path = tmp_path / "inputs.csv"
    path.write_text("text\nto be\nor not\n", encoding="utf-8")
    return path


def test_csv_batch_writes_a_row_for_each_row(inputs: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.csv"
    with Sandbox() as sandbox:
        progress = r"(.+: .+ \(\d+ s\)\n)+"
        run_script(EXAMPLES / "csv_batch.py", sandbox, arguments=[inputs, results], stderr=progress)
    assert sorted((row["text"], row["output"]) for row in rows_of(results)) == [
        ("or not", '{"or": 1, "not": 1}'),
        ("to be", '{"to": 1, "be": 1}'),
    ]


def test_nightly_job_goes_on_and_tries_again_what_failed(inputs: Path, tmp_path: Path) -> None:
    results = tmp_path / "results.csv"

    def count(given: dict[str, str]) -> int:
        if given["text"] == "or not" and len(sandbox.predictions) < 3:
            raise ValueError("not tonight")
        return len(given["text"].split())

    with Sandbox({"sandbox/word-count": count}) as sandbox:
        for code, statuses in ((1, ["succeeded", "failed"]), (0, ["succeeded", "succeeded"])):
            with pytest.raises(SystemExit) as ended:
                run_script(EXAMPLES / "nightly_job.py", sandbox, arguments=[inputs, results])
            assert ended.value.code == code
            assert [row["status"] for row in rows_of(results)] == statuses
        assert len(sandbox.predictions) == 3


def test_fastapi_app_answers_at_once_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WRIFTAI_API_BASE_URL", raising=False)
    application = runpy.run_path(str(EXAMPLES / "fastapi_app.py"))["app"]
    with TestClient(application) as browser:
        assert browser.post("/count", params={"text": "to be"}).json() == {"words": {"to": 1, "be": 1}}
        job = browser.post("/jobs", params={"text": "to be"}).json()["id"]
        while (answer := browser.get(f"/jobs/{job}").json())["status"] != "succeeded":
            assert answer["status"] in {"pending", "starting", "started"}
        assert answer["words"] == {"to": 1, "be": 1}
        assert browser.get(f"/jobs/{uuid4()}").status_code == 404


def test_dask_batch_counts_the_words_of_each_line() -> None:
    lines = [line for line in (EXAMPLES / "jabberwocky.txt").read_text(encoding="utf-8").splitlines() if line]
    with Sandbox() as sandbox:
        slow_goodbyes = r"(.* - distributed\.nanny - WARNING - .*\n)*"
        settings = {**settings_for(sandbox), "DASK_DISTRIBUTED__WORKER__MULTIPROCESSING_METHOD": START_METHOD}
        printed = run_python([EXAMPLES / "dask_batch.py"], settings, stderr=slow_goodbyes).splitlines()
        assert len(sandbox.predictions) == len(lines)
    assert sorted(printed) == sorted(f"{line}  [{len(re.findall(WORD, line))}]" for line in lines)


def test_demo_runs_each_example_which_starts_a_sandbox_of_its_own() -> None:
    first, *sections = run_python([EXAMPLES / "demo.py"]).split("--- examples/")
    assert first == ""
    assert [section.splitlines()[0] for section in sections] == SAME_JOB
    for section in sections:
        check_output(section.splitlines()[1:])


def test_every_example_is_on_the_page() -> None:
    page = (CHECKOUT / "docs" / "examples.md").read_text(encoding="utf-8")
    shown = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".ipynb"})
