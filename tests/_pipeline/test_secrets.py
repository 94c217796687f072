"""All kinds of calls, watched as closely as can be: no secret is in a log record, a span, or what a hook is told."""

import asyncio
import logging
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from anyio import fail_after, to_thread
from anyio.abc import SocketStream

from tests.support.clients import Spelling
from tests.support.patience import PATIENCE
from tests.support.raw_server import http, raw_server
from tests.support.reachable import strings_in
from tests.support.spans import Spans
from wriftai_anyio import Client, File, NotFoundError, RequestEvent, UnprocessableEntityError, WriftAIError
from wriftai_anyio.sandbox import Sandbox

WEBHOOK_SECRET = "webh00k-s3cr3t"
INPUT = "inp0t-s3cr3t"
KEY = "k3y-s3cr3t"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Sandbox]:
    with Sandbox(setup_time=0.0, access_token="t0k3n-s3cr3t", part_size=4) as sandbox:
        yield sandbox


def do_everything(spelling: Spelling, client: Client, sandbox: Sandbox, folder: Path) -> list[str]:
    """Makes calls of all kinds, with faults, and returns the presigned URLs that were used."""
    call, predictions = spelling.call, client.predictions
    webhook = {"url": f"{sandbox.base_url}/nowhere", "secret": WEBHOOK_SECRET}
    params = {"input": {"text": INPUT}, "webhook": webhook, "validate_input": True}
    sandbox.fail_next(503, method="GET")
    ended = call(predictions, "create", params, "sandbox/word-count", wait=True)
    call(predictions, "get", ended["id"])
    call(predictions, "list")
    created = call(predictions, "create", {"input": {"seconds": 60}}, "sandbox/sleep")
    call(predictions, "cancel", created["id"])
    call(predictions, "wait", created["id"], spelling.options())
    call(predictions, "create_stream", {"input": {"text": INPUT}}, "sandbox/word-count")
    with pytest.raises(UnprocessableEntityError):
        call(predictions, "create", {"input": {"text": 7}, "validate_input": True}, "sandbox/word-count")
    with pytest.raises(NotFoundError):
        call(predictions, "get", "5b6f1c3e-0000-4000-8000-000000000001")
    sandbox.fail_next(503, method="PUT")
    uploaded = call(client.files, "upload", File(b"0123456789"))
    upload = call(client.uploads, "create", {"size": 8, "mime_type": "text/plain"})
    output = sandbox.add_file(b"output")
    sandbox.fail_next("drop", path="/files/*")
    call(client.files, "download", output, folder / "file")
    with pytest.raises(WriftAIError):
        call(client.files, "download", f"{output}x", folder / "file")
    return [uploaded["download_url"], *upload["urls"], output]


def test_no_log_record_no_event_and_no_span_holds_a_secret(
    spelling: Spelling,
    guarded: Sandbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("wriftai_anyio._transport.retries.FIRST_BACKOFF", 0.0)
    guarded.reset()
    caplog.set_level(logging.DEBUG)
    events: list[RequestEvent] = []
    spans = Spans()
    watched: dict[str, Any] = {"on_request": events.append, "on_response": events.append, "tracer": spans.tracer}
    headers = {"x-key": KEY}
    with Client(guarded.access_token, guarded.base_url, headers, backend=spelling.backend, **watched) as client:
        urls = [urlsplit(url) for url in do_everything(spelling, client, guarded, tmp_path)]
    secrets = [guarded.access_token, WEBHOOK_SECRET, INPUT, *(url.query for url in urls)]
    ours = [record for record in caplog.records if record.name == "wriftai_anyio"]
    assert {record.levelno for record in ours} == {logging.DEBUG, logging.INFO}
    lines = [record.getMessage() for record in caplog.records]
    for secret in [*secrets, KEY, *(url.path for url in urls)]:
        assert [line for line in lines if secret in line] == []
    told = [repr(event).encode() + pickle.dumps(event) for event in events]
    told += [span.to_json().encode() for span in spans.predictions]
    for secret in secrets:
        assert [event for event in told if secret.encode() in event] == []


@pytest.fixture
def every_step_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has asyncio's debug mode log every task and every callback that it runs, as those that took long."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    begin = asyncio.BaseEventLoop.__init__

    def begin_slowly(loop: Any) -> None:
        begin(loop)
        loop.slow_callback_duration = 0.0

    monkeypatch.setattr(asyncio.BaseEventLoop, "__init__", begin_slowly)


@pytest.mark.usefixtures("every_step_is_slow")
@pytest.mark.parametrize("kind", ["coroutine-asyncio", "blocking-asyncio"])
def test_no_line_of_asyncios_debug_mode_holds_a_secret(
    kind: str, guarded: Sandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("wriftai_anyio._transport.retries.FIRST_BACKOFF", 0.0)
    guarded.reset()
    caplog.set_level(logging.DEBUG)
    spelling = Spelling(kind)
    with Client(guarded.access_token, guarded.base_url, {"x-key": KEY}, backend="asyncio") as client:
        urls = [urlsplit(url) for url in do_everything(spelling, client, guarded, tmp_path)]
        with client.predictions.batch([{"input": {"text": INPUT}}] * 3, "sandbox/word-count") as batch:
            assert all(result.error is None for result in batch)
    lines = [record.getMessage() for record in caplog.records]
    # The caller's own task is shown with what it returned.
    lines = [line for line in lines if "name='tests." not in line]
    assert any(line.startswith("Executing <Task ") for line in lines)
    assert any(line.startswith("Executing <Handle ") for line in lines)
    for secret in [guarded.access_token, WEBHOOK_SECRET, INPUT, KEY, *(url.query for url in urls)]:
        assert [line for line in lines if secret in line] == []


@pytest.mark.anyio
async def test_no_log_record_shows_where_a_redirect_leads(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.DEBUG)

    async def respond(connection: SocketStream, head: bytes) -> None:
        if head.startswith(b"GET /first"):
            await connection.send(http(b"", "Location: /it's?signature=s3cr3t", status="302 Found"))
        else:
            await connection.send(http(b"output"))

    async with raw_server(respond) as url, Client("t", url) as client:
        path = await client.files.async_download(f"{url}/first", tmp_path / "x")
    assert path.read_bytes() == b"output"
    assert "302" in caplog.text
    assert "s3cr3t" not in caplog.text


def failing_calls(client: Client, folder: Path) -> list[Callable[[], object]]:
    """Returns calls that fail in each way that an answer can be wrong, of the API and of a store."""
    predictions = client.predictions
    store = "http://user:p4ssw0rd-s3cr3t@store.example"
    return [
        lambda: predictions.get("redirected"),
        lambda: predictions.get("refused"),
        lambda: predictions.get("garbage"),
        lambda: predictions.get("dropped"),
        lambda: predictions.create({"input": 1}, "o/n"),
        lambda: next(predictions.stream("refused")),
        lambda: client.files.download(f"{store}/refused?signature=s1gn-s3cr3t", folder / "x"),
        lambda: client.files.download(f"{store}/redirected?signature=s1gn-s3cr3t", folder / "x"),
    ]


async def answer_wrongly(connection: SocketStream, head: bytes) -> None:
    if b"redirected" in head.split(b"\r\n")[0] or head.startswith(b"POST"):
        headers = ("Location: http://user@elsewhere.example/?signature=s1gn-s3cr3t", "Set-Cookie: c00k1e-s3cr3t")
        await connection.send(http(b"", *headers, status="302 Found"))
    elif b"refused" in head:
        await connection.send(http(b'{"detail": "no"}', "Set-Cookie: c00k1e-s3cr3t", status="403 Forbidden"))
    elif b"garbage" in head:
        await connection.send(http(b"<html>"))
    else:
        raise EOFError


@pytest.mark.anyio
@pytest.mark.parametrize("through_proxy", [False, True])
async def test_nothing_that_an_error_or_an_event_leads_to_is_secret(
    through_proxy: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    events: list[RequestEvent] = []
    errors: list[BaseException] = []
    spans = Spans()
    watched: dict[str, Any] = {"on_request": events.append, "on_response": events.append, "tracer": spans.tracer}

    def run_all(base_url: str) -> None:
        with Client("t0k3n-s3cr3t", base_url, {"cookie": "own-s3cr3t"}, max_retries=0, **watched) as client:
            for call in failing_calls(client, tmp_path):
                with pytest.raises(WriftAIError) as caught:
                    call()
                errors.append(caught.value)

    with fail_after(PATIENCE):
        async with raw_server(answer_wrongly) as server:
            monkeypatch.setenv("HTTP_PROXY", server)
            await to_thread.run_sync(run_all, "http://api.example/v1" if through_proxy else f"{server}/v1")
    shown: list[object] = [*errors, *map(pickle.dumps, errors), *events, *map(pickle.dumps, events)]
    shown += [span.to_json() for span in spans.all]
    shown += [vars(record) for record in caplog.records] + [record.getMessage() for record in caplog.records]
    assert len(errors) == len(failing_calls(Client("t", "http://localhost"), tmp_path))
    for each in shown:
        assert [text for text in strings_in(each) if "s3cr3t" in text] == []
