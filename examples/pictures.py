"""Sends pictures to a model, several at once, and saves the results in a folder.

Usage: pictures.py [--folder FOLDER] PICTURE …

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself.
"""

import argparse
import os
from pathlib import Path

import anyio

from wriftai_anyio import Client, PredictionFailedError
from wriftai_anyio.sandbox import Sandbox

MODEL = "sandbox/echo"


async def convert(client: Client, picture: Path, folder: Path) -> None:
    try:
        output = await client.async_run(MODEL, {"image": picture})
    except PredictionFailedError as error:
        print(picture.name, error)
    else:
        saved = await client.files.async_save(output, folder)
        print(picture.name, "->", saved["image"])


async def main(client: Client) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--folder", type=Path, default="results")
    arguments = parser.parse_args()
    async with client, anyio.create_task_group() as tasks:
        for picture in arguments.pictures:
            tasks.start_soon(convert, client, picture, arguments.folder)


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        anyio.run(main, Client())
    else:
        with Sandbox() as sandbox:
            anyio.run(main, Client(sandbox.access_token, sandbox.base_url))
