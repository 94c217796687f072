"""Times as people read them."""

import re
from datetime import datetime, timezone


def moment(timestamp: str) -> str:
    """Shortens an ISO 8601 timestamp to its seconds: `2026-05-04 03:02:01`."""
    return timestamp[:19].replace("T", " ")


def age(timestamp: str) -> str:
    """Says how long ago something was, in its largest unit: `12 s`, `5 min`, `3 h`, `20 d`.

    Args:
        timestamp: When it was, in ISO 8601; in a form that Python does not know, it is only shortened.
    """
    try:
        then = datetime.fromisoformat(re.sub(r"\.\d+", "", timestamp).replace("Z", "+00:00"))
        seconds = max(0, int((datetime.now(timezone.utc) - then).total_seconds()))
    except (ValueError, TypeError):
        return moment(timestamp)
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def duration(iso: str | None) -> str | None:
    """Shortens an ISO 8601 duration: `PT1M2.567891S` is `1m2.56s`."""
    return iso and re.sub(r"(\.\d\d)\d+", r"\1", iso.removeprefix("PT").lower())
