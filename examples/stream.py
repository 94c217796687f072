"""Prints the words of a poem as a model sends them, from a plain script.

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself.
"""

import os
from pathlib import Path

from wriftai_anyio import Client
from wriftai_anyio.sandbox import Sandbox, Streaming

POEM = Path(__file__).with_name("jabberwocky.txt").read_text(encoding="utf-8")


def main(client: Client) -> None:
    with client, client.predictions.create_stream({"input": {"text": POEM}}, "sandbox/word-count") as stream:
        for event in stream:
            if event["event"] == "output":
                print(event["data"], end="", flush=True)
    if stream.prediction is not None:
        print(f"\n{stream.prediction['status']}")


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        main(Client())
    else:
        with Sandbox(streaming=Streaming(pace=0.01)) as sandbox:
            main(Client(sandbox.access_token, sandbox.base_url))
