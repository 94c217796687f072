from collections.abc import Callable

import pytest

from tests.support.subprocesses import settings_for
from wriftai_anyio.sandbox import Sandbox

from .terminal import Ended, run_here


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps what is completed from the cache of the user who runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs the program in this process, with the sandbox as its API."""
    for name, value in settings_for(sandbox).items():
        monkeypatch.setenv(name, value)
    return lambda *arguments: run_here(capsys, *arguments)
