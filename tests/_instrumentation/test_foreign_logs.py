"""What the libraries below us log of our requests, over HTTP/2 and with the user's own transport."""

import ast
import json
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import h2.config
import h2.connection
import h2.events
import hpack
import httpx
import pytest
from anyio import fail_after

from tests.support.clients import ID, TOKEN, prediction
from tests.support.patience import PATIENCE
from wriftai_anyio import Client
from wriftai_anyio._instrumentation.foreign_logs import guard_foreign_logs, under_way

SIGNED = "http://user:pw@store/x?signature=s1gned#fragment"


def talk(connection: socket.socket) -> None:
    """Answers requests over HTTP/2; its own decoder logs, too, as ours must not."""
    state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
    state.initiate_connection()
    with connection:
        connection.sendall(state.data_to_send())
        while data := connection.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.StreamEnded):
                    body = json.dumps(prediction()).encode()
                    state.send_headers(event.stream_id, [(":status", "200"), ("content-location", SIGNED)])
                    state.send_data(event.stream_id, body, end_stream=True)
            connection.sendall(state.data_to_send())


@pytest.fixture
def http2_server() -> Iterator[str]:
    """Serves one connection in a thread, and yields the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: talk(listener.accept()[0]), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread.join(PATIENCE)


@pytest.mark.anyio
async def test_no_header_block_that_hpack_logs_has_the_token(
    http2_server: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    transport = httpx.AsyncHTTPTransport(http1=False, http2=True)
    with fail_after(PATIENCE):
        async with Client(TOKEN, http2_server, transport=transport) as client:
            assert (await client.predictions.async_get(ID))["id"] == ID
    here = [record for record in caplog.records if record.threadName == "MainThread"]
    assert any(record.name == "httpcore.http2" for record in here)
    assert [record for record in here if record.name.startswith("hpack") and record.levelno <= logging.DEBUG] == []
    blocks = [record.getMessage().partition(" to ")[2] for record in here if "Encoded header" in record.getMessage()]
    assert [block for block in blocks if TOKEN in str(hpack.Decoder().decode(ast.literal_eval(block)))] == []
    assert [record for record in here if TOKEN in record.getMessage() or "s1gned" in record.getMessage()] == []


REQUEST = httpx.Request("GET", "http://host/x?signature=s1gned", headers={"authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize("name", ["httpx", "httpcore.http11", "asyncio"])
@pytest.mark.parametrize(
    ("line", "arguments", "expected"),
    [
        ("GET %s", (httpx.URL(SIGNED),), "GET http://store/x"),
        (f"sent to '{SIGNED}', then", (), "sent to 'http://store/x', then"),
        ("target=%r", (b"/x?signature=s1gned",), "target=b'/x?…'"),
        ("%r", ([(b"Location", b"/x?signature=other")],), "[(b'Location', b…)]"),
        ("%r", ([(b"location", b"/it's?a=1"), (b"a", b"b")],), "[(b'location', b…), (b'a', b'b')]"),
        ("token %s", (TOKEN,), "token …"),
        ("100%% of %d", (7,), "100% of 7"),
    ],
)
def test_a_line_below_a_request_of_ours_shows_no_secret(
    name: str, line: str, arguments: Any, expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, name)
    guard_foreign_logs()
    with under_way(REQUEST):
        logging.getLogger(name).debug(line, *arguments)
    assert caplog.messages == [expected]


@pytest.mark.parametrize("name", ["httpx", "hpack.hpack"])
def test_lines_of_requests_of_others_stay_as_they_are(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, name)
    guard_foreign_logs()
    logging.getLogger(name).debug("GET %s", SIGNED)
    assert caplog.messages == [f"GET {SIGNED}"]
