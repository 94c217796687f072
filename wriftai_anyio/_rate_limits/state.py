"""What users see of the rate limits of their account."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RateLimit:
    """The state of one bucket.

    Attributes:
        limit: Requests for each window, as the server last stated; `None` if it states none.
        remaining: Requests left in the window, as the server last stated.
        reset: When the window ends, a Unix timestamp by the clock of this machine.
        queued: Requests of this process that wait for their turn.
    """

    limit: int | None
    remaining: int | None
    reset: float | None
    queued: int


@dataclass(frozen=True)
class RateLimits:
    """The state of an account's two buckets.

    Attributes:
        creates: Creating predictions.
        others: All other requests.
    """

    creates: RateLimit
    others: RateLimit
