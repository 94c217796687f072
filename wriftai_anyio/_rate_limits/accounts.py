"""The rate limits of each account, which belong to the account and not to a client.

So all clients of this process with the same base URL and token share one pace, across threads and event loops. Other
processes are seen through the server's headers and refusals alone.
"""

import hashlib
import threading
import weakref

from wriftai_anyio._concurrency.forks import PerProcess

from .bucket import Bucket
from .state import RateLimits


class Pace:
    """The two buckets of one account."""

    def __init__(self) -> None:
        self.creates: Bucket = Bucket()
        self.others: Bucket = Bucket()

    def bucket(self, method: str, path: str) -> Bucket:
        """Returns the bucket that a request counts in."""
        return self.creates if (method, path) == ("POST", "/predictions") else self.others

    def state(self) -> RateLimits:
        """Describes both buckets."""
        return RateLimits(self.creates.state(), self.others.state())


class _Registry:
    """The paces of the accounts in use, while any client uses them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._paces: weakref.WeakValueDictionary[bytes, Pace] = weakref.WeakValueDictionary()

    def pace(self, account: bytes) -> Pace:
        with self._lock:
            pace = self._paces.get(account)
            if pace is None:
                pace = self._paces[account] = Pace()
            return pace


_registry = PerProcess(_Registry)


class SharedPace:
    """An account's pace in the current process, also after a fork."""

    def __init__(self, base_url: str, access_token: str | None) -> None:
        account = hashlib.sha256(f"{base_url}\n{access_token}".encode()).digest()
        self._pace = PerProcess(lambda: _registry.get().pace(account))

    def get(self) -> Pace:
        """Returns the pace of this process."""
        return self._pace.get()
