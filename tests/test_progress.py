"""Progress on the screen: waits, batches and transfers, as bars of rich and of tqdm, and as plain lines."""

import io
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tqdm.auto import tqdm

from tests.support.clients import ID, TOKEN
from tests.support.clients import prediction as fields
from wriftai_anyio import BatchResult, Client, File
from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio._progress import display
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO, WaitOptions
from wriftai_anyio.progress import Progress, RichProgress, TqdmProgress
from wriftai_anyio.sandbox import Sandbox

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Screen(io.StringIO):
    """What a terminal, or else a file, is told."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        return CONTROL.sub("", self.getvalue()).replace("\r", "\n")

    def ends(self, prediction_id: str) -> list[str]:
        """The statuses that lines of their own tell of."""
        return re.findall(rf"^{prediction_id}: (\w+) \(\d+ s\)$", self.text, re.MULTILINE)

    @property
    def lines(self) -> list[str]:
        return [line.strip() for line in self.text.splitlines() if line.strip()]


def rich_on(screen: Screen) -> Progress:
    return RichProgress(Console(file=screen, force_terminal=screen.terminal, width=120, _environ={}))


MAKERS: dict[str, Callable[[Screen], Progress]] = {"rich": rich_on, "tqdm": TqdmProgress}


@pytest.fixture(params=[False, True], ids=["file", "terminal"])
def screen(request: pytest.FixtureRequest) -> Screen:
    return Screen(terminal=request.param)


@pytest.fixture(params=MAKERS)
def progress(request: pytest.FixtureRequest, screen: Screen, monkeypatch: pytest.MonkeyPatch) -> Progress:
    monkeypatch.setattr(tqdm, "monitor_interval", 0)  # or else a thread of tqdm's own stays
    return MAKERS[request.param](screen)


def prediction(status: str, prediction_id: str = ID) -> PredictionWithIO:
    value: Any = {**fields(status), "id": prediction_id}
    return PredictionParser("https://api.example/v1").detailed(value)


def results(*statuses: str) -> Iterator[BatchResult]:
    for index, status in enumerate(statuses):
        if status == "error":
            yield BatchResult(index, {"input": index}, None, ValueError("bad input"))
        else:
            yield BatchResult(index, {"input": index}, prediction(status), None)


async def async_results(*statuses: str) -> AsyncIterator[BatchResult]:
    for result in results(*statuses):
        yield result


def test_each_new_status_of_a_wait_is_shown(progress: Progress, screen: Screen) -> None:
    with progress:
        for status in ("pending", "started", "started", "succeeded"):
            progress.on_poll(prediction(status))
    for status in ("pending", "started", "succeeded"):
        assert re.search(f"{ID}.*{status}", screen.text)
    assert screen.ends(ID).count("succeeded") == 1


def test_several_waits_are_told_apart(progress: Progress, screen: Screen) -> None:
    other = ID[:-1] + "2"
    with progress:
        progress.on_poll(prediction("started"))
        progress.on_poll(prediction("pending", other))
        progress.on_poll(prediction("failed"))
        progress.on_poll(prediction("cancelled", other))
    assert (screen.ends(ID)[-1], screen.ends(other)[-1]) == ("failed", "cancelled")


def test_a_prediction_that_is_waited_for_again_is_shown_again(progress: Progress, screen: Screen) -> None:
    with progress:
        progress.on_poll(prediction("succeeded"))
        shown = len(screen.ends(ID))
        progress.on_poll(prediction("succeeded"))
        assert len(screen.ends(ID)) == shown + 1


def test_a_wait_that_was_left_early_keeps_its_last_status(progress: Progress, screen: Screen) -> None:
    with pytest.raises(KeyboardInterrupt), progress:
        progress.on_poll(prediction("started"))
        raise KeyboardInterrupt
    assert screen.ends(ID) == ["started"]


@pytest.mark.parametrize("total", [4, None])
def test_a_batch_counts_what_has_ended_and_what_failed(progress: Progress, screen: Screen, total: int | None) -> None:
    statuses = ("succeeded", "failed", "error", "succeeded")
    with progress:
        shown = list(progress.batch(results(*statuses), total))
    assert [result.index for result in shown] == [0, 1, 2, 3]
    assert re.search(r"^batch\b.*4/4\b.*2 failed", screen.text, re.MULTILINE)


@pytest.mark.anyio
@pytest.mark.parametrize("total", [3, None])
async def test_a_batch_in_a_coroutine_counts_too(progress: Progress, screen: Screen, total: int | None) -> None:
    with progress:
        shown = progress.async_batch(async_results("succeeded", "error", "succeeded"), total, "job")
        assert [result.index async for result in shown] == [0, 1, 2]
    assert re.search(r"^job\b.*3/3\b.*1 failed", screen.text, re.MULTILINE)


def test_a_batch_that_was_left_early_keeps_its_count(progress: Progress, screen: Screen) -> None:
    with progress:
        shown = progress.batch(results(*["succeeded"] * 5), 5)
        next(shown)
        next(shown)
    assert re.search(r"^batch\b.*2/5\b", screen.lines[-1])


@pytest.mark.parametrize(("total", "end"), [(1000, "1.0 kB/1.0 kB|1.00k/1.00k"), (None, r"1.0 kB|1.00kB")])
def test_what_a_transfer_takes_back_is_taken_off(
    progress: Progress, screen: Screen, total: int | None, end: str
) -> None:
    with progress:
        on_progress = progress.transfer("talk.mp3")
        for delta in (600, 300, -300, 100, 300):
            on_progress(delta, total)
    assert re.search(rf"^talk\.mp3\b.*({end})", screen.lines[-1])


def test_bars_go_back_when_something_is_taken_back() -> None:
    screen = Screen(terminal=True)
    with rich_on(screen) as progress:
        on_progress = progress.transfer("talk.mp3")
        on_progress(1000, 1000)
        on_progress(-400, 1000)
    assert re.search(r"^talk\.mp3\b.*600 B/1.0 kB", screen.lines[-1])


def test_a_transfer_that_never_begins_shows_nothing(progress: Progress, screen: Screen) -> None:
    with pytest.raises(ValueError, match="bad address"), progress:
        progress.transfer("talk.mp3")
        raise ValueError("bad address")
    assert screen.lines == []


def test_a_file_gets_counts_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "QUIET_SECONDS", 0.0)
    screen = Screen(terminal=False)
    with TqdmProgress(screen) as progress:
        list(progress.batch(results("succeeded", "failed"), 2))
    assert [line.partition(" (")[0] for line in screen.lines] == ["batch: 0/2", "batch: 1/2", "batch: 2/2, 1 failed"]


def test_waits_and_transfers_of_a_blocking_client_are_shown(
    progress: Progress, screen: Screen, sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x" * 2000)
    with progress, Client(TOKEN, sandbox.base_url) as client:
        created = client.predictions.create({"input": "hello"}, "sandbox/echo")
        client.predictions.wait(created["id"], WaitOptions(0.01, progress.on_poll))
        uploaded = client.files.upload(File(file), progress.transfer("up"))
        client.files.download(uploaded["download_url"], tmp_path / "copy", on_progress=progress.transfer("down"))
    assert screen.ends(created["id"])[-1] == "succeeded"
    for name in ("up", "down"):
        assert re.search(rf"^{name}\b.*(2.0 kB/2.0 kB|2.00k/2.00k)", screen.text, re.MULTILINE)


@pytest.mark.anyio
async def test_waits_and_batches_in_coroutines_are_shown(progress: Progress, screen: Screen, sandbox: Sandbox) -> None:
    options = AsyncWaitOptions(0.01, progress.async_on_poll, duration=0)
    with progress:
        async with Client(TOKEN, sandbox.base_url) as client:
            created = await client.predictions.async_create(
                {"input": "hello"}, "sandbox/echo", wait=True, wait_options=options
            )
            async with client.predictions.async_batch([{"input": 1}, {"input": 2}], "sandbox/echo") as batch:
                assert len([result async for result in progress.async_batch(batch, 2)]) == 2
    assert screen.ends(created["id"])[-1] == "succeeded"
    assert re.search(r"^batch\b.*2/2\b", screen.text, re.MULTILINE)


def test_what_is_printed_into_a_pipe_stays_there(
    progress: Progress, screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress:
        for result in progress.batch(results("succeeded"), 1):
            print("result", result.index)
    assert capsys.readouterr().out == "result 0\n"
    assert "result" not in screen.text


def test_in_a_narrow_terminal_the_counts_stay_whole_and_the_name_gives_way() -> None:
    screen = Screen(terminal=True)
    console = Console(file=screen, force_terminal=True, width=40, color_system=None, _environ={})
    statuses = ["succeeded", "failed", "succeeded"]
    with RichProgress(console) as progress:
        assert len(list(progress.batch(results(*statuses), 2000, "results-of-the-day.jsonl"))) == 3
    assert max(map(len, screen.lines)) <= 40
    assert re.search(r"^results-\S*… +3/2000, 1 failed 0:00$", screen.lines[-1])


def test_outside_its_block_it_says_how_to_use_it(progress: Progress) -> None:
    with pytest.raises(RuntimeError, match=rf"with {type(progress).__name__}\(\) as progress"):
        progress.on_poll(prediction("started"))
    with progress:
        on_progress = progress.transfer("talk.mp3")
    with pytest.raises(RuntimeError, match="inside the block"):
        progress.transfer("talk.mp3")
    on_progress(1, 2)


def test_a_block_can_be_entered_again(progress: Progress, screen: Screen) -> None:
    for status in ("failed", "cancelled"):
        with progress:
            progress.on_poll(prediction(status))
        assert screen.ends(ID)[-1] == status


@pytest.mark.parametrize(("make", "library"), [(RichProgress, "rich"), (TqdmProgress, "tqdm")])
def test_a_missing_library_is_named_before_anything_is_done(
    make: type[RichProgress] | type[TqdmProgress], library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ImportError, match=rf"{make.__name__} needs {library}: pip install 'wriftai-anyio\[progress\]'"):
        make()


def test_a_program_without_standard_error_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    for make in (RichProgress, TqdmProgress):
        with make() as progress:
            progress.on_poll(prediction("succeeded"))
