"""What all tests share."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.support.clients import TOKEN, Spelling
from wriftai_anyio.sandbox import Sandbox

TESTS = Path(__file__).parent
LONGEST = (
    "mcp/test_process.py",
    "project/test_docs.py",
    "_polling/test_waits.py",
    "test_processes.py",
    "_polling/test_webhook_waits.py",
    "simulation/test_worlds.py",
    "_rate_limits/test_budget.py",
    "_transport/test_cancel_storm.py",
    "_batch/test_journal.py",
    "test_streams.py",
    "_blocking/test_notebooks.py",
    "project/test_examples.py",
    "project/test_dask.py",
    "cli/test_process.py",
    "_batch/test_interrupts.py",
    "_transport/test_connections.py",
    "test_pytest_plugin.py",
    "_files/test_streams.py",
)
"""The modules whose tests take longest, by descending time."""


def pytest_configure() -> None:
    """Lets the processes that tests start keep the package's bytecode: 0.2 s for each of more than a hundred."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    gc.disable()  # what collecting makes stays: looking through it again and again took a fifth of that time


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Runs what takes longest first, so that no worker is left with it when the others have ended."""
    places = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.relative_to(TESTS).as_posix(), len(places)))


def pytest_collection_finish() -> None:
    """Leaves modules and collected tests out of the many garbage collections that tests ask for: 0.1 s each."""
    gc.enable()
    gc.collect()
    gc.freeze()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Runs each coroutine test on both event loops."""
    backend: str = request.param
    return backend


@pytest.fixture(params=["blocking-asyncio", "blocking-trio", "async-asyncio", "async-trio"])
def spelling(request: pytest.FixtureRequest) -> Spelling:
    """Runs a test that calls methods by it with both spellings, on both event loops."""
    return Spelling(request.param)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    """Serves all tests that ask for a sandbox."""
    with Sandbox(setup_time=0.0, cancel_time=0.0, access_token=TOKEN) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """Serves a test over real HTTP, and is empty before and after."""
    running_sandbox.reset()
    yield running_sandbox
    running_sandbox.reset()


@pytest.fixture
def started_threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes the names of the package's threads that start."""
    names: list[str] = []
    start = Thread.start

    def noted(thread: Thread) -> None:
        if thread.name.startswith("wriftai_anyio"):
            names.append(thread.name)
        start(thread)

    monkeypatch.setattr(Thread, "start", noted)
    return names
