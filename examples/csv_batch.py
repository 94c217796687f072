"""Runs a model on each row of a CSV file and writes a CSV file of results, with a progress bar.

Usage: csv_batch.py INPUTS.csv RESULTS.csv

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself.
"""

import csv
import os
import sys
from pathlib import Path

from wriftai_anyio import Client
from wriftai_anyio.progress import TqdmProgress
from wriftai_anyio.sandbox import Sandbox

FIELDS = ["index", "text", "id", "status", "output", "error", "setup_time", "execution_time"]


def main(client: Client, inputs: Path, results: Path) -> None:
    with inputs.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    params = [{"input": {"text": row["text"]}} for row in rows]
    batch = client.predictions.batch(
        params, "sandbox/word-count", journal=f"{results}.journal", retry_failed=True, max_failures=20
    )
    with client, TqdmProgress() as progress, batch as ends, results.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for result in progress.batch(ends, total=len(rows)):
            writer.writerow({"text": rows[result.index]["text"], **result.to_row()})


if __name__ == "__main__":
    given, wanted = map(Path, sys.argv[1:])
    if "WRIFTAI_API_BASE_URL" in os.environ:
        main(Client(), given, wanted)
    else:
        with Sandbox() as sandbox:
            main(Client(sandbox.access_token, sandbox.base_url), given, wanted)
