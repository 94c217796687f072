from collections.abc import Callable
from typing import Any

import httpx

from tests.support.patience import until
from wriftai_anyio.sandbox import Sandbox

Connect = Callable[[Sandbox], httpx.Client]
Create = Callable[..., Any]


def poll(http: httpx.Client, prediction_id: str, status: str) -> Any:
    """Return a prediction once it has the status."""

    def fetch() -> Any:
        return http.get(f"/predictions/{prediction_id}").json()

    until(lambda: fetch()["status"] == status)
    return fetch()
