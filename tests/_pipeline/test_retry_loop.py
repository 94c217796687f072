"""The one loop of retries: which attempt it is, and what comes between two."""

from typing import Any

import pytest
from anyio import current_time, fail_after

from tests.support.clients import in_virtual_time
from wriftai_anyio._pipeline.retry_loop import Failure, try_until_done
from wriftai_anyio.errors import APIConnectionError

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


class Attempts:
    """Attempts of which the first few fail; notes all that is asked of them."""

    def __init__(self, failing: int, delays: list[float | None]) -> None:
        self._failing = failing
        self._delays = delays
        self.failures: list[Failure] = []
        self.asked: list[object] = []

    async def attempt(self, number: int) -> str:
        self.asked.append((number, current_time()))
        if number <= self._failing:
            self.failures.append(APIConnectionError(f"failure {number}", request=None, request_sent=True))  # type: ignore[arg-type]
            raise self.failures[-1]
        return f"answer {number}"

    def retry_delay(self, failure: Failure) -> float | None:
        assert failure is self.failures[-1]
        return self._delays[len(self.failures) - 1]

    async def before_retry(self, failure: Failure, delay: float) -> None:
        assert failure is self.failures[-1]
        self.asked.append(delay)


async def test_attempts_are_counted_from_one_and_each_delay_is_told_and_waited_for() -> None:
    attempts, began = Attempts(2, [3.0, 5.0]), current_time()
    with fail_after(30):
        assert await try_until_done(attempts) == "answer 3"
    assert attempts.asked == [(1, began), 3.0, (2, began + 3), 5.0, (3, began + 8)]


async def test_the_last_failure_is_raised_as_it_is() -> None:
    attempts = Attempts(9, [1.0, None])
    with fail_after(30), pytest.raises(APIConnectionError) as caught:
        await try_until_done(attempts)
    assert caught.value is attempts.failures[1]
    assert len(attempts.failures) == 2
