"""Which proxy of the environment a request goes through, if any.

httpx's own reading of these variables fails as a whole at one value that it cannot read, even where no request needs
it; and a client of httpx, which alone honours them, also keeps cookies and sends the password of a URL.
"""

import ipaddress
import os
import re
import urllib.request
from typing import Final, NamedTuple

import httpx

from wriftai_anyio._concurrency.bounded_dict import BoundedDict

from .addresses import LAST_PORT, has_host, is_loopback
from .failures import SettingsFault

_SCHEMES: Final = "http://, https://, socks5:// or socks5h://"
_REMEMBERED: Final = 256
"""Hosts whose way is remembered."""


class Proxy(NamedTuple):
    """A proxy, and the variable that names it.

    Attributes:
        address: Its address, with credentials if there are any.
        variable: The variable's name.
    """

    address: httpx.URL
    variable: str

    @property
    def label(self) -> str:
        """Its name for messages, without credentials."""
        return f"{self.address.copy_with(userinfo=b'')} ({self.variable})"


class Proxies:
    """The proxies that the environment currently names.

    A value that cannot be used matters only to the requests that would need it.
    """

    def __init__(self) -> None:
        given = {scheme: value.strip() for scheme, value in urllib.request.getproxies().items()}
        self._given = {scheme: given[scheme] for scheme in ("http", "https", "all") if given.get(scheme)}
        self._exceptions = [_Exception.read(entry) for entry in given.get("no", "").replace(",", " ").split()]
        self._ways: BoundedDict[tuple[str, bytes, int | None], Proxy | None] = BoundedDict(_REMEMBERED)

    def way_to(self, url: httpx.URL) -> Proxy | None:
        """Returns the proxy for an address; `None` if it is reached directly.

        Raises:
            SettingsFault: If the variable that names the proxy cannot be used.
        """
        if not self._given:
            return None
        key = url.scheme, url.raw_host, url.port
        if key not in self._ways:
            self._ways[key] = self._find(url)
        return self._ways[key]

    def _find(self, url: httpx.URL) -> Proxy | None:
        scheme = url.scheme if url.scheme in self._given else "all"
        host = url.raw_host.decode("ascii").lower().rstrip(".")
        if scheme not in self._given or is_loopback(host):
            return None
        port = url.port or (443 if url.scheme == "https" else 80)
        if any(exception.covers(url.scheme, host, port) for exception in self._exceptions):
            return None
        return _proxy(self._given[scheme], _variable(scheme))


def _variable(scheme: str) -> str:
    """Returns the name of the variable that names a proxy, as it is written in the environment."""
    name = f"{scheme}_proxy"
    named = next((each for each in (name, name.upper()) if os.environ.get(each)), None)
    return named or "the system's proxy settings"


def _proxy(value: str, variable: str) -> Proxy:
    # Without its escape, one of `/?#` in a password ends the host there: what follows may be the rest of the password.
    if "@" in value and "@" not in re.split(r"[/?#]", value.rpartition("://")[2])[0]:
        raise SettingsFault(f"{variable} is not the address of a proxy: escape /, ? and # in its password, as %2F")
    try:
        address = httpx.URL(value if "://" in value else f"http://{value}")
    except httpx.InvalidURL as error:
        raise SettingsFault(f"{variable} is not the address of a proxy: {error}") from None
    shown = address.copy_with(userinfo=b"")
    if f"{address.scheme}://" not in _SCHEMES.replace(",", "").split() or not has_host(address):
        raise SettingsFault(f"{variable} names {str(shown)!r}; a proxy begins with {_SCHEMES} and has a host")
    if (address.port or 0) > LAST_PORT:
        raise SettingsFault(f"{variable} names {str(shown)!r}; a port may be at most {LAST_PORT}")
    return Proxy(address, variable)


_PREFIX: Final = re.compile(r"\d+\]?(:\d+)?")
"""What follows the slash of a network."""


def _ascii(host: str) -> str:
    """Returns the host of an exception in the form that requests use: in Punycode if it is not ASCII."""
    if host.isascii():
        return host
    name = host.lstrip("*.")
    try:
        return host[: len(host) - len(name)] + httpx.URL(scheme="http", host=name).raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError):
        return host


class _Exception(NamedTuple):
    """One entry of NO_PROXY. Addresses may have brackets, and networks are taken as such."""

    scheme: str
    host: str
    port: str
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None

    @classmethod
    def read(cls, entry: str) -> "_Exception":
        scheme, _, rest = entry.lower().rpartition("://")
        place, _, path = rest.rpartition("@")[2].partition("/")
        if scheme and not _PREFIX.fullmatch(path):  # the rest of a URL, and not that of a network
            rest = place
        host, _, port = rest.rpartition(":")
        # An address of IPv6 without brackets has colons, and no port.
        if not port.isdecimal() or (":" in host and "]" not in host):
            host, port = rest, ""
        host = _ascii(host.replace("[", "").replace("]", "").rstrip("/").rstrip("."))
        try:
            network = ipaddress.ip_network(host, strict=False)
        except ValueError:
            network = None
        return cls(scheme, host, port, network)

    def covers(self, scheme: str, host: str, port: int) -> bool:
        return self.scheme in {"", "all", scheme} and self.port in {"", str(port)} and self._covers_host(host)

    def _covers_host(self, host: str) -> bool:
        if self.network is not None:
            try:
                return ipaddress.ip_address(host) in self.network
            except ValueError:
                return False
        if self.host == "*":
            return True
        # As httpx has it: `.example.com` stands for the hosts below it, and `example.com` also for itself.
        below = self.host.removeprefix("*")
        return bool(below) and (host == below or host.endswith(below if below.startswith(".") else f".{below}"))
