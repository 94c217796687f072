"""What it costs to upload and to download 256 MiB, against the published client and plain httpx."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx
import wriftai
from anyio.from_thread import BlockingPortal, start_blocking_portal
from wriftai import File as PublishedFile

from wriftai_anyio import Client, File

from ._measure import STATUS, Figure, cost_of, peak_memory, print_table, ratio
from ._store_server import FILE_SIZE, store_server

ROUNDS = 9
TARGET = 1.0
MOST_MEMORY = 40
"""MiB."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, store_server() as base_url:
        path = Path(folder, "content")
        with path.open("wb") as file:
            file.truncate(FILE_SIZE)
        with start_blocking_portal("asyncio") as on_asyncio, start_blocking_portal("trio") as on_trio:
            figures = [*_uploads(base_url, path, on_asyncio, on_trio), *_downloads(base_url, path, on_asyncio, on_trio)]
        if STATUS.exists():
            figures += [_memory(job, base_url, path) for job in ("upload", "download")]
    print_table("A file of 256 MiB over loopback, as a ratio of medians", figures)


def _uploads(base_url: str, path: Path, on_asyncio: BlockingPortal, on_trio: BlockingPortal) -> list[Figure]:
    ours, theirs = File(path), PublishedFile(path)
    published = wriftai.Client("t", base_url)

    def published_on_asyncio() -> object:
        return on_asyncio.call(published.files.async_upload, theirs)

    with Client("t", base_url) as client:
        return [
            _ratio(
                "async_upload on asyncio, of the published client",
                lambda: on_asyncio.call(client.files.async_upload, ours),
                published_on_asyncio,
            ),
            _ratio(
                "async_upload on trio, of the published client on asyncio",
                lambda: on_trio.call(client.files.async_upload, ours),
                published_on_asyncio,
            ),
            _ratio(
                "blocking upload, of the published client with its 16 threads",
                lambda: client.files.upload(ours),
                lambda: published.files.upload(theirs),
            ),
        ]


def _downloads(base_url: str, path: Path, on_asyncio: BlockingPortal, on_trio: BlockingPortal) -> list[Figure]:
    url, target = f"{base_url}/file", path.with_name("download")

    async def plain_download() -> None:
        async with httpx.AsyncClient() as plain, plain.stream("GET", url) as response:
            with target.open("wb") as file:
                async for chunk in response.aiter_bytes():
                    file.write(chunk)

    def plain_blocking_download() -> None:
        with httpx.stream("GET", url) as response, target.open("wb") as file:
            for chunk in response.iter_bytes():
                file.write(chunk)

    def compared(name: str, ours: Callable[[], object], theirs: Callable[[], object]) -> Figure:
        # Whoever replaces a file pays for it: ext4 first has the new content written to the disk.
        return _ratio(name, ours, theirs, lambda: target.unlink(missing_ok=True))

    def awaited(name: str, portal: BlockingPortal, client: Client) -> Figure:
        return compared(
            name,
            lambda: portal.call(client.files.async_download, url, target),
            lambda: portal.call(plain_download),
        )

    with Client("t", base_url) as client:
        return [
            awaited("async_download on asyncio, of plain httpx.AsyncClient", on_asyncio, client),
            awaited("async_download on trio, of plain httpx.AsyncClient", on_trio, client),
            # httpx.AsyncClient takes 1.07 of plain httpx's time without writing anything, and 1.39 with it.
            compared(
                "blocking download, of plain httpx", lambda: client.files.download(url, target), plain_blocking_download
            ),
            compared(
                "blocking download, of plain httpx.AsyncClient under asyncio.run",
                lambda: client.files.download(url, target),
                lambda: asyncio.run(plain_download()),
            ),
        ]


def _ratio(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    before: Callable[[], object] = lambda: None,
) -> Figure:
    """Compares two contenders; what is done before each round does not count."""

    def cost(function: Callable[[], object]) -> Callable[[], float]:
        measure = cost_of(function, 1)

        def prepare_and_measure() -> float:
            before()
            return measure()

        return prepare_and_measure

    return ratio(name, cost(ours), cost(theirs), target=TARGET, rounds=ROUNDS)


def _memory(job: str, base_url: str, path: Path) -> Figure:
    command = [sys.executable, "-m", "tests.benchmarks.files", job, base_url, str(path)]
    grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return Figure(f"memory grown by a blocking {job}", grown, MOST_MEMORY, " MiB")


def _grown(job: str, base_url: str, path: Path) -> float:
    with Client("t", base_url) as client:
        client.files.upload(File(b"x"))
        before = peak_memory()
        if job == "upload":
            client.files.upload(File(path))
        else:
            client.files.download(f"{base_url}/file", path.with_name("download"))
        return (peak_memory() - before) / 1024


if __name__ == "__main__":
    print(_grown(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
