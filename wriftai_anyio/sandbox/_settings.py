"""How a sandbox behaves."""

from dataclasses import dataclass
from typing import Final

from ._streams import Streaming

API_PREFIX: Final = "/v1"


@dataclass
class Settings:
    """What the constructor of `Sandbox` was told, and what can be changed later.

    Args:
        hold: Whether ``Prefer: wait`` is honoured.
        max_hold: The longest that a connection is held, in seconds.
        setup_time: How long a prediction is pending and starting, in seconds.
        cancel_time: How long after a cancel its prediction ends, in seconds.
        time_scale: How many times as fast the sandbox's own time passes.
        part_size: The size of an upload's parts, in bytes.
        streaming: How events are streamed.
    """

    hold: bool
    max_hold: float
    setup_time: float
    cancel_time: float
    time_scale: float
    part_size: int
    streaming: Streaming

    def __post_init__(self) -> None:
        if min(self.max_hold, self.setup_time, self.cancel_time) < 0:
            raise ValueError("durations must not be negative")
        if self.time_scale <= 0 or self.part_size <= 0:
            raise ValueError("time_scale and part_size must be positive")

    def scaled(self, seconds: float) -> float:
        """Return how long something of so many seconds takes here."""
        return seconds / self.time_scale
