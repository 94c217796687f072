"""The hooks of a client: what they are told, by which thread, and that they lose nothing when they fail."""

import logging
import pickle
import threading
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, Answer, Script, Spelling, answer, client_of, in_virtual_time, never
from wriftai_anyio import APIConnectionError, Client, File, RequestEvent, ResponseEvent
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio

STORE = "https://store.example/bucket/1?signature=s3cr3t"
REFUSED = httpx.ConnectError("Connection refused")


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


class Told:
    """Notes what hooks are told."""

    def __init__(self) -> None:
        self.requests: list[RequestEvent] = []
        self.responses: list[ResponseEvent] = []
        self.threads: set[str] = set()

    @property
    def hooks(self) -> dict[str, Any]:
        """The options of a client."""
        return {"on_request": self._on_request, "on_response": self._on_response}

    def _on_request(self, event: RequestEvent) -> None:
        self.threads.add(threading.current_thread().name)
        self.requests.append(event)

    def _on_response(self, event: ResponseEvent) -> None:
        self.threads.add(threading.current_thread().name)
        self.responses.append(event)

    @property
    def outcomes(self) -> list[tuple[str, int, int | str]]:
        """Method and path, attempt, and status or error of each response."""
        return [
            (f"{event.method} {event.path or event.host}", event.attempt, event.status or type(event.error).__name__)
            for event in self.responses
        ]


def status(code: int, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(code, headers=named)


def test_each_attempt_is_told_in_both_spellings(spelling: Spelling) -> None:
    told = Told()
    script = Script(status(503, retry_after="0"), status(502, retry_after="0"), answer())
    with spelling.client(script, **told.hooks) as client:
        spelling.call(client.predictions, "get", ID)
    path = f"/predictions/{ID}"
    assert [(e.method, e.host, e.path, e.attempt) for e in told.requests] == [
        ("GET", "api.example", path, number) for number in (1, 2, 3)
    ]
    assert told.outcomes == [(f"GET {path}", 1, 503), (f"GET {path}", 2, 502), (f"GET {path}", 3, 200)]


def test_blocking_calls_tell_on_the_thread_that_sends(spelling: Spelling) -> None:
    told = Told()
    with spelling.client(Script(answer()), **told.hooks) as client:
        spelling.call(client.predictions, "get", ID)
    assert told.threads == {"wriftai_anyio portal" if spelling.blocking else threading.current_thread().name}


async def test_seconds_run_until_the_answer_is_read_and_the_request_id_is_the_servers() -> None:
    async def slow(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(3)
        return httpx.Response(200, headers={"x-request-id": "r1"}, json=answer().json())

    told = Told()
    await client_of(Script(slow), **told.hooks).predictions.async_get(ID)
    (event,) = told.responses
    assert (event.seconds, event.request_id, event.error) == (3, "r1", None)


async def test_the_wait_for_the_pace_is_told() -> None:
    told = Told()
    await client_of(Script(status(429, retry_after="5"), answer()), **told.hooks).predictions.async_get(ID)
    assert told.requests[0].waited == 0
    assert 5 <= told.requests[1].waited == told.responses[1].waited < 7


@pytest.mark.parametrize(
    ("failure", "kind"),
    [(REFUSED, "APIConnectionError"), (never, "APITimeoutError")],
)
async def test_what_is_not_answered_has_an_error_and_no_status(failure: Answer, kind: str) -> None:
    told = Told()
    with pytest.raises(APIConnectionError) as caught:
        await client_of(Script(failure), max_retries=0, timeout=2, **told.hooks).predictions.async_get(ID)
    (event,) = told.responses
    assert (event.status, event.request_id, type(event.error).__name__) == (None, None, kind)
    assert event.error is caught.value


async def test_what_is_cancelled_is_told_too() -> None:
    told = Told()
    with anyio.move_on_after(3):
        await client_of(Script(never), **told.hooks).predictions.async_get(ID)
    (event,) = told.responses
    assert (event.status, event.seconds) == (None, 3)
    assert isinstance(event.error, anyio.get_cancelled_exc_class())


async def test_a_redirect_and_each_hop_of_a_download_are_told_by_their_hosts(tmp_path: Path) -> None:
    told = Told()
    script = Script(status(302, location="https://other.example/x?signature=s3cr3t"), REFUSED, status(200))
    await client_of(script, **told.hooks).files.async_download(STORE, tmp_path / "file")
    assert told.outcomes == [
        ("GET store.example", 1, 302),
        ("GET other.example", 1, "APIConnectionError"),
        ("GET store.example", 2, 200),
    ]
    assert {event.path for event in told.requests} == {""}


async def test_each_part_of_an_upload_is_told_by_its_host() -> None:
    told = Told()
    script = Script(
        httpx.Response(201, json={"id": "u1", "urls": [STORE], "part_size": 3}),
        status(503),
        status(200, etag='"a"'),
        httpx.Response(200, json={"download_url": STORE}),
    )
    await client_of(script, **told.hooks).files.async_upload(File(b"abc"))
    assert told.outcomes == [
        ("POST /uploads", 1, 201),
        ("PUT store.example", 1, 503),
        ("PUT store.example", 2, 200),
        ("POST /uploads/u1/complete", 1, 200),
    ]


class Failing:
    """A hook that raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def __call__(self, _: RequestEvent) -> None:
        self.calls += 1
        raise self.error


async def test_a_hook_that_fails_is_logged_and_loses_no_prediction(caplog: pytest.LogCaptureFixture) -> None:
    hook = Failing(ZeroDivisionError("of the hook"))
    client = client_of(Script(answer("pending", 201)), on_request=hook, on_response=hook)
    assert (await client.predictions.async_create({"input": 1}, "sandbox/echo"))["id"] == ID
    assert hook.calls == 2
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage() for record in errors] == [
        f"The hook {name} raised an error, which was ignored" for name in ("on_request", "on_response")
    ]
    assert "of the hook" in caplog.text


async def test_a_hook_may_end_the_program() -> None:
    client = client_of(Script(answer(), answer()), on_response=Failing(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        await client.predictions.async_get(ID)
    assert client.rate_limits.others.queued == 0


@pytest.mark.parametrize("name", ["on_request", "on_response"])
@pytest.mark.parametrize("hook", ["a text", anyio.sleep])
def test_what_is_no_plain_function_is_refused_by_name(name: str, hook: Any) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be a plain function"):
        Client("t", **{name: hook})


def log_request(_: RequestEvent) -> None: ...


def test_hooks_are_pickled_with_the_client() -> None:
    copy = pickle.loads(pickle.dumps(Client("t", on_request=log_request)))
    assert copy._api.config.on_request is log_request


def test_a_client_whose_hook_cannot_be_pickled_says_so() -> None:
    def local_hook(_: RequestEvent) -> None: ...

    with pytest.raises((pickle.PicklingError, AttributeError), match="local_hook"):
        pickle.dumps(Client("t", on_request=local_hook))


async def test_without_hooks_and_debug_nothing_is_made_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._pipeline.pipeline.RequestEvent", None)
    await client_of(Script(answer())).predictions.async_get(ID)


def test_a_stream_is_told_when_it_is_opened(spelling: Spelling, sandbox: Sandbox) -> None:
    told = Told()
    with Client(sandbox.access_token, sandbox.base_url, backend=spelling.backend, **told.hooks) as client:
        params = {"input": {"text": "to be or not to be"}}
        events = spelling.call(client.predictions, "create_stream", params, "sandbox/word-count")
    assert len(events) > 2
    assert told.outcomes[0] == ("POST /predictions", 1, 201)
    assert len(told.requests) == len(told.responses) == len(sandbox.requests)
    assert [event.request_id for event in told.responses] == [request.request_id for request in sandbox.requests]
