"""The rate limits of each account, which belong to the account and not to a client.

So all clients of this process with the same base URL and token share their buckets, across threads and event loops.
Other processes show only in the server's headers and refusals.
"""

import hashlib
import threading
import weakref

import httpx

from wriftai_anyio._concurrency.forks import PerProcess

from .bucket import Bucket
from .state import RateLimits


class AccountLimits:
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
    """The accounts in use, while any client uses them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: weakref.WeakValueDictionary[bytes, AccountLimits] = weakref.WeakValueDictionary()

    def limits(self, account: bytes) -> AccountLimits:
        with self._lock:
            limits = self._accounts.get(account)
            if limits is None:
                limits = self._accounts[account] = AccountLimits()
            return limits


_registry = PerProcess(_Registry)


class SharedLimits:
    """An account's rate limits in the current process, also after a fork."""

    def __init__(self, base_url: str, access_token: str | None) -> None:
        # The same address may be written with capital letters, or with the default port.
        account = hashlib.sha256(f"{httpx.URL(base_url)}\n{access_token}".encode()).digest()
        self._limits = PerProcess(lambda: _registry.get().limits(account))

    def get(self) -> AccountLimits:
        """Returns the limits in this process."""
        return self._limits.get()
