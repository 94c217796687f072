"""The errors: made of every body, pickled, without the token."""

import copy
import inspect
import json
import logging
import pickle
import re
import traceback
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clients import BASE_URL, ID, TOKEN, Answer, Script, answer, client_of
from tests.support.fuzzing import fuzzed
from tests.support.reachable import strings_in
from wriftai_anyio import Client, CreateOutcomeUnknown, WaitTimeoutError, WriftAIError, errors
from wriftai_anyio._transport.failures import SettingsFault
from wriftai_anyio.errors import APIResponseError, APIStatusError, status_error
from wriftai_anyio.predictions import AsyncWaitOptions

REQUEST = httpx.Request("GET", f"https://api.example/v1/predictions/{ID}")

EVIL = "red \x1b[31m\x9b1m\r\nforged \u202etxt\u2028 line\ttab"
PRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")


def said_by_servers() -> dict[str, WriftAIError]:
    prediction: Any = {"id": ID, "status": "failed", "error": {"message": EVIL, "source": "external", "detail": EVIL}}
    evil: Any = {**prediction, "status": EVIL}
    response = httpx.Response(422, json={"detail": [{"loc": [EVIL], "msg": EVIL}]}, request=REQUEST)
    refused = status_error(response, response.json())
    return {
        "failed": errors.PredictionFailedError(prediction),
        "abandoned": errors.PredictionFailedError(evil),
        "of another type": errors.OutputTypeError(prediction, [{"loc": (EVIL,), "msg": EVIL, "type": "x"}]),
        "stopped": errors.BatchStoppedError({EVIL: 1}, 0),
        "not saved": errors.FilesNotSavedError([], {EVIL: refused}, 1),
        "refused": refused,
        "not as promised": APIResponseError(EVIL, response=response),
        "unknown": CreateOutcomeUnknown(EVIL),
    }


@pytest.mark.parametrize("case", said_by_servers())
def test_an_error_says_what_a_server_said_on_one_readable_line(case: str) -> None:
    text = str(said_by_servers()[case])
    assert not PRINTABLE.search(text)
    assert "red \ufffd[31m" in text
    assert "forged" in text
    assert " line tab" in text


def test_all_errors_are_shown_so() -> None:
    kinds = [kind for name in errors.__all__ if (kind := getattr(errors, name)).__mro__]
    assert len(kinds) > 20
    assert {kind.__str__ for kind in kinds} == {WriftAIError.__str__}


KINDS = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    409: "ConflictError",
    410: "APIStatusError",
    422: "UnprocessableEntityError",
    429: "RateLimitError",
    500: "InternalServerError",
    503: "InternalServerError",
    599: "InternalServerError",
}


def made(status: int, body: Any, **headers: str) -> APIStatusError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status_error(httpx.Response(status, headers=named, request=REQUEST), body)


@pytest.mark.parametrize(("status", "kind"), KINDS.items())
def test_each_status_has_its_class(status: int, kind: str) -> None:
    error = made(status, None)
    assert type(error).__name__ == kind
    assert isinstance(error, httpx.HTTPStatusError)
    assert isinstance(error, WriftAIError)
    assert error.status_code == error.response.status_code == status


@pytest.mark.parametrize(
    ("body", "code", "message", "detail"),
    [
        ({"detail": "not found"}, None, "not found", "not found"),
        ({"error": {"code": "c", "message": "m"}}, "c", "m", None),
        ({"error": {"code": "c", "message": "m", "detail": {"a": 1}}}, "c", "m", {"a": 1}),
        ({"error": {"message": "m"}, "detail": [1]}, None, "m", [1]),
        ({"error": "m"}, None, "m", None),
        ({"code": "c", "message": "m", "detail": {"a": 1}}, "c", "m", {"a": 1}),
        ({"code": 7, "message": "m"}, "7", "m", None),
        ({"message": ""}, None, "I'm a teapot", None),
        ({"message": 7}, None, "I'm a teapot", None),
        (None, None, "I'm a teapot", None),
        ([], None, "I'm a teapot", None),
        ("text", None, "I'm a teapot", None),
        ({"detail": []}, None, "I'm a teapot", []),
        (
            {"detail": [{"loc": ["body", "input", 0], "msg": "too long", "type": "t"}, {"loc": ["path"], "msg": "no"}]},
            None,
            "body.input.0: too long; path: no",
            [{"loc": ["body", "input", 0], "msg": "too long", "type": "t"}, {"loc": ["path"], "msg": "no"}],
        ),
        ({"detail": ["odd", {"msg": "m"}]}, None, "odd; None: m", ["odd", {"msg": "m"}]),
    ],
)
def test_each_shape_of_body_is_read(body: Any, code: str | None, message: str, detail: Any) -> None:
    error = made(418, body)
    assert (error.code, error.message, error.detail) == (code, message, detail)
    assert message in str(error)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text("aé.\n\0", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("aé.", max_size=9), inner, max_size=3),
    max_leaves=8,
)
named_values = st.dictionaries(st.sampled_from(["error", "detail", "message", "code", "loc", "msg"]), json_values)


@fuzzed(100)
@given(json_values | named_values | st.fixed_dictionaries({"error": named_values}))
def test_any_body_becomes_an_error_that_can_be_pickled(body: Any) -> None:
    error = made(422, body)
    assert str(error).startswith("GET /v1/predictions/")
    assert repr(pickle.loads(pickle.dumps(error)).args) == repr(error.args)


def test_a_status_error_says_what_happened_and_what_to_do() -> None:
    assert str(made(401, {"detail": "bad token."}, x_request_id="r-7")) == (
        f"GET /v1/predictions/{ID} was answered 401: bad token. Check the access token (WRIFTAI_ACCESS_TOKEN). "
        "(request r-7)"
    )
    assert made(500, None, request_id="r-8").request_id == "r-8"


@pytest.mark.parametrize("name", ["x-request-id", "request-id"])
@pytest.mark.parametrize("reply", [{"text": "<html>"}, {"json": {}}, {"json": {}, "status_code": 500}])
@pytest.mark.parametrize("method", ["async_get", "async_create"])
def test_every_error_that_an_answer_becomes_quotes_its_request_id(
    name: str, reply: dict[str, Any], method: str
) -> None:
    script = Script(httpx.Response(**{"status_code": 200, **reply}, headers={name: "r-9"}))
    call = getattr(client_of(script, max_retries=0).predictions, method)
    error = anyio.run(caught, call, *([ID] if method == "async_get" else [{"input": 1}, "o/n"]))
    assert isinstance(error, (APIStatusError, APIResponseError, CreateOutcomeUnknown))
    assert error.request_id == pickle.loads(pickle.dumps(error)).request_id == "r-9"
    assert str(error).count("(request r-9)") == 1


async def caught(call: Any, *args: Any) -> BaseException:
    try:
        await call(*args)
    except (WriftAIError, ValueError) as error:
        return error
    raise AssertionError("it raised nothing")


def respond(status: int) -> httpx.Response:
    return httpx.Response(status, json={"detail": "no"}, headers={"location": "https://elsewhere.example"})


FAILURES: list[Answer] = [
    *map(respond, [*KINDS, 302]),
    httpx.Response(200, text="<html>"),
    httpx.Response(200, json={}),
    httpx.ConnectError("refused"),
    SettingsFault("HTTP_PROXY cannot be used"),
    httpx.ConnectTimeout("late"),
    httpx.ReadTimeout("late"),
    httpx.RemoteProtocolError("dropped"),
]


async def all_errors() -> list[BaseException]:
    """Returns one error of each way to fail, raised by a client."""
    found: list[BaseException] = []
    for failure in FAILURES:
        predictions = client_of(Script(failure, failure), max_retries=0).predictions
        found.append(await caught(predictions.async_get, ID))
        found.append(await caught(predictions.async_create, {"input": 1}, "o/n"))
    predictions = client_of(Script(forever=answer("started"))).predictions
    found.append(await caught(predictions.async_wait, ID, AsyncWaitOptions(0.01, timeout=0.03)))
    found.append(await caught(predictions.async_get, "a\r\nb"))
    found.append(await caught(client_of(Script(answer("failed"))).async_run, "o/n", 1))
    mistyped = partial(client_of(Script(answer())).async_run, output_type=int)
    found.append(await caught(mistyped, "o/n", 1))
    with TemporaryDirectory() as folder:
        save = client_of(Script(forever=httpx.Response(404))).files.async_save
        found.append(await caught(save, [f"{BASE_URL}/a", f"{BASE_URL}/b"], folder))
    return found


def raised(function: Any) -> BaseException:
    try:
        function()
    except ValueError as error:
        return error
    raise AssertionError("it raised nothing")


@pytest.fixture(scope="module")
def errors_seen() -> list[BaseException]:
    seen: list[BaseException] = anyio.run(all_errors)
    return [*seen, raised(lambda: Client(f"{TOKEN}\n"))]


def chain(error: BaseException | None) -> list[BaseException]:
    return [] if error is None else [error, *chain(error.__cause__ or error.__context__)]


def test_the_token_is_in_no_error_traceback_or_pickle(
    errors_seen: list[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    for error in errors_seen:
        logging.getLogger("test").error("it failed", exc_info=error)
        texts = [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
        assert not [text for text in texts if TOKEN in text]
        assert TOKEN.encode() not in pickle.dumps(error)
        for link in chain(error):
            carrier = getattr(link, "response", link)
            assert TOKEN not in str(carrier.request.headers.raw if hasattr(carrier, "request") else "")
        assert [text for text in strings_in(error) if TOKEN in text] == []
    assert TOKEN not in caplog.text


def test_every_error_survives_pickling_and_copying(errors_seen: list[BaseException]) -> None:
    for error in errors_seen:
        for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(twin) is type(error)
            assert (str(twin), twin.args) == (str(error), error.args)
            assert vars(twin).keys() == vars(error).keys()


def test_every_class_was_seen_but_those_of_webhooks_and_batches(errors_seen: list[BaseException]) -> None:
    seen = {type(error).__name__ for error in errors_seen}
    unseen = {name for name in errors.__all__ if name not in seen and not name.startswith(("Webhook", "Batch"))}
    assert unseen == {"WriftAIError"}


def test_a_pickled_status_error_keeps_its_answer() -> None:
    twin = pickle.loads(pickle.dumps(made(422, {"detail": [{"loc": ["a"], "msg": "b"}]}, x_request_id="r")))
    assert (twin.status_code, twin.detail, twin.request_id) == (422, [{"loc": ["a"], "msg": "b"}], "r")
    assert twin.response.status_code == 422
    assert twin.request.url == REQUEST.url


def test_a_wait_that_timed_out_keeps_id_and_state_when_pickled() -> None:
    error = WaitTimeoutError("late", prediction_id=ID)
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.prediction_id, twin.prediction) == (ID, None)
    assert isinstance(twin, TimeoutError)


def test_a_create_of_unknown_outcome_keeps_its_id_when_pickled() -> None:
    assert pickle.loads(pickle.dumps(CreateOutcomeUnknown("?", prediction_id=ID))).prediction_id == ID


def test_the_module_opens_with_the_tree_of_its_errors() -> None:
    tree = inspect.getdoc(errors) or ""
    assert [name for name in errors.__all__ if name not in tree] == []


def test_the_body_of_a_status_error_is_readable() -> None:
    error = anyio.run(caught, client_of(Script(respond(404))).predictions.async_get, ID)
    assert isinstance(error, APIStatusError)
    assert json.loads(error.response.text) == {"detail": "no"}
