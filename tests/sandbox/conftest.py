from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from wriftai_anyio.sandbox import Sandbox

from .helpers import Connect, Create


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(setup_time=0.0, cancel_time=0.0) as sandbox:
        yield sandbox


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make HTTP clients that hold a sandbox's token, and close them at the end."""
    with ExitStack() as clients:

        def connect(sandbox: Sandbox) -> httpx.Client:
            headers = {"authorization": f"Bearer {sandbox.access_token}"}
            client = httpx.Client(base_url=sandbox.base_url, headers=headers, timeout=10, verify=False)
            return clients.enter_context(client)

        yield connect


@pytest.fixture
def http(sandbox: Sandbox, connect: Connect) -> httpx.Client:
    return connect(sandbox)


@pytest.fixture
def anyone() -> Iterator[httpx.Client]:
    """A client without a token."""
    with httpx.Client(timeout=10, verify=False) as client:
        yield client


@pytest.fixture
def create(http: httpx.Client) -> Create:
    """Create a prediction and return it; with ``wait`` once it has ended."""

    def create(model: str, given: object, *, wait: bool = False) -> Any:
        headers = {"prefer": "wait"} if wait else {}
        answer = http.post("/predictions", json={"model": model, "input": given}, headers=headers)
        assert answer.status_code == 201
        return answer.json()

    return create
