"""A soak in real time: what the simulation cannot show, over real HTTP with faults, for as long as you like.

Waits, streams, batches and webhooks; and what needs real threads: blocking calls, files, and clients dropped unclosed.
`nox -s soak -- --minutes 20 --backend trio`. The server is a process of its own, so that what grows here is ours.
"""

import argparse
import ctypes
import gc
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.to_thread
import uvicorn
from anyio import create_task_group, sleep

from wriftai_anyio import Client, File
from wriftai_anyio.errors import APIConnectionError, APIStatusError, CreateOutcomeUnknown, WriftAIError
from wriftai_anyio.predictions import AsyncWaitOptions
from wriftai_anyio.webhooks import WebhookReceiver

WAITS: Final = 500
BATCH: Final = 20
BLOCKING: Final = 10
"""Threads that make blocking calls."""
LARGEST_FILE: Final = 3_000_000
"""Bytes."""
WORDS: Final = "to be or not to be that is the question"
SECRET: Final = "soak"
FAULTS: Final = (*("drop", "drop_after", "half", "delay", 500, 502, 503) * 40, 429)
"""A 429 slows all down for ten seconds and more, so it is rare."""
REQUESTS_PER_FAULT: Final = 15
SAMPLE_EVERY: Final = 5.0
"""Seconds."""
MOST_GROWTH: Final = 12.0
"""MiB by which the last quarter of the time may need more memory than the second."""


@dataclass
class Seen:
    """What has come of all the calls so far."""

    ended: Counter[str] = field(default_factory=Counter[str])
    unknown: int = 0
    wrong: list[str] = field(default_factory=list[str])
    samples: list[tuple[float, int, int]] = field(default_factory=list[tuple[float, int, int]])


def main() -> int:
    parser = argparse.ArgumentParser(prog="nox -s soak --", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--serve", action="store_true", help="be the server")
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    with _server() as (base_url, token):
        before = _resources()
        seen = Seen()
        anyio.run(soak, base_url, token, options.minutes * 60, seen, backend=options.backend)
        _await_threads(before[2])
        return report(seen, before, _resources())


def serve() -> None:
    """Serves a sandbox in which something goes wrong all the time, until its input ends."""
    from wriftai_anyio.sandbox import Sandbox

    with Sandbox(max_hold=5.0) as sandbox:
        print(sandbox.base_url, sandbox.access_token, flush=True)
        stopped = threading.Event()
        threading.Thread(target=_set_at_end_of_input, args=[stopped], daemon=True).start()
        planned = 0
        while not stopped.wait(0.5):
            # By requests, not by time: on a busy machine, every request would meet a fault.
            while planned < len(sandbox.requests) // REQUESTS_PER_FAULT:
                planned += 1
                kind: Any = random.choice(FAULTS)
                sandbox.fail_next(kind, delay=random.uniform(0.1, 3.0) if kind == "delay" else 0.0)


def _set_at_end_of_input(event: threading.Event) -> None:
    sys.stdin.read()
    event.set()


@contextmanager
def _server() -> Iterator[tuple[str, str]]:
    command = [sys.executable, "-m", "tests.simulation.soak", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both are pipes")
        try:
            base_url, token = process.stdout.readline().split()
            yield base_url, token
        finally:
            process.stdin.close()


async def soak(base_url: str, token: str, seconds: float, seen: Seen) -> None:
    """Keeps hundreds of calls under way for a time, and lets those that are under way then end."""
    blocking = Client(token, base_url)
    async with Client(token, base_url) as client:
        receiver = WebhookReceiver(SECRET, None, client)
        with _webhooks(receiver) as address, tempfile.TemporaryDirectory() as folder:
            until = anyio.current_time() + seconds
            async with create_task_group() as tasks:
                for number in range(WAITS):
                    webhook = {"webhook": {"url": address, "secret": SECRET}} if number % 5 == 0 else {}
                    tasks.start_soon(_again, until, seen, _Waiter(client, webhook).run)
                tasks.start_soon(_again, until, seen, _Streamer(client).run)
                tasks.start_soon(_again, until, seen, _Batcher(client, Path(folder)).run)
                tasks.start_soon(_again, until, seen, _Filer(client, Path(folder)).run)
                tasks.start_soon(_again, until, seen, _Dropper(token, base_url).run)
                for _ in range(BLOCKING):
                    tasks.start_soon(_again, until, seen, _BlockingCaller(blocking).run)
                tasks.start_soon(_sample, until, seen)
    blocking.close()


async def _again(until: float, seen: Seen, work: Callable[[Seen], Awaitable[None]]) -> None:
    await sleep(random.uniform(0, 3))
    while anyio.current_time() < until:
        try:
            await work(seen)
        except CreateOutcomeUnknown:  # noqa: PERF203 -- each call is on its own
            seen.unknown += 1
        except WriftAIError as error:
            seen.wrong.append(repr(error))


class _Waiter:
    def __init__(self, client: Client, webhook: dict[str, Any]) -> None:
        self._client = client
        self._webhook = webhook

    async def run(self, seen: Seen) -> None:
        """Creates and waits in one of three ways, and now and then leaves early."""
        given = {"seconds": random.choice((0.5, 2.0, 5.0, 10.0)), "key": random.random()}
        params: Any = {"input": given, **self._webhook}
        predictions = self._client.predictions
        kind = random.choice(("held", "polled", "left"))
        if kind == "held":
            prediction = await predictions.async_create(params, "sandbox/sleep", wait=True)
        elif kind == "polled":
            created = await predictions.async_create(params, "sandbox/sleep")
            prediction = await predictions.async_wait(created["id"])
        else:
            options = AsyncWaitOptions(cancel_on_exit=True)
            with anyio.move_on_after(random.uniform(0, 3)):
                await predictions.async_create(params, "sandbox/sleep", wait=True, wait_options=options)
            seen.ended[kind] += 1
            return
        if prediction["status"] != "succeeded" or prediction["input"] != given:
            seen.wrong.append(f"{given} became {prediction}")
        seen.ended[kind] += 1


class _Streamer:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self, seen: Seen) -> None:
        """Reads a text."""
        text = await self._client.predictions.async_create_stream(
            {"input": {"text": WORDS}}, "sandbox/word-count"
        ).async_text()
        if text != WORDS:
            seen.wrong.append(f"the stream said {text!r}")
        seen.ended["streamed"] += 1
        await sleep(0.5)


class _Batcher:
    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder
        self._count = 0

    async def run(self, seen: Seen) -> None:
        """Runs a batch with a journal."""
        self._count += 1
        journal = self._folder / f"journal-{self._count}"
        inputs: Any = [{"input": {"seconds": 1.0, "number": number}} for number in range(BATCH)]
        indexes: list[int] = []
        async with self._client.predictions.async_batch(inputs, "sandbox/sleep", journal=journal) as results:
            async for result in results:
                indexes.append(result.index)
                if result.error is not None and not isinstance(result.error, CreateOutcomeUnknown):
                    seen.wrong.append(repr(result.error))
        if sorted(indexes) != list(range(BATCH)):
            seen.wrong.append(f"a batch had the results {sorted(indexes)}")
        seen.ended["batches"] += 1


class _BlockingCaller:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def run(self, seen: Seen) -> None:
        """Creates and waits in a thread, by a blocking call."""
        given: Any = {"input": {"seconds": random.choice((0.5, 2.0)), "key": random.random()}}
        prediction = await anyio.to_thread.run_sync(
            lambda: self._client.predictions.create(given, "sandbox/sleep", wait=True)
        )
        if prediction["status"] != "succeeded" or prediction["input"] != given["input"]:
            seen.wrong.append(f"{given} became {prediction}")
        seen.ended["blocking"] += 1


class _Filer:
    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    async def run(self, seen: Seen) -> None:
        """Uploads a file from the disk and downloads it again."""
        content = random.randbytes(random.randrange(LARGEST_FILE))
        source, copy = anyio.Path(self._folder / "source"), anyio.Path(self._folder / "copy")
        await source.write_bytes(content)
        try:
            uploaded = await self._client.files.async_upload(File(self._folder / "source"))
            await self._client.files.async_download(uploaded["download_url"], self._folder / "copy")
        except (APIConnectionError, APIStatusError):
            seen.ended["files that failed"] += 1
            return
        if await copy.read_bytes() != content:
            seen.wrong.append(f"a file of {len(content)} bytes came back otherwise")
        seen.ended["files"] += 1
        await sleep(0.5)


class _Dropper:
    def __init__(self, token: str, base_url: str) -> None:
        self._token = token
        self._base_url = base_url

    async def run(self, seen: Seen) -> None:
        """Uses a client that is dropped unclosed: its connections are closed when the next one comes."""
        with suppress(APIConnectionError, APIStatusError):
            await Client(self._token, self._base_url).predictions.async_list()
        seen.ended["dropped clients"] += 1
        if seen.ended["dropped clients"] % 50 == 0:
            gc.collect()
        await sleep(0.5)


@contextmanager
def _webhooks(receiver: WebhookReceiver) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(receiver, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)


def _resources() -> tuple[float, int, int]:
    """Returns the memory in MiB, and the numbers of descriptors and threads."""
    # What the files of some megabytes leave free in glibc's heaps is not in use, and comes and goes in large steps.
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return memory, len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def _await_threads(count: int) -> None:
    """Waits until no more threads run than so many: trio keeps idle ones for ten seconds."""
    for _ in range(20):
        if threading.active_count() <= count:
            return
        time.sleep(1.0)
    print(*threading.enumerate(), sep="\n")


async def _sample(until: float, seen: Seen) -> None:
    while anyio.current_time() < until:
        await sleep(SAMPLE_EVERY)
        seen.samples.append(_resources())
        if len(seen.samples) % 6 == 0:
            memory, descriptors, threads = seen.samples[-1]
            ended = sum(seen.ended.values())
            print(f"{memory:.0f} MiB, {descriptors} descriptors, {threads} threads, {ended} calls", flush=True)


def report(seen: Seen, before: tuple[float, int, int], after: tuple[float, int, int]) -> int:
    """Prints what came of it, and returns 1 if something was lost, or has grown."""
    quarter = max(1, len(seen.samples) // 4)
    early, late = seen.samples[quarter : 2 * quarter], seen.samples[-quarter:]
    growth = _mean(late) - _mean(early)
    print(f"{dict(seen.ended)}, {seen.unknown} creates of unknown outcome")
    print(f"memory grew by {growth:.1f} MiB; of descriptors and threads there were {before[1:]}, then {after[1:]}")
    faults = [
        *seen.wrong[:20],
        *([f"memory grew by {growth:.1f} MiB"] if growth > MOST_GROWTH else []),
        *([f"{after[1] - before[1]} descriptors are left"] if after[1] > before[1] + 2 else []),
        *([f"{after[2] - before[2]} threads are left"] if after[2] > before[2] else []),
    ]
    print("nothing was lost" if not faults else "\n".join(faults))
    return bool(faults)


def _mean(samples: list[tuple[float, int, int]]) -> float:
    return sum(sample[0] for sample in samples) / max(1, len(samples))


if __name__ == "__main__":
    sys.exit(main())
