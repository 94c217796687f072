"""Uploads a file with a progress bar, from a plain script.

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself.
"""

import os
from pathlib import Path

from wriftai_anyio import Client, File
from wriftai_anyio.sandbox import Sandbox

POEM = Path(__file__).with_name("jabberwocky.txt")
WIDTH = 40


def main(client: Client) -> None:
    sent = 0

    def show(delta: int, size: int) -> None:
        nonlocal sent
        sent += delta  # negative if a part must be sent again
        print(f"\r[{'#' * (WIDTH * sent // size):<{WIDTH}}] {sent} of {size} bytes", end="", flush=True)

    with client:
        uploaded = client.files.upload(File(POEM), on_progress=show)
        created = client.predictions.create({"input": {"url": uploaded["download_url"]}}, "sandbox/echo", wait=True)
    print(f"\n{created['status']}")


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        main(Client())
    else:
        with Sandbox(part_size=100) as sandbox:
            main(Client(sandbox.access_token, sandbox.base_url))
