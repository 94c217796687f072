"""Formats times for people."""

import re
from datetime import datetime, timezone
from typing import Final

_TIMESTAMP: Final = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s*(.*)")


def moment(timestamp: object) -> str | None:
    """Shortens an ISO 8601 timestamp to seconds, with its time zone: `2026-05-04 03:02:01 UTC`.

    Args:
        timestamp: The timestamp; any other string is returned unchanged, and anything else becomes `None`.
    """
    if not isinstance(timestamp, str):
        return None
    match = _TIMESTAMP.fullmatch(timestamp)
    if match is None:
        return timestamp
    zone = "UTC" if match[3] in {"Z", "z", "+00:00"} else match[3]
    return f"{match[1]} {match[2]} {zone}".rstrip()


def age(timestamp: object) -> str:
    """Returns how long ago something was, in its largest unit: `12 s`, `5 min`, `3 h`, `20 d`.

    Args:
        timestamp: When it was, in ISO 8601; a format that Python cannot parse is only shortened.
    """
    if not isinstance(timestamp, str):
        return ""
    try:
        then = datetime.fromisoformat(re.sub(r"\.\d+", "", timestamp).replace("Z", "+00:00"))
        seconds = max(0, int((datetime.now(timezone.utc) - then).total_seconds()))
    except (ValueError, TypeError, OverflowError):
        return moment(timestamp) or ""
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def duration(iso: object) -> str | None:
    """Shortens an ISO 8601 duration: `PT1M2.567891S` is `1m2.56s`."""
    return re.sub(r"(\.\d\d)\d+", r"\1", iso.removeprefix("PT").lower()) if isinstance(iso, str) else None
