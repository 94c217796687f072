"""How a sandbox behaves."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What the constructor of `Sandbox` was told, with its durations in seconds scaled."""

    hold: bool
    max_hold: float
    setup_time: float
    cancel_time: float
    time_scale: float

    def scaled(self, seconds: float) -> float:
        """Return how long something of so many seconds takes here."""
        return seconds / self.time_scale
