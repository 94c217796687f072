"""Runs a model on each row of a CSV file, and survives crashes and restarts.

Usage: nightly_job.py INPUTS.csv RESULTS.csv

If you start it again after a crash, a kill or a reboot, it goes on where it stopped: failed predictions are created
again, others are not. After 20 failures it stops, since then something is wrong. Its exit code is 0 if all rows have
succeeded, and otherwise 1, so that cron, systemd or Airflow can start it again. The journal is next to the results;
delete it to start over.

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself.
"""

import csv
import os
import sys
from pathlib import Path

from wriftai_anyio import BatchStoppedError, Client
from wriftai_anyio.sandbox import Sandbox

MODEL = "sandbox/word-count"


def main(client: Client, inputs: Path, results: Path) -> int:
    with inputs.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    params = [{"input": {"text": row["text"]}} for row in rows]
    batch = client.predictions.batch(
        params, MODEL, journal=f"{results}.journal", retry_failed=True, find_unknown=True, max_failures=20
    )
    ended: dict[int, dict[str, object]] = {}
    try:
        with client, batch as ends:
            for result in ends:
                ended[result.index] = {**rows[result.index], **result.to_row()}
    except BatchStoppedError as error:
        print(error, file=sys.stderr)
    write(results, [ended[index] for index in sorted(ended)])
    succeeded = sum(row["status"] == "succeeded" for row in ended.values())
    print(f"{succeeded} of {len(rows)} succeeded")
    return 0 if succeeded == len(rows) else 1


def write(results: Path, rows: list[dict[str, object]]) -> None:
    unfinished = results.with_suffix(".part")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0] if rows else [])
        writer.writeheader()
        writer.writerows(rows)
    unfinished.replace(results)


if __name__ == "__main__":
    given, wanted = map(Path, sys.argv[1:])
    if "WRIFTAI_API_BASE_URL" in os.environ:
        sys.exit(main(Client(), given, wanted))
    with Sandbox() as sandbox:
        sys.exit(main(Client(sandbox.access_token, sandbox.base_url), given, wanted))
