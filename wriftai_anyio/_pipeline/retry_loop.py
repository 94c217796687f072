"""The retry loop, for requests to the API and for transfers of files.

`_transport.retries` and each `Attempts` decide what may be tried again, and after how long.
"""

from collections.abc import Awaitable
from typing import Protocol, TypeAlias, TypeVar

from anyio import sleep

from wriftai_anyio.errors import APIConnectionError, APIResponseError, APIStatusError

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Failure: TypeAlias = APIConnectionError | APIStatusError | APIResponseError


class Attempts(Protocol[T_co]):
    """Something that is tried until it succeeds or is given up."""

    def attempt(self, number: int) -> Awaitable[T_co]:
        """Tries it, for the first time with the number 1; raises a `Failure` if it may be worth trying again."""
        ...

    def retry_delay(self, failure: Failure) -> float | None:
        """Returns the seconds to wait before the next attempt; `None` to give up."""
        ...

    async def before_retry(self, failure: Failure, delay: float) -> None:
        """Prepares the next attempt, before the delay."""
        ...


async def try_until_done(attempts: Attempts[T]) -> T:
    """Tries something until it succeeds or is given up.

    Raises:
        Failure: What the last attempt raised.
    """
    number = 1
    while True:
        try:
            return await attempts.attempt(number)
        except (APIConnectionError, APIStatusError, APIResponseError) as error:
            delay = attempts.retry_delay(error)
            if delay is None:
                raise
            failure = error
        # Outside of `except`: this failure must not become the context of what is raised next.
        await attempts.before_retry(failure, delay)
        del failure  # its traceback refers to this frame, and would keep it alive
        if delay:
            await sleep(delay)
        number += 1
