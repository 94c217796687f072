"""Runs two models on each of several texts, one after the other: the first one's output is the second one's input.

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox with two models defined here.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import anyio

from wriftai_anyio import Client
from wriftai_anyio.sandbox import Sandbox

POEM = Path(__file__).with_name("jabberwocky.txt").read_text(encoding="utf-8")


def summarize(given: Mapping[str, str]) -> str:
    """Stands in for a model: the first line is the summary."""
    return given["text"].splitlines()[0]


def translate(given: Mapping[str, str]) -> str:
    """Stands in for another model."""
    return given["text"].upper()


async def chain(client: Client, text: str) -> None:
    summary = await client.async_run("me/summarize", {"text": text})
    print(await client.async_run("me/translate", {"text": summary}))


async def main(client: Client) -> None:
    async with client, anyio.create_task_group() as tasks:  # if one chain fails, the others are cancelled
        for stanza in POEM.split("\n\n"):
            tasks.start_soon(chain, client, stanza)


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        anyio.run(main, Client())
    else:
        with Sandbox({"me/summarize": summarize, "me/translate": translate}) as sandbox:
            anyio.run(main, Client(sandbox.access_token, sandbox.base_url))
