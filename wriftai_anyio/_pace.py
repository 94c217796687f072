"""The rate budget of an account: two buckets, creates and all else, fed by the answers' headers."""

import hashlib
import threading
import weakref
from collections.abc import Mapping


class Bucket:
    """The budget of one kind of request."""

    async def acquire(self) -> None:
        """Waits until a request may go out."""

    def answered(self, status: int, headers: Mapping[str, str]) -> None:
        """Takes in what an answer says of the budget."""

    def unanswered(self) -> None:
        """Takes in that a request ended without an answer."""


class Pace:
    """The two buckets of one account."""

    def __init__(self) -> None:
        self.creates = Bucket()
        self.others = Bucket()

    def bucket(self, method: str, path: str) -> Bucket:
        """Returns the bucket that a request counts in."""
        return self.creates if (method, path) == ("POST", "/predictions") else self.others


_paces: "weakref.WeakValueDictionary[bytes, Pace]" = weakref.WeakValueDictionary()
_lock = threading.Lock()


def shared_pace(base_url: str, access_token: str | None) -> Pace:
    """Returns the pace of an account, which all clients of this process share while there are any."""
    key = hashlib.sha256(f"{base_url}\n{access_token}".encode()).digest()
    with _lock:
        pace = _paces.get(key)
        if pace is None:
            pace = _paces[key] = Pace()
        return pace
