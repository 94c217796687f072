"""Notebooks: both spellings in the cells of a real kernel, and the notebook among the examples."""

import os
import re
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import nbformat
import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient import NotebookClient

from tests.support.patience import PATIENCE, until
from tests.support.subprocesses import CHECKOUT, settings_for
from wriftai_anyio.sandbox import Sandbox

EXAMPLE = CHECKOUT / "examples" / "notebook.ipynb"
SETUP = """
from wriftai_anyio import Client
from wriftai_anyio.predictions import AsyncWaitOptions, WaitOptions
client = Client()
SLEEP = {"input": {"seconds": 600}}
CANCELLED = WaitOptions(cancel_on_exit=True)
POLLED = AsyncWaitOptions(0.1, cancel_on_exit=True)
"""
STREAMS = ["for event in client.predictions.create_stream", "async for event in client.predictions.async_create_stream"]


@dataclass
class Cell:
    """What came of a cell: how it ended, what it printed and what it returned."""

    ended: str = ""
    printed: str = ""
    returned: str | None = None
    warned: str = ""
    error: str | None = None


@dataclass
class Notebook:
    """A kernel, and the sandbox that its clients reach."""

    kernel: BlockingKernelClient
    sandbox: Sandbox
    printed: threading.Event = field(default_factory=threading.Event)

    def run(self, code: str) -> Cell:
        """Runs a cell to its end."""
        cell = Cell()

        def note(message: dict[str, Any]) -> None:
            content = message["content"]
            match message["msg_type"]:
                case "stream" if content["name"] == "stdout":
                    cell.printed += content["text"]
                    self.printed.set()
                case "stream":
                    cell.warned += content["text"]
                case "display_data":
                    cell.printed += content["data"]["text/plain"]
                case "execute_result":
                    cell.returned = content["data"]["text/plain"]
                case "error":
                    cell.error = content["ename"]

        reply = self.kernel.execute_interactive(code, output_hook=note, timeout=PATIENCE, allow_stdin=False)
        cell.ended = reply["content"]["status"]
        return cell

    def returned(self, code: str) -> str:
        """Runs a cell that ends well and prints nothing, and gives what it returns."""
        cell = self.run(code)
        assert (cell.ended, cell.printed, cell.warned) == ("ok", "", ""), cell
        assert cell.returned is not None
        return cell.returned

    def interrupt_when_started(self) -> None:
        """Interrupts the cell that runs next, once its prediction runs and it waits."""

        process_id = self.returned("import os; os.getpid()")

        def wait_and_interrupt() -> None:
            until(lambda: any(each["status"] == "started" for each in self.sandbox.predictions))
            time.sleep(0.05)
            os.kill(int(process_id), signal.SIGINT)

        threading.Thread(target=wait_and_interrupt, daemon=True).start()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Has kernels keep what they write to themselves."""
    folder = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
            patch.setenv(name, str(folder / name.lower()))
        yield folder


@pytest.fixture(scope="module")
def started(folder: Path) -> Iterator[Notebook]:
    with Sandbox(setup_time=0.0, cancel_time=0.0) as sandbox:
        manager = KernelManager()
        manager.start_kernel(env={**os.environ, **settings_for(sandbox)})
        kernel = manager.blocking_client()
        kernel.start_channels()
        try:
            kernel.wait_for_ready(timeout=PATIENCE)
            yield Notebook(kernel, sandbox)
        finally:
            kernel.stop_channels()
            manager.shutdown_kernel(now=True)
            ensure_event_loop().close()


@pytest.fixture
def notebook(started: Notebook) -> Notebook:
    started.sandbox.reset()
    assert started.run(SETUP) == Cell("ok")
    return started


def read_example() -> Any:
    read: Callable[..., Any] = nbformat.read
    return read(EXAMPLE, as_version=4)


def test_both_spellings_work_in_a_cell(notebook: Notebook) -> None:
    blocking = "client.predictions.create({'input': 'hello'}, 'sandbox/echo', wait=True)"
    awaited = "(await client.predictions.async_create({'input': 'hello'}, 'sandbox/echo', wait=True))"
    assert notebook.returned(f"{blocking}['output']") == "'hello'"
    assert notebook.returned(f"{awaited}['output']") == "'hello'"
    assert notebook.returned(f"{awaited}['output'], {blocking}['output']") == "('hello', 'hello')"


def test_callbacks_print_in_the_cell_that_waits(notebook: Notebook) -> None:
    cell = notebook.run(
        """
        created = client.predictions.create({"input": {"seconds": 0.3}}, "sandbox/sleep")
        show = lambda latest: print(latest["status"])
        client.predictions.wait(created["id"], WaitOptions(0.05, show))["status"]
        """
    )
    assert (cell.ended, cell.returned) == ("ok", "<Status.succeeded: 'succeeded'>")
    assert cell.printed.split()[-2:] == ["started", "succeeded"]


@pytest.mark.parametrize("loop_over", STREAMS, ids=["blocking", "async"])
def test_a_stream_shows_as_it_comes(notebook: Notebook, loop_over: str) -> None:
    async def wait_for_its_reader(_given: object) -> AsyncGenerator[str, None]:
        for word in ("to", "be", "or", "not"):
            notebook.printed.clear()
            yield word
            with anyio.fail_after(PATIENCE / 4):
                while not notebook.printed.is_set():
                    await anyio.sleep(0.01)

    notebook.sandbox.models["me/patient"] = wait_for_its_reader
    cell = notebook.run(
        f"""
        {loop_over}({{"input": None}}, "me/patient"):
            print(event["data"] if event["event"] in ("output", "error") else "")
        """
    )
    assert (cell.ended, cell.printed.split()) == ("ok", ["to", "be", "or", "not"])


@pytest.mark.parametrize(
    ("code", "error", "status"),
    [
        ("client.predictions.create(SLEEP, 'sandbox/sleep', True)", "KeyboardInterrupt", "started"),
        ("client.predictions.create(SLEEP, 'sandbox/sleep', True, CANCELLED)", "KeyboardInterrupt", "cancelled"),
        # The kernel itself cancels what is awaited, once something happens on its event loop, such as a poll.
        ("await client.predictions.async_create(SLEEP, 'sandbox/sleep', True, POLLED)", "CancelledError", "cancelled"),
    ],
)
def test_an_interrupted_cell_ends_and_the_kernel_goes_on(
    notebook: Notebook, code: str, error: str, status: str
) -> None:
    notebook.interrupt_when_started()
    assert notebook.run(code).error == error
    assert notebook.returned("client.predictions.create({'input': 1}, 'sandbox/echo', wait=True)['output']") == "1"
    assert notebook.sandbox.predictions[0]["status"] == status


@pytest.mark.parametrize("kind", ["RichProgress", "TqdmProgress"])
def test_progress_is_shown_in_the_cell(notebook: Notebook, kind: str) -> None:
    cell = notebook.run(
        f"""
        from wriftai_anyio.progress import {kind}
        with {kind}() as progress:
            options = WaitOptions(0.05, progress.on_poll, duration=0)
            client.predictions.create({{"input": 1}}, "sandbox/echo", wait=True, wait_options=options)
        """
    )
    assert cell.ended == "ok"
    assert re.search(r": succeeded \(\d+ s\)", cell.printed + cell.warned)


def test_the_example_runs_from_its_first_cell_to_its_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as sandbox:
        for name, value in settings_for(sandbox).items():
            monkeypatch.setenv(name, value)
        example = read_example()
        NotebookClient(example, timeout=PATIENCE, resources={"metadata": {"path": EXAMPLE.parent}}).execute()
        assert {each["status"] for each in sandbox.predictions} == {"succeeded"}
    printed = [output for cell in example.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output for output in printed if output.get("name") == "stderr"] == []
    assert "Jabberwock" in str(printed)
    shown = {kind for output in printed for kind in output.get("data", ())}
    assert {"image/png", "text/html"} <= shown
    texts = [output.data["text/plain"] for output in printed if {*output.get("data", ())} == {"text/plain"}]
    assert max(map(len, texts)) < 200, "a wall of text"


def test_the_example_is_kept_without_its_outputs() -> None:
    example = read_example()
    nbformat.validate(example)
    code = [cell for cell in example.cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count, cell.metadata) for cell in code] == [([], None, {})] * len(code)
