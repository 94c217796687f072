"""The settings of a sandbox."""

from dataclasses import dataclass
from typing import Final

from ._checks import check_flags, check_scale, check_seconds, check_whole
from ._streams import Streaming

API_PREFIX: Final = "/v1"


@dataclass(frozen=True)
class Delivery:
    """How a sandbox delivers webhooks: in order, each change once, by default.

    Args:
        duplicates: How many extra times each change is posted.
        reorder: Whether the last two changes are posted in reverse order.
        attempts: How often a change is posted at most until it is accepted.
        retry_delay: Seconds before the second attempt; doubled for each further one.

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
    """The arguments of `Sandbox`, and settings that can be changed later.

    Args:
        hold: Whether `Prefer: wait` is honoured.
        max_hold: The longest that an answer is held, in seconds.
        setup_time: How long a prediction is pending and starting, in seconds.
        cancel_time: How long after a cancel its prediction ends, in seconds.
        time_scale: How many times faster the sandbox's own time passes.
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
        """Return the real seconds that a duration of the sandbox takes."""
        return seconds / self.time_scale
