"""Saves the files whose addresses are anywhere in an output, and returns a copy of it with paths in their place."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import httpx

from wriftai_anyio._concurrency.gather import side_by_side
from wriftai_anyio._concurrency.threads import run_in_thread
from wriftai_anyio._transport.addresses import web_address
from wriftai_anyio.errors import FilesNotSavedError, WriftAIError

from .download import download
from .object_store import Store
from .progress import DownloadProgress, tell

Container: TypeAlias = dict[object, object] | list[object]

FILES_AT_ONCE: Final = 8

_ADDRESS = re.compile(r"https?://[^\s\x00-\x1f\x7f]+", re.IGNORECASE)


async def save(store: Store, output: object, folder: Path, on_progress: DownloadProgress | None) -> Any:  # noqa: ANN401 -- of the shape of the output
    """Downloads each file that an output links to, several at once; see `Files.async_save`.

    If one of several addresses cannot be downloaded, the others are still saved: addresses expire, and their files are
    paid for.

    Args:
        store: Sends the requests.
        output: The output. It is copied before anything is awaited, so it may be changed meanwhile.
        folder: The folder in which the files are saved.
        on_progress: The caller's callback.

    Raises:
        WriftAIError: If the only file cannot be downloaded.
        FilesNotSavedError: If any of several files cannot be downloaded.
        OSError: If the folder cannot be written to.
    """
    addresses: dict[str, httpx.URL] = {}

    def note(text: str) -> str:
        address = _address_of(text)
        if address is not None:
            addresses[text] = address
        return text

    copy = copied(output, note)
    if not addresses:
        return copy
    await run_in_thread(partial(folder.mkdir, parents=True, exist_ok=True))
    total = _Total(on_progress)
    different = list(dict.fromkeys(addresses.values()))
    failures: dict[httpx.URL, WriftAIError] = {}
    paths: dict[httpx.URL, Path] = {}

    async def fetch(address: httpx.URL) -> None:
        try:
            paths[address] = await download(store, address, folder, total.counting(address))
        except WriftAIError as error:
            if len(different) == 1:
                raise
            failures[address] = error
            await total.take_back(address)

    await side_by_side(fetch, different, FILES_AT_ONCE)
    saved = copied(copy, lambda text: paths.get(addresses[text], text) if text in addresses else text)
    if failures:
        by_text = {text: failures[address] for text, address in addresses.items() if address in failures}
        raise FilesNotSavedError(saved, by_text, len(paths)) from next(iter(failures.values()))
    return saved


def copied(value: object, replace: Callable[[str], object]) -> Any:  # noqa: ANN401 -- of the shape of the value
    """Copies dictionaries and lists, however deeply they are nested.

    Args:
        value: The value. Tuples become lists, and an object that is in it twice is one object in the copy, too.
        replace: Returns the replacement of each string; the keys of dictionaries stay.
    """
    # Python's stack is too small for recursion: servers send 2,000 levels.
    top: list[object] = [value]
    copies: dict[int, tuple[object, Container]] = {}  # with the original, so that its id is not used again
    pending: list[Container] = [top]
    while pending:
        container = pending.pop()
        entries = list(container.items() if isinstance(container, dict) else enumerate(container))
        for key, entry in entries:
            if isinstance(entry, str):
                cast("dict[object, object]", container)[key] = replace(entry)
            elif (shallow := _shallow_copy(entry)) is not None:
                if id(entry) not in copies:
                    copies[id(entry)] = entry, shallow
                    pending.append(shallow)
                cast("dict[object, object]", container)[key] = copies[id(entry)][1]
    return top[0]


def _shallow_copy(value: object) -> Container | None:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, object]", value))
    return list(cast("list[object]", value)) if isinstance(value, (list, tuple)) else None


def _address_of(text: str) -> httpx.URL | None:
    if not _ADDRESS.fullmatch(text):
        return None
    try:
        return web_address(text, "output").copy_with(fragment=None)
    except ValueError:
        return None


class _Total:
    """The progress of several downloads, reported as one."""

    def __init__(self, on_progress: DownloadProgress | None) -> None:
        self._on_progress = on_progress
        self._sizes: dict[httpx.URL, int | None] = {}
        self._received: Counter[httpx.URL] = Counter()

    def counting(self, address: httpx.URL) -> DownloadProgress | None:
        """Returns the callback for one download."""
        on_progress = self._on_progress
        if on_progress is None:
            return None

        def count(delta: int, size: int | None) -> object:
            self._sizes[address] = size
            self._received[address] += delta
            return on_progress(delta, self._sum())

        return count

    async def take_back(self, address: httpx.URL) -> None:
        """Subtracts the bytes of a download that is given up."""
        self._sizes.pop(address, None)
        await tell(self._on_progress, -self._received[address], self._sum())

    def _sum(self) -> int | None:
        total = 0
        for size in self._sizes.values():
            if size is None:
                return None
            total += size
        return total
