"""The pytest plugin: fixtures to test your own code against a sandbox, without a network.

pytest loads it automatically if the package is installed. The fixture `wriftai_sandbox` needs the extra `sandbox`.

```python
def test_shouting(wriftai_sandbox, wriftai_client):
    wriftai_sandbox.models["me/upper"] = str.upper
    prediction = wriftai_client.predictions.create({"input": "hello"}, "me/upper", wait=True)
    assert prediction["output"] == "HELLO"
```
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

# pytest loads this file in every run, so everything else that the fixtures need is imported when they are used.
if TYPE_CHECKING:
    from .client import Client
    from .sandbox import Sandbox

__all__ = ["wriftai_client", "wriftai_sandbox"]

_TIME_SCALE = "wriftai_time_scale"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the setting of the time scale."""
    parser.addini(_TIME_SCALE, "How many times as fast time passes for wriftai_sandbox and its clients.", default="1")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line("markers", "wriftai(**options): options of the Sandbox that wriftai_sandbox is.")


@pytest.fixture
def wriftai_sandbox(request: pytest.FixtureRequest) -> "Iterator[Sandbox]":
    """A running sandbox, empty for each test; every `Client()` made in the test uses it.

    While the test runs, `WRIFTAI_ACCESS_TOKEN` and `WRIFTAI_API_BASE_URL` point to it. Predictions start at once.
    `@pytest.mark.wriftai(…)` sets other arguments of `Sandbox`. With a `time_scale`, from the marker or from the
    setting `wriftai_time_scale`, the clients' polls, retries and timeouts speed up by the same factor.
    """
    try:
        from .sandbox import Sandbox
    except ImportError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    from ._concurrency.time_scale import faster

    options = _options(request)
    with Sandbox(**options) as sandbox, faster(options["time_scale"]), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WRIFTAI_ACCESS_TOKEN", sandbox.access_token)
        patch.setenv("WRIFTAI_API_BASE_URL", sandbox.base_url)
        yield sandbox


@pytest.fixture
def wriftai_client(wriftai_sandbox: "Sandbox") -> "Iterator[Client]":
    """A client of `wriftai_sandbox`, for coroutines and plain code, closed at the end of the test."""
    from .client import Client

    with Client(wriftai_sandbox.access_token, wriftai_sandbox.base_url) as client:
        yield client


def _options(request: pytest.FixtureRequest) -> dict[str, Any]:
    setting: str = request.config.getini(_TIME_SCALE)
    try:
        time_scale = float(setting)
    except ValueError:
        raise pytest.UsageError(f"{_TIME_SCALE} must be a number, not {setting!r}") from None
    options: dict[str, Any] = {"setup_time": 0.0, "cancel_time": 0.0, "time_scale": time_scale}
    for marker in reversed(list(request.node.iter_markers("wriftai"))):
        if marker.args:
            raise pytest.UsageError("the marker wriftai takes keyword arguments alone")
        options.update(marker.kwargs)
    return options
