"""The authorities that vouch for servers: those that the environment names, else those that come with certifi."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from wriftai_anyio._concurrency.forks import PerProcess, forks_wait

from .failures import SettingsFault

if TYPE_CHECKING:
    import ssl  # a lean Python may lack it: then only connections fail

_HASHED: Final = re.compile(r"[0-9a-f]{8}\.\d+")
"""The names by which OpenSSL finds certificates in a folder."""
VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")

_contexts: Final["PerProcess[dict[tuple[str | None, ...], ssl.SSLContext]]"] = PerProcess(dict)
"""Shared by all clients of a process, by the settings of the environment: reading the authorities takes 0.03 s."""


def certificates() -> "ssl.SSLContext":
    """Returns the context for the current environment; blocks if there is none yet.

    Raises:
        SettingsFault: If what the environment names cannot be read.
    """
    contexts, settings = _contexts.get(), tuple(map(os.environ.get, VARIABLES))
    with forks_wait():
        if settings not in contexts:
            contexts[settings] = _read()
        return contexts[settings]


def _read() -> "ssl.SSLContext":
    folder = os.environ.get("SSL_CERT_DIR")
    if folder and not os.environ.get("SSL_CERT_FILE"):
        _check_folders(folder)
    try:
        return httpx.create_ssl_context()
    except (OSError, ValueError) as error:
        problem = (isinstance(error, OSError) and error.strerror) or str(error)
        raise SettingsFault(f"{_named()} cannot be read: {problem}") from error


def _check_folders(folders: str) -> None:
    # OpenSSL takes a folder without certificates, or that is not there, without a word, and then trusts nobody.
    found = [path for path in map(Path, folders.split(os.pathsep)) if path.is_dir()]
    if not found:
        raise SettingsFault(f"SSL_CERT_DIR names {folders!r}, which is not a folder")
    try:
        names = [entry.name for path in found for entry in path.iterdir()]
    except OSError as error:
        raise SettingsFault(f"SSL_CERT_DIR names {folders!r}, which cannot be read: {error.strerror}") from error
    if not any(map(_HASHED.fullmatch, names)):
        raise SettingsFault(
            f"SSL_CERT_DIR names {folders!r}, in which OpenSSL finds no certificates by their hashes: "
            "run 'openssl rehash' on it"
        )


def _named() -> str:
    """Names the variable that is at fault, if one can be told; else all that are set."""
    given = {name: value for name in VARIABLES if (value := os.environ.get(name))}
    missing = {name: value for name, value in given.items() if name == "SSL_CERT_FILE" and not Path(value).is_file()}
    named = [f"{name}, which names {value!r}," for name, value in (missing or given).items()]
    return " and ".join(named) or "the authorities of certifi"
