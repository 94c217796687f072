"""How long creates are held: for less, once something on the way to the server has cut one off.

Gateways close connections that are silent for a minute or so (nginx and AWS's balancers after 60 s, Cloudflare after
100 s). A held create is silent until its prediction ends, and one that is cut off has created it all the same.
"""

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from anyio import current_time

from wriftai_anyio._concurrency.time_scale import scaled
from wriftai_anyio._instrumentation.log import logger
from wriftai_anyio._pipeline.attempt_hooks import AttemptHooks
from wriftai_anyio._polling.options import AsyncWaitOptions
from wriftai_anyio._transport.retries import GATEWAY_STATUSES
from wriftai_anyio.errors import APIConnectionError, APIStatusError

from .create import Hold

ANSWER_MARGIN: Final = 1.0
"""Seconds that a hold ends before the wait's deadline, so that its answer, with the id, is there in time."""
SHORTEST_HOLD: Final = 1.0
"""Seconds below which nothing is held, and after which a failure may be due to the silence."""
CUT_OFF_STATUSES: Final = GATEWAY_STATUSES | {408, 502, 504}
"""What is answered to a request whose connection was silent for too long. A 500 or 503 is the server's own."""


class Holds:
    """How long the creates of one client are held."""

    def __init__(self) -> None:
        self._longest = math.inf

    def fitting(self, options: AsyncWaitOptions) -> Hold | None:
        """Returns the hold of a create; `None` if it is not to be held.

        Args:
            options: How to wait for its prediction. Without polls it is held as they say, whatever happened before.
        """
        limits = [scaled(limit) for limit in (options.duration, _before(options.timeout)) if limit is not None]
        if options.poll and self._longest < math.inf:
            limits.append(self._longest)
        if not limits:
            return Hold(None)
        seconds = int(min(limits))
        return Hold(seconds) if seconds >= SHORTEST_HOLD else None

    @contextmanager
    def watched(self, hold: Hold | None, hooks: AttemptHooks | None = None) -> Generator[AttemptHooks | None]:
        """Notes whether the create of the block is cut off; further ones are then held for half of that time.

        Args:
            hold: Its hold; nothing is noted without one.
            hooks: Those of the caller.

        Yields:
            Hooks that are those of the caller, and note when it is sent, if that is to be noted.
        """
        if hold is None:
            yield hooks
            return
        others = hooks or AttemptHooks()
        sent_at = current_time()

        async def note_sent() -> None:
            nonlocal sent_at
            await others.before()
            sent_at = current_time()

        try:
            yield AttemptHooks(note_sent, others.after_failure)
        except (APIConnectionError, APIStatusError) as error:
            if _is_cut_off(error):
                self._note_cut(current_time() - sent_at)
            raise

    def _note_cut(self, lasted: float) -> None:
        if lasted >= SHORTEST_HOLD and lasted / 2 < self._longest:
            self._longest = lasted / 2
            logger.info("a held create was cut off after %.0f s: further ones are held for half of that", lasted)


def _is_cut_off(error: APIConnectionError | APIStatusError) -> bool:
    if isinstance(error, APIConnectionError):
        return error.request_sent
    return error.status_code in CUT_OFF_STATUSES


def _before(timeout: float | None) -> float | None:
    return None if timeout is None else timeout - ANSWER_MARGIN
