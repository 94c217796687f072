"""Fixtures of the tests of batches: a sandbox with the model that they run, and a place for a journal."""

from pathlib import Path

import pytest

from tests.support.batches import MODEL, upper
from wriftai_anyio.sandbox import Sandbox


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    sandbox.models[MODEL] = upper
    return sandbox


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"
