"""What all tests share."""

import pytest

from support import Spelling


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Runs each coroutine test on both event loops."""
    backend: str = request.param
    return backend


@pytest.fixture(params=["blocking-asyncio", "blocking-trio", "async-asyncio", "async-trio"])
def spelling(request: pytest.FixtureRequest) -> Spelling:
    """Runs a test that calls methods by it with both spellings, on both event loops."""
    return Spelling(request.param)
