import time
from collections.abc import Callable
from typing import Any

import httpx

from wriftai_anyio.sandbox import Sandbox

DEADLINE = 20.0

Connect = Callable[[Sandbox], httpx.Client]
Create = Callable[..., Any]


def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds."""
    give_up = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.001)


def poll(http: httpx.Client, prediction_id: str, status: str) -> Any:
    """Return a prediction once it has the status."""

    def fetch() -> Any:
        return http.get(f"/predictions/{prediction_id}").json()

    until(lambda: fetch()["status"] == status)
    return fetch()
