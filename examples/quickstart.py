"""Shows the most used words of a poem, from a plain script.

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from wriftai_anyio import Client
from wriftai_anyio.predictions import PredictionWithIO, WaitOptions
from wriftai_anyio.sandbox import Sandbox

POEM = Path(__file__).with_name("jabberwocky.txt").read_text(encoding="utf-8")


def main(client: Client) -> None:
    shown: set[str] = set()

    def show(prediction: PredictionWithIO) -> None:
        if prediction["status"] not in shown:
            shown.add(prediction["status"])
            print(prediction["status"])

    with client:
        created = client.predictions.create({"input": {"text": POEM}}, "sandbox/word-count")
        show(created)
        options = WaitOptions(poll_interval=0.1, on_poll=show, timeout=60)
        ended = client.predictions.wait(created["id"], options)
    counts: Any = ended["output"]
    for word, count in Counter[str](counts).most_common(5):
        print(f"{count:4} {word}")


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        main(Client())
    else:
        with Sandbox(setup_time=0.6) as sandbox:
            main(Client(sandbox.access_token, sandbox.base_url))
