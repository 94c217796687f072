"""The least server that streams a prediction's events, in a process of its own.

The first segment of the path says how many events there are in each chunk of HTTP.
"""

import asyncio
import json
from contextlib import AbstractContextManager
from typing import Final

from ._server import PREDICTION, server_process

EVENTS: Final = 4000
_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _event(number: int) -> bytes:
    kind = "init" if number == 0 else "done" if number == EVENTS - 1 else "output"
    data: object = f"word{number} " if kind == "output" else PREDICTION
    return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def _body(in_a_chunk: int) -> bytes:
    events = [_event(number) for number in range(EVENTS)]
    chunks = [b"".join(events[first : first + in_a_chunk]) for first in range(0, EVENTS, in_a_chunk)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    bodies: dict[int, bytes] = {}
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            in_a_chunk = int(head.split(b"/")[1])
            if in_a_chunk not in bodies:
                bodies[in_a_chunk] = _body(in_a_chunk)
            writer.write(_HEAD + bodies[in_a_chunk])
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _serve() -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def stream_server() -> AbstractContextManager[str]:
    """Runs the server and gives its URL, below which is that of each number of events in a chunk."""
    return server_process(__name__)


if __name__ == "__main__":
    asyncio.run(_serve())
