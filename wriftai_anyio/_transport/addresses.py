"""Addresses: those that are configured, and those that come from a store or a redirect; read and checked."""

import ipaddress
from typing import Final

import httpx

LAST_PORT: Final = 65535
LONGEST_LABEL: Final = 63
"""Bytes between two dots of a host's name."""
UNREACHABLE: Final = f"must be a web address: http:// or https://, then a host; a port may be at most {LAST_PORT}."
"""What is said of an address that `can_be_reached` refuses."""


def can_be_reached(address: httpx.URL) -> bool:
    """Whether connections can go to an address: httpx takes any."""
    return address.scheme in {"http", "https"} and has_host(address) and (address.port or 0) <= LAST_PORT


def has_host(address: httpx.URL) -> bool:
    """Whether an address names a host that can be looked up."""
    # httpx decodes Punycode when it is asked for the host, and trio resolves names by Python's codec `idna`: both raise
    # a UnicodeError of what cannot be a name.
    try:
        is_address = ":" in address.host
    except UnicodeError:
        return False
    labels = address.raw_host.removesuffix(b".").split(b".")
    return is_address or all(0 < len(label) <= LONGEST_LABEL for label in labels)


def is_loopback(host: str) -> bool:
    """Returns whether a host's name or address is that of this machine, which no proxy reaches."""
    name = host.lower().rstrip(".")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def web_address(url: str, argument: str) -> httpx.URL:
    """Returns an address that can be fetched.

    Args:
        url: The address.
        argument: What the caller calls it.

    Raises:
        ValueError: If it cannot; the error does not show the address, whose query may be a secret.
    """
    try:
        address = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, UnicodeError):  # a UnicodeError would hold the address
        address = httpx.URL()
    if not can_be_reached(address):
        raise ValueError(f"{argument} {UNREACHABLE}")
    return address


def header_of(response: httpx.Response, name: bytes) -> bytes | None:
    """Returns the value of a header as it came, which need not be ASCII; `None` if there is none.

    Args:
        response: The answer.
        name: The name in lower case.
    """
    return next((value for key, value in response.headers.raw if key.lower() == name), None)


def location_of(response: httpx.Response) -> str:
    """Returns the address that an answer names in `Location`, of the bytes that came; empty if it names none."""
    location = header_of(response, b"location") or b""
    try:
        return location.decode()
    except UnicodeDecodeError:  # httpx would make other bytes of them, in UTF-8
        return "".join(chr(byte) if byte < 0x80 else f"%{byte:02X}" for byte in location)
