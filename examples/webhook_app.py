"""Shows the most used words of a poem, with webhooks, in a Starlette application served by uvicorn.

It uses the server of WRIFTAI_API_BASE_URL and WRIFTAI_ACCESS_TOKEN, else a sandbox that it starts itself. A server
elsewhere must reach the application: WEBHOOK_URL is its address as seen from there.
"""

import os
import secrets
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from wriftai_anyio import Client, WebhookReceiver
from wriftai_anyio.predictions import AsyncWaitOptions, PredictionWithIO
from wriftai_anyio.sandbox import Sandbox

POEM = Path(__file__).with_name("jabberwocky.txt").read_text(encoding="utf-8")
SECRET = secrets.token_urlsafe()


async def show(prediction: PredictionWithIO) -> None:
    print("webhook:", prediction["status"], flush=True)


async def main(client: Client) -> None:
    receiver = WebhookReceiver(SECRET, show, client)
    app = Starlette(routes=[Route("/webhook", receiver)])
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with socket.create_server(("127.0.0.1", int(os.environ.get("PORT", "0")))) as listener:
        url = os.environ.get("WEBHOOK_URL") or f"http://127.0.0.1:{listener.getsockname()[1]}/webhook"
        async with client, anyio.create_task_group() as tasks:
            tasks.start_soon(server.serve, [listener])
            created = await client.predictions.async_create(
                {"input": {"text": POEM}, "webhook": {"url": url, "secret": SECRET}}, "sandbox/word-count"
            )
            # It returns when the last webhook arrives: the receiver notifies the client.
            ended = await client.predictions.async_wait(created["id"], AsyncWaitOptions(timeout=60))
            server.should_exit = True
    counts: Any = ended["output"]
    for word, count in Counter[str](counts).most_common(5):
        print(f"{count:4} {word}")


if __name__ == "__main__":
    if "WRIFTAI_API_BASE_URL" in os.environ:
        anyio.run(main, Client())
    else:
        with Sandbox(setup_time=0.6) as sandbox:
            anyio.run(main, Client(sandbox.access_token, sandbox.base_url))
