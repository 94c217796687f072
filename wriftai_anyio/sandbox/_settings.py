"""How a sandbox behaves."""

from dataclasses import dataclass
from typing import Final

from ._checks import check_flags, check_scale, check_seconds, check_whole
from ._streams import Streaming

API_PREFIX: Final = "/v1"


@dataclass(frozen=True)
class Delivery:
    """How a sandbox delivers webhooks: in order, each change once, by default.

    Args:
        duplicates: How many times more each change is posted.
        reorder: Post the last change before the one before it.
        attempts: How often a change is posted until it is taken.
        retry_delay: Seconds before the second attempt; doubled before each further one.

    Raises:
        ValueError: If a number is out of range.
    """

    duplicates: int = 0
    reorder: bool = False
    attempts: int = 5
    retry_delay: float = 0.1

    def __post_init__(self) -> None:
        check_whole(0, duplicates=self.duplicates)
        check_whole(1, attempts=self.attempts)
        check_seconds(retry_delay=self.retry_delay)
        check_flags(reorder=self.reorder)


@dataclass
class Settings:
    """What the constructor of `Sandbox` was given, and what can be changed later.

    Args:
        hold: Whether `Prefer: wait` is honoured.
        max_hold: The longest that a connection is held, in seconds.
        setup_time: How long a prediction is pending and starting, in seconds.
        cancel_time: How long after a cancel its prediction ends, in seconds.
        time_scale: How many times as fast the sandbox's own time passes.
        part_size: The size of an upload's parts, in bytes.
        streaming: How events are streamed.
        delivery: How webhooks are delivered.
    """

    hold: bool
    max_hold: float
    setup_time: float
    cancel_time: float
    time_scale: float
    part_size: int
    streaming: Streaming
    delivery: Delivery

    def __post_init__(self) -> None:
        check_seconds(max_hold=self.max_hold, setup_time=self.setup_time, cancel_time=self.cancel_time)
        check_whole(1, part_size=self.part_size)
        check_flags(hold=self.hold)
        check_scale(self.time_scale)

    def scaled(self, seconds: float) -> float:
        """Return how many seconds of real time a duration of the sandbox takes."""
        return seconds / self.time_scale
