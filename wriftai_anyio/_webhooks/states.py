"""Finds the new states among those that webhooks deliver, each at least once and in any order."""

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Final

from wriftai_anyio._concurrency.bounded_dict import BoundedDict
from wriftai_anyio._types.prediction import RUNNING_STATUSES, TERMINAL_STATUSES, Prediction

_ENDED: Final = len(RUNNING_STATUSES)
_PROGRESS: Final[dict[str, int]] = {
    **{status: step for step, status in enumerate(RUNNING_STATUSES)},
    **dict.fromkeys(TERMINAL_STATUSES, _ENDED),
}
"""How far a prediction with a status has come."""


@dataclass(eq=False, repr=False)
class _Seen:
    """What is known about one prediction."""

    statuses: set[str] = field(default_factory=set[str])
    progress: int = -1
    updated_at: datetime | None = None

    def is_followed_by(self, status: str, updated_at: datetime | None) -> bool:
        progress = _PROGRESS.get(status, self.progress)
        if self.progress == _ENDED or progress < self.progress:
            return False
        if progress > self.progress:
            return True
        if updated_at is None or self.updated_at is None:
            return status not in self.statuses
        return updated_at > self.updated_at or (updated_at == self.updated_at and status not in self.statuses)

    def note(self, status: str, updated_at: datetime | None) -> None:
        self.statuses.add(status)
        self.progress = max(self.progress, _PROGRESS.get(status, self.progress))
        self.updated_at = updated_at or self.updated_at


class SeenStates:
    """Remembers the newest state of each prediction.

    Args:
        capacity: How many predictions are remembered; those without news for longest are forgotten.
    """

    def __init__(self, capacity: int) -> None:
        self._seen: BoundedDict[str, _Seen] = BoundedDict(capacity)

    def is_news(self, prediction: Prediction) -> bool:
        """Notes a state, and returns whether it is neither a duplicate nor older than one already seen."""
        status, updated_at = prediction["status"], _instant(prediction.get("updated_at"))
        seen = self._seen.pop(prediction["id"], None) or _Seen()
        self._seen[prediction["id"]] = seen
        if not seen.is_followed_by(status, updated_at):
            return False
        seen.note(status, updated_at)
        return True


def _instant(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
