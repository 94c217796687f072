"""A batch of many inputs from a generator: what it grows by, and what each input costs."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx

from wriftai_anyio import Client
from wriftai_anyio.predictions import CreatePredictionParams

from ._measure import Figure, peak_memory, print_table
from ._server import BODY

MOST_MEMORY = 60
"""MiB."""
CASES = ((100_000, False, 0.8), (10_000, True, 2.5))
"""Inputs, whether there is a journal, and the milliseconds of processor time that each may take."""


def main() -> None:
    for backend in ("asyncio", "trio"):
        for inputs, journal, most in CASES:
            command = [
                sys.executable,
                "-m",
                "tests.benchmarks.batches",
                backend,
                str(inputs),
                "journal" if journal else "",
            ]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            figures = [
                Figure("inputs without a result", inputs - found["results"], 0),
                Figure("memory grown", found["memory"], MOST_MEMORY, " MiB"),
                Figure("processor time of each", found["processor time"], most, " ms"),
            ]
            print_table(f"A batch of {inputs:,} inputs{' with a journal' if journal else ''} on {backend}", figures)


def _inputs(count: int) -> Iterator[CreatePredictionParams]:
    for number in range(count):
        yield {"input": {"text": f"line {number}", "padding": "x" * 200}}


async def _run(client: Client, count: int, journal: str | None) -> int:
    results = 0
    async with client.predictions.async_batch(_inputs(count), "me/upper", journal=journal) as batch:
        async for result in batch:
            results += result.prediction is not None
    return results


async def _cost(count: int, journal: str | None) -> dict[str, float]:
    headers = httpx.Headers({"content-type": "application/json", "content-length": str(len(BODY))})
    transport = httpx.MockTransport(lambda _: httpx.Response(201, headers=headers, stream=httpx.ByteStream(BODY)))
    client = Client("t", transport=transport)
    await _run(client, 100, None)
    memory, began = peak_memory(), time.process_time()
    results = await _run(client, count, journal)
    return {
        "results": results,
        "memory": (peak_memory() - memory) / 1024,
        "processor time": 1e3 * (time.process_time() - began) / count,
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "journal")) if sys.argv[3] else None
        print(json.dumps(anyio.run(_cost, int(sys.argv[2]), path, backend=sys.argv[1])))
