"""One request becomes one checked answer: what is sent again, what is not, and which error it becomes."""

from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from typing import Any

import anyio
import httpx
import pytest
import respx

from tests.support.clients import BASE_URL, ID, TOKEN, Answer, Script, answer, client_of, in_virtual_time, never
from wriftai_anyio import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConflictError,
    CreateOutcomeUnknown,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
    WriftAIError,
)

pytestmark = pytest.mark.anyio

MODEL = "sandbox/echo"


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return in_virtual_time(request.param)


class BrokenBody(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"id": "5b6f'
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")


class StalledBody(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"id": "5b6f'
        await anyio.sleep_forever()


def status(code: int, **headers: str) -> Callable[[httpx.Request], httpx.Response]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(code, json={"code": "x", "message": "no"}, headers=named)


REFUSED = httpx.ConnectError("Connection refused")
HTML = "<html><h1>It works!</h1></html>"

PASSING: dict[str, tuple[Answer, type[WriftAIError]]] = {
    "connection refused": (REFUSED, APIConnectionError),
    "connect timeout": (httpx.ConnectTimeout("too late"), APITimeoutError),
    "dropped": (httpx.RemoteProtocolError("Server disconnected"), APIConnectionError),
    "reset": (httpx.ReadError("reset by peer"), APIConnectionError),
    "half an answer": (lambda _: httpx.Response(200, stream=BrokenBody()), APIConnectionError),
    "stalled": (never, APITimeoutError),
    "stalled in the middle": (lambda _: httpx.Response(200, stream=StalledBody()), APITimeoutError),
    "read timeout": (httpx.ReadTimeout("too late"), APITimeoutError),
    "unreadable encoding": (
        lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"no"),
        APIConnectionError,
    ),
    "408": (status(408), APIStatusError),
    "500": (status(500), InternalServerError),
    "502 with HTML": (lambda _: httpx.Response(502, html=HTML), InternalServerError),
    "503": (status(503), InternalServerError),
    "503 with Retry-After": (status(503, retry_after="2"), InternalServerError),
    "504": (status(504), InternalServerError),
}

FINAL: dict[str, tuple[Answer, type[WriftAIError]]] = {
    "400": (status(400), BadRequestError),
    "401": (status(401), AuthenticationError),
    "403": (status(403), PermissionDeniedError),
    "404": (status(404), NotFoundError),
    "409": (status(409), ConflictError),
    "418": (status(418), APIStatusError),
    "422": (status(422), UnprocessableEntityError),
    **{
        str(code): (status(code, location="https://elsewhere.example/v1/predictions"), APIResponseError)
        for code in (301, 302, 303, 307, 308)
    },
}

UNREADABLE: dict[str, Answer] = {
    "HTML": lambda _: httpx.Response(200, html=HTML),
    "broken JSON": lambda _: httpx.Response(200, text='{"id": "5b6f'),
    "not UTF-8": lambda _: httpx.Response(200, content=b'{"id": "\xff"}'),
    "too deep": lambda _: httpx.Response(200, content=b"[" * 100_000),
    "wrong shape": lambda _: httpx.Response(200, json={"unexpected": True}),
    "a list": lambda _: httpx.Response(200, json=[]),
    "nothing": lambda _: httpx.Response(200),
    "null": lambda _: httpx.Response(200, content=b"null"),
    "a status that is no text": lambda _: answer(status=7),  # type: ignore[arg-type]
}

NOT_ARRIVED = ["connection refused", "connect timeout"]

by_name = pytest.mark.parametrize


@by_name("fault", PASSING)
async def test_a_passing_fault_is_retried_and_the_call_succeeds(fault: str) -> None:
    script = Script(PASSING[fault][0], answer())
    prediction = await client_of(script).predictions.async_get(ID)
    assert prediction["output"] == "hello"
    assert len(script.requests) == 2


@by_name("fault", PASSING)
async def test_a_lasting_fault_becomes_its_error_after_all_retries(fault: str) -> None:
    given, expected = PASSING[fault]
    script = Script(forever=given)
    with pytest.raises(expected) as caught:
        await client_of(script).predictions.async_get(ID)
    assert type(caught.value) is expected
    assert len(script.requests) == 3


@by_name("fault", FINAL)
async def test_a_refusal_is_not_retried(fault: str) -> None:
    given, expected = FINAL[fault]
    script = Script(given)
    with pytest.raises(expected) as caught:
        await client_of(script).predictions.async_get(ID)
    assert type(caught.value) is expected
    assert len(script.requests) == 1


@by_name("fault", FINAL)
async def test_a_refused_create_is_that_refusal(fault: str) -> None:
    given, expected = FINAL[fault]
    script = Script(given)
    with pytest.raises(expected):
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert len(script.requests) == 1


@by_name("fault", UNREADABLE)
async def test_an_answer_that_is_not_as_promised_is_an_error_of_its_own(fault: str) -> None:
    script = Script(UNREADABLE[fault])
    with pytest.raises(APIResponseError, match=r"acted on the request\. Check the base URL\.") as caught:
        await client_of(script).predictions.async_get(ID)
    assert caught.value.response.status_code == 200
    assert len(script.requests) == 1


@by_name("wait", [False, True])
@by_name("fault", [name for name in (*PASSING, *UNREADABLE) if name not in NOT_ARRIVED])
async def test_a_create_that_may_have_been_taken_is_never_sent_twice(fault: str, wait: bool) -> None:
    given = PASSING[fault][0] if fault in PASSING else UNREADABLE[fault]
    script = Script(given)
    tells_id = fault == "a status that is no text"
    look = rf"check it with predictions\.get\('{ID}'\)" if tells_id else r"Check with predictions\.list\(\)"
    with pytest.raises(CreateOutcomeUnknown, match=look) as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL, wait)
    assert len(script.requests) == 1
    assert caught.value.prediction_id == (ID if tells_id else None)
    assert isinstance(caught.value.__cause__, WriftAIError)


async def test_a_create_of_unknown_outcome_tells_the_id_that_the_answer_still_told() -> None:
    script = Script(lambda _: httpx.Response(201, text="{", headers={"location": f"/v1/predictions/{ID}"}))
    with pytest.raises(CreateOutcomeUnknown, match=ID) as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert caught.value.prediction_id == ID


@by_name("code", [302, 303])
async def test_a_create_that_is_redirected_to_its_prediction_may_have_been_taken(code: int) -> None:
    script = Script(status(code, location=f"/v1/predictions/{ID}"))
    with pytest.raises(CreateOutcomeUnknown, match=ID) as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert caught.value.prediction_id == ID
    assert script.paths == ["POST /predictions"]


async def test_a_create_that_a_gateway_gave_up_may_have_been_taken() -> None:
    script = Script(status(499))
    with pytest.raises(CreateOutcomeUnknown, match=r"Check with predictions\.list\(\)"):
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert len(script.requests) == 1


@by_name(
    ("location", "prediction_id"),
    [
        ("/v1/predictions/a%2Fb", "a/b"),
        ("predictions/a/?b=/c", "a"),
        ("https://api.example/v1/predictions/a#b", "a"),
        ("https://status.example/", None),
        ("/v1/predictions/", None),
        ("/v1/predictions/a/stream", None),
    ],
)
async def test_only_where_a_prediction_is_tells_its_id(location: str, prediction_id: str | None) -> None:
    with pytest.raises(CreateOutcomeUnknown) as caught:
        await client_of(Script(status(503, location=location))).predictions.async_create({"input": 1}, MODEL)
    assert caught.value.prediction_id == prediction_id


@by_name("fault", NOT_ARRIVED)
async def test_a_create_that_surely_did_not_arrive_is_sent_again(fault: str) -> None:
    script = Script(PASSING[fault][0], answer("pending", 201))
    prediction = await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert prediction["status"] == "pending"
    assert len(script.requests) == 2


async def test_a_create_whose_body_was_never_asked_for_is_sent_again() -> None:
    script = Script(httpx.WriteError("broken pipe"), answer("pending", 201), reads_body=False)
    await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert len(script.requests) == 2


async def test_a_create_that_never_arrived_is_a_connection_error_and_not_an_unknown_outcome() -> None:
    script = Script(forever=REFUSED)
    with pytest.raises(APIConnectionError, match="The server did nothing") as caught:
        await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert caught.value.request_sent is False
    assert len(script.requests) == 3


async def test_a_create_over_the_rate_limit_is_sent_again() -> None:
    script = Script(status(429), status(429), status(429), status(429), answer("pending", 201))
    await client_of(script).predictions.async_create({"input": 1}, MODEL)
    assert len(script.requests) == 5


@by_name("method", ["POST", "PATCH"])
@by_name("code", [408, 500, 502, 503, 504])
async def test_what_may_have_been_done_is_not_sent_again(method: str, code: int) -> None:
    script = Script(status(code))
    with pytest.raises(APIStatusError):
        await client_of(script)._api.async_request(method, "/user", {"bio": "x"})
    assert len(script.requests) == 1


@by_name("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_what_may_be_repeated_is_sent_again(method: str) -> None:
    script = Script(status(503), lambda _: httpx.Response(204))
    assert await client_of(script)._api.async_request(method, "/variables/x") is None
    assert len(script.requests) == 2


@by_name("max_retries", [0, 1, 5])
async def test_max_retries_is_the_number_of_retries(max_retries: int) -> None:
    script = Script(forever=status(500))
    with pytest.raises(InternalServerError):
        await client_of(script, max_retries=max_retries).predictions.async_get(ID)
    assert len(script.requests) == max_retries + 1


async def elapsed(script: Script, **options: Any) -> float:
    began = anyio.current_time()
    await client_of(script, **options).predictions.async_get(ID)
    return anyio.current_time() - began


async def test_retry_after_is_waited_for() -> None:
    assert 7 <= await elapsed(Script(status(503, retry_after="7"), answer())) < 8


async def test_a_retry_after_date_is_measured_on_the_clock_of_the_server() -> None:
    soon = status(503, date=formatdate(1_000_000_000), retry_after=formatdate(1_000_000_020))
    assert 20 <= await elapsed(Script(soon, answer())) < 21


async def test_a_retry_after_of_an_hour_is_cut_to_a_minute() -> None:
    assert 60 <= await elapsed(Script(status(503, retry_after="3600"), answer())) < 61


@by_name("reset", ["5", "1000000005"])
async def test_the_reset_of_a_rate_limit_is_waited_for(reset: str) -> None:
    limited = status(429, date=formatdate(1_000_000_000), x_ratelimit_reset=reset)
    assert 5 <= await elapsed(Script(limited, answer())) < 8


@by_name("reset", ["", "soon", "-5", "nan", "1e300", "999999999999", "1000000000", "٣"])
async def test_a_reset_that_makes_no_sense_is_ignored(reset: str) -> None:
    def limited(_: httpx.Request) -> httpx.Response:
        headers = [(b"x-ratelimit-reset", reset.encode()), (b"date", formatdate(1_000_000_010).encode())]
        return httpx.Response(429, headers=headers)

    assert await elapsed(Script(limited, answer())) < 3


async def test_a_reset_says_nothing_of_a_failure_while_requests_remain() -> None:
    failing = status(503, x_ratelimit_limit="100", x_ratelimit_remaining="99", x_ratelimit_reset="50")
    assert await elapsed(Script(failing, answer())) < 1


@pytest.mark.parametrize("stated", [{}, {"x_ratelimit_remaining": "0"}])
async def test_a_failure_is_retried_after_the_reset_where_no_requests_remain(stated: dict[str, str]) -> None:
    assert 5 <= await elapsed(Script(status(503, x_ratelimit_reset="5", **stated), answer())) < 6


async def test_a_rate_limit_is_retried_for_two_minutes_at_most() -> None:
    script = Script(forever=status(429, retry_after="20"))
    began = anyio.current_time()
    with pytest.raises(RateLimitError, match="nothing was done"):
        await client_of(script).predictions.async_get(ID)
    assert 90 <= anyio.current_time() - began <= 150
    assert len(script.requests) <= 8


async def test_a_rate_limit_is_not_retried_without_retries() -> None:
    script = Script(status(429))
    with pytest.raises(RateLimitError):
        await client_of(script, max_retries=0).predictions.async_get(ID)


async def test_rate_limits_do_not_use_up_the_retries_of_faults() -> None:
    script = Script(*[status(429)] * 5, status(500), status(500), answer())
    await client_of(script).predictions.async_get(ID)
    assert len(script.requests) == 8


async def test_a_stalled_answer_is_given_up_after_the_timeout() -> None:
    began = anyio.current_time()
    with pytest.raises(APITimeoutError):
        await client_of(Script(never), max_retries=0, timeout=2.0).predictions.async_get(ID)
    assert anyio.current_time() - began == pytest.approx(4, abs=0.1)


async def test_without_a_timeout_an_answer_may_come_after_hours() -> None:
    async def late(_: httpx.Request) -> httpx.Response:
        await anyio.sleep(10_000)
        return answer()

    prediction = await client_of(Script(late), timeout=None).predictions.async_get(ID)
    assert prediction["status"] == "succeeded"


async def test_a_body_that_drips_in_for_ever_is_given_up() -> None:
    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await anyio.sleep(1)
                yield b" "

    script = Script(lambda _: httpx.Response(200, stream=Drip()))
    with pytest.raises(APITimeoutError):
        await client_of(script, max_retries=0).predictions.async_get(ID)
    assert anyio.current_time() < 100


async def test_only_a_request_with_a_body_has_a_timeout_for_writing() -> None:
    script = Script(answer(), httpx.Response(200, json={"name": "x"}))
    client = client_of(script, timeout=7)
    await client.predictions.async_get(ID)
    await client.variables.async_create({"name": "x", "key": "X", "value": "1", "secret": False})
    bodiless, with_body = (request.extensions["timeout"] for request in script.requests)
    assert (bodiless["write"], with_body["write"]) == (None, 7)
    assert bodiless["connect"] == bodiless["read"] == with_body["read"] == 7


async def test_a_request_carries_token_agent_and_own_headers() -> None:
    script = Script(answer())
    await client_of(script, headers={"X-Trace": "7"}).predictions.async_get(ID)
    headers = script.requests[0].headers
    assert headers["authorization"].startswith(f"Bearer {TOKEN}")
    assert headers["user-agent"].startswith("wriftai-anyio/")
    assert (headers["x-trace"], headers["host"]) == ("7", "api.example")
    assert str(script.requests[0].url) == f"{BASE_URL}/predictions/{ID}"


async def test_without_a_token_none_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WRIFTAI_ACCESS_TOKEN", raising=False)
    script = Script(answer())
    await Client(api_base_url=BASE_URL, transport=script).predictions.async_get(ID)
    assert "authorization" not in script.requests[0].headers


async def test_a_request_of_ones_own_gives_the_decoded_answer() -> None:
    script = Script(httpx.Response(200, json={"x": ["ä"]}))
    value = await client_of(script)._api.async_request(
        "POST", "/things", {"name": "ü"}, {"X-One": "1"}, {"statuses": ["a", "b"], "q": "x y&z"}
    )
    assert value == {"x": ["ä"]}
    assert script.bodies == ['{"name":"ü"}'.encode()]
    assert script.requests[0].headers["x-one"] == "1"
    assert script.requests[0].url.params.multi_items() == [("statuses", "a"), ("statuses", "b"), ("q", "x y&z")]


@by_name("value", [{1, 2}, object(), float("nan"), b"bytes"])
async def test_what_json_cannot_express_is_refused_before_anything_is_sent(value: object) -> None:
    script = Script()
    with pytest.raises(ValueError, match="Nothing was sent"):
        await client_of(script).predictions.async_create({"input": value}, MODEL)  # type: ignore[typeddict-item]
    assert script.requests == []


@by_name("path", ["", "things", "@elsewhere.example/", "//elsewhere.example/x?y"])
async def test_a_path_that_could_leave_the_host_does_not(path: str) -> None:
    script = Script(forever=httpx.Response(200, json=None))
    client = Client(TOKEN, "https://api.example", transport=script)
    try:
        await client._api.async_request("GET", path)
    except ValueError:
        return
    assert [request.url.host for request in script.requests] == ["api.example"]


@by_name("headers", [{"X": "a\r\nY: b"}, {"X\r\nY": "b"}])
async def test_headers_that_http_does_not_allow_are_refused_before_anything_is_sent(headers: dict[str, str]) -> None:
    script = Script()
    with pytest.raises(ValueError, match="headers"):
        await client_of(script)._api.async_request("GET", "/user", headers=headers)
    assert script.requests == []


async def test_users_can_mock_the_client_with_respx(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.get(f"{BASE_URL}/predictions/{ID}").mock(side_effect=[httpx.Response(502), answer()])
    async with Client(TOKEN, BASE_URL) as client:
        assert (await client.predictions.async_get(ID))["status"] == "succeeded"
    assert route.call_count == 2
