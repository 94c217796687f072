"""What the package logs: a line for each thing that delays a caller, and at DEBUG each request and its answer."""

import errno
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, Answer, Script, answer, client_of, in_virtual_time, never
from tests.support.event_server import events, streams
from tests.support.patience import PATIENCE
from tests.support.running_predictions import RunningPredictions, named
from tests.support.subprocesses import run_python
from wriftai_anyio import APITimeoutError, File, InternalServerError
from wriftai_anyio.predictions import AsyncWaitOptions

pytestmark = pytest.mark.anyio

STORE = "https://store.example/bucket/1?signature=s3cr3t"
REFUSED = httpx.ConnectError("Connection refused")
BROKEN = httpx.RemoteProtocolError("peer closed connection")
ALL = events()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


@pytest.fixture
def info(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Returns the lines that the package logged at INFO, with the seconds that chance decides left out."""
    caplog.set_level(logging.INFO, "wriftai_anyio")
    return lambda: [re.sub(r"\d+\.\d\d s", "S s", record.getMessage()) for record in caplog.records]


@pytest.fixture
def debug(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """Returns the lines that the package logged at DEBUG."""
    caplog.set_level(logging.DEBUG, "wriftai_anyio")
    return lambda: [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG]


def status(code: int, **headers: str) -> Answer:
    named_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(code, headers=named_headers)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (status(503), "503"),
        (status(502, x_request_id="req-1"), "502 (request req-1)"),
        (status(429, request_id="req-2"), "429 (request req-2)"),
        (REFUSED, "APIConnectionError (ConnectError)"),
        (httpx.ReadTimeout("too late"), "APITimeoutError (ReadTimeout)"),
    ],
)
async def test_a_retry_is_one_line_with_the_id_the_delay_and_the_reason(
    first: Answer, reason: str, info: Callable[[], list[str]]
) -> None:
    await client_of(Script(first, answer())).predictions.async_get(ID)
    assert info() == [f"retrying GET /predictions/{ID} after S s: {reason}"]


async def test_a_retry_says_how_long_the_server_asked_it_to_wait(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await client_of(Script(status(503, retry_after="7"), answer())).predictions.async_get(ID)
    assert "after 7.00 s: 503" in caplog.text


async def test_what_is_refused_by_the_rate_limit_says_how_long_nothing_goes_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await client_of(Script(status(429, retry_after="7"), answer())).predictions.async_get(ID)
    said, waited = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(rf"retrying GET /predictions/{ID} after 7\.[0-9]+ s: 429", said)
    assert re.fullmatch(rf"GET /predictions/{ID} waited 7\.[0-9]+ s for the rate limit", waited)


async def test_a_wait_for_the_pace_is_a_line_from_one_second_on(info: Callable[[], list[str]]) -> None:
    api = RunningPredictions(named(12, 0.0), limit=4)
    client = client_of(api)
    began = anyio.current_time()
    waits: list[float] = []

    async def get(number: int) -> None:
        await client.predictions.async_get(f"p{number}")
        waits.append(anyio.current_time() - began - api.latency)

    async with anyio.create_task_group() as tasks:
        for number in range(12):
            tasks.start_soon(get, number)
    lines = [line for line in info() if line.endswith("waited S s for the rate limit")]
    assert 0 < sum(wait >= 1.2 for wait in waits) <= len(lines) <= sum(wait >= 1 for wait in waits) < 12


async def test_a_want_of_file_descriptors_is_a_line_with_the_host(info: Callable[[], list[str]]) -> None:
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    await client_of(Script(error, answer())).predictions.async_get(ID)
    assert info() == ["connecting to api.example again after S s: no file descriptor is free"]


async def test_a_poll_that_fails_for_a_while_is_a_line(info: Callable[[], list[str]]) -> None:
    client = client_of(Script(status(503), REFUSED, answer()), max_retries=0)
    await client.predictions.async_wait(ID)
    assert info() == [
        f"polling prediction {ID} again after S s: 503",
        f"polling prediction {ID} again after S s: APIConnectionError (ConnectError)",
    ]


async def test_a_list_of_several_waits_that_fails_is_one_line(info: Callable[[], list[str]]) -> None:
    def fault(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(503) if request.url.path == "/v1/predictions" else None

    client = client_of(RunningPredictions(named(3, 0.5), fault=fault), max_retries=0)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(client.predictions.async_wait, f"p{number}")
    assert info()[0] == "could not get the list of predictions that 3 waits share: 503"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (streams(ALL[0], error=BROKEN), "APIConnectionError (RemoteProtocolError)"),
        (streams(ALL[0]), "the server closed it"),
    ],
)
async def test_a_stream_that_connects_again_is_one_line(
    first: Answer, reason: str, info: Callable[[], list[str]]
) -> None:
    script = Script(first, streams(*ALL[1:]))
    assert len([event async for event in client_of(script).predictions.async_stream(ID)]) == len(ALL)
    assert info() == [f"reconnecting the stream of prediction {ID} after S s: {reason}"]


async def test_a_part_and_a_download_tell_neither_path_nor_query(info: Callable[[], list[str]], tmp_path: Path) -> None:
    upload = httpx.Response(201, json={"id": "u1", "urls": [STORE], "part_size": 3})
    completed = httpx.Response(200, json={"download_url": STORE})
    script = Script(upload, status(503), httpx.Response(200, headers={"etag": '"a"'}), completed, REFUSED, status(200))
    client = client_of(script)
    await client.files.async_upload(File(b"abc"))
    await client.files.async_download(STORE, tmp_path / "file")
    assert info() == [
        "retrying the part at byte 0 after S s: 503",
        "resuming the download from store.example at byte 0 after S s: APIConnectionError (ConnectError)",
    ]


async def test_each_request_and_its_answer_is_a_line_of_debug(debug: Callable[[], list[str]]) -> None:
    script = Script(status(503), httpx.Response(200, headers={"x-request-id": "r2"}, json=answer().json()))
    await client_of(script).predictions.async_get(ID)
    assert debug() == [
        f"GET /predictions/{ID} goes out, attempt 1",
        f"GET /predictions/{ID}, attempt 1: 503 in 0.000 s",
        f"GET /predictions/{ID} goes out, attempt 2",
        f"GET /predictions/{ID}, attempt 2: 200 in 0.000 s, request r2",
    ]


async def test_what_is_not_answered_is_a_line_of_debug(debug: Callable[[], list[str]]) -> None:
    with pytest.raises(APITimeoutError):
        await client_of(Script(never), timeout=2, max_retries=0).predictions.async_get(ID)
    assert debug()[1] == f"GET /predictions/{ID}, attempt 1: APITimeoutError in 4.000 s"


async def test_the_store_is_named_by_its_host_in_debug(debug: Callable[[], list[str]], tmp_path: Path) -> None:
    await client_of(Script(status(200))).files.async_download(STORE, tmp_path / "file")
    assert debug() == [
        "GET to store.example goes out, attempt 1",
        "GET to store.example, attempt 1: 200 in 0.000 s",
    ]


async def test_nothing_is_logged_at_info_where_nothing_is_delayed(info: Callable[[], list[str]]) -> None:
    client = client_of(Script(answer("pending"), answer("started"), answer()))
    options = AsyncWaitOptions(poll_interval=1)
    await client.predictions.async_create({"input": 1}, "sandbox/echo", wait=True, wait_options=options)
    assert info() == []


async def test_an_error_that_is_raised_is_not_logged_too(info: Callable[[], list[str]]) -> None:
    with pytest.raises(InternalServerError):
        await client_of(Script(status(500)), max_retries=0).predictions.async_get(ID)
    assert info() == []


UNCONFIGURED = """
import anyio, httpx
from wriftai_anyio import Client, WaitTimeoutError
from wriftai_anyio.predictions import WaitOptions

def answer(request):
    if request.url.path.endswith("/cancel"):
        return httpx.Response(500)
    return httpx.Response(200, json={"id": "p1", "status": "started"})

client = Client("t", "http://api.example", transport=httpx.MockTransport(answer), max_retries=0)
try:
    client.predictions.wait("p1", WaitOptions(timeout=0.01, cancel_on_exit=True))
except WaitTimeoutError:
    print("left")
"""


def test_a_program_that_configures_no_logging_prints_nothing() -> None:
    assert run_python(["-c", UNCONFIGURED]) == "left\n"


class _Broken(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")


@pytest.fixture
def broken_handler() -> Iterator[logging.Handler]:
    handler, logger = _Broken(), logging.getLogger("wriftai_anyio")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.mark.usefixtures("broken_handler")
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_a_handler_that_raises_loses_no_prediction(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", told)
    client = client_of(Script(status(429), answer("succeeded")))
    created = await client.predictions.async_create({"input": {}}, "o/m", wait=True)
    assert created["id"] == ID
    assert ("no space left on device" in capsys.readouterr().err) is told
