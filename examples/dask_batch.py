"""Counts the words of each line of a poem, and processes the outputs on a Dask cluster.

Usage: dask_batch.py [--scheduler ADDRESS] [--journal PATH]. It needs `distributed`. It uses the server of
WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself; and the cluster at ADDRESS, else
one on this machine.

Nothing is paid for twice, whatever crashes. Dask repeats the tasks of a dead worker, so no task may create predictions:
this process creates them, which costs no speed, since the account's limit is the same for any number of machines. The
tasks are safe to repeat: each waits for an existing prediction, and processes its output. If this process crashes, run
it again with the same journal, which knows what was created, and it goes on.

Each worker has one client, which is sent to it with pickle, including the access token: between machines, use TLS.
"""

import argparse
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import distributed
from distributed import as_completed, rejoin, secede

from wriftai_anyio import Client
from wriftai_anyio.predictions import CreatePredictionParams, WaitOptions
from wriftai_anyio.sandbox import Sandbox

POEM = Path(__file__).with_name("jabberwocky.txt").read_text(encoding="utf-8")
MODEL = "sandbox/word-count"
ONLY_CREATE = WaitOptions(duration=0, poll=False)


def count_words(client: Client, prediction_id: str) -> int:
    """Runs on a worker, and is safe to repeat."""
    secede()  # so that waiting tasks do not keep others from running
    prediction = client.predictions.wait(prediction_id)
    rejoin()
    if prediction["status"] != "succeeded":
        raise RuntimeError(f"prediction {prediction_id} {prediction['status']}: {prediction['error']}")
    counts: Any = prediction["output"]
    return sum(counts.values())


def run(
    client: Client, cluster: distributed.Client, inputs: Iterable[CreatePredictionParams], journal: str | None = None
) -> Iterator[tuple[int, int | Exception | None]]:
    """Yields the index of each input and its number of words, or why there is none, in the order in which they end."""
    kept = cluster.submit(lambda: client)  # as a task's result, it is sent to each worker, and made again if it is lost
    indexes: dict[distributed.Future[int], int] = {}
    ended = as_completed()
    with client.predictions.batch(inputs, MODEL, journal=journal, wait_options=ONLY_CREATE) as created:
        for each in created:
            if each.prediction is None:
                yield each.index, each.error
                continue
            future = cluster.submit(count_words, kept, each.prediction["id"])
            indexes[future] = each.index
            ended.add(future)
            for early in ended.next_batch(block=False):
                yield indexes.pop(early), early.exception() or early.result()
    for future in ended:
        yield indexes.pop(future), future.exception() or future.result()


def main(client: Client) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--scheduler", help="address of a Dask scheduler")
    parser.add_argument("--journal", help="path of a file that the job survives a kill with")
    arguments = parser.parse_args()
    lines = [line for line in POEM.splitlines() if line]
    inputs: list[CreatePredictionParams] = [{"input": {"text": line}} for line in lines]
    on_this_machine = {"n_workers": 2, "threads_per_worker": 2, "dashboard_address": "127.0.0.1:0"}
    with client, distributed.Client(arguments.scheduler, **({} if arguments.scheduler else on_this_machine)) as cluster:
        for index, words in run(client, cluster, inputs, arguments.journal):
            print(f"{lines[index]}  [{words}]", flush=True)


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        main(Client())
    else:
        with Sandbox() as sandbox:
            main(Client(sandbox.access_token, sandbox.base_url))
