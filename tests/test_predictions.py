"""Every call of the predictions module, in both spellings on both event loops."""

import inspect
import json
import typing
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import httpx
import pytest

import wriftai_anyio
from tests.support.clients import BASE_URL, ID, Script, Spelling, answer, prediction
from wriftai_anyio import (
    APIResponseError,
    APIStatusError,
    ConflictError,
    NotFoundError,
    WaitTimeoutError,
    WriftAIError,
    predictions,
)
from wriftai_anyio.pagination import PaginatedResponse, PaginationOptions
from wriftai_anyio.predictions import (
    DEFAULT_ASYNC_WAIT_OPTIONS,
    DEFAULT_WAIT_OPTIONS,
    AsyncWaitOptions,
    CreatePredictionParams,
    Predictions,
    Status,
    WaitOptions,
)

MODEL = "sandbox/echo"


def sent(script: Script, index: int = 0) -> Any:
    return json.loads(script.bodies[index])


class TestGet:
    def test_it_is_one_request_for_the_prediction(self, spelling: Spelling) -> None:
        script = Script(answer(output={"words": 7}))
        found = spelling.call(spelling.client(script).predictions, "get", ID)
        assert script.paths == [f"GET /predictions/{ID}"]
        assert (found["id"], found["status"], found["output"]) == (ID, Status.succeeded, {"words": 7})

    def test_the_url_is_filled_in_where_the_server_leaves_it_out(self, spelling: Spelling) -> None:
        found = spelling.call(spelling.client(Script(answer())).predictions, "get", ID)
        assert found["url"] == f"{BASE_URL}/predictions/{ID}"

    def test_the_url_of_an_older_server_is_kept(self, spelling: Spelling) -> None:
        script = Script(answer(url="https://old.example/p"))
        assert spelling.call(spelling.client(script).predictions, "get", ID)["url"] == "https://old.example/p"

    def test_fields_that_are_not_known_are_kept(self, spelling: Spelling) -> None:
        script = Script(answer(metrics={"tokens": 3}))
        assert spelling.call(spelling.client(script).predictions, "get", ID)["metrics"] == {"tokens": 3}

    def test_a_prediction_is_as_it_came(self, spelling: Spelling) -> None:
        sent = {name: value for name, value in prediction(url="https://old.example/p").items() if name != "error"}
        found = spelling.call(spelling.client(Script(httpx.Response(200, json=sent))).predictions, "get", ID)
        assert dict(found) == sent

    def test_an_unknown_status_stays_a_plain_string(self, spelling: Spelling) -> None:
        status = spelling.call(spelling.client(Script(answer("reticulating"))).predictions, "get", ID)["status"]
        assert (status, type(status)) == ("reticulating", str)

    def test_an_id_is_quoted_so_that_it_stays_one_segment(self, spelling: Spelling) -> None:
        ids = ("../models", "a/b", "x?y=1", "ä%#")
        script = Script(*(answer(id=prediction_id) for prediction_id in ids))
        client = spelling.client(script)
        for prediction_id in ids:
            spelling.call(client.predictions, "get", prediction_id)
        assert [request.url.raw_path.decode() for request in script.requests] == [
            "/v1/predictions/..%2Fmodels",
            "/v1/predictions/a%2Fb",
            "/v1/predictions/x%3Fy%3D1",
            "/v1/predictions/%C3%A4%25%23",
        ]


WRONG_IDS = ("", " ", ".", "..", "a\r\nX: y", "a\0b", "x" * 513, "\ud800", None, 7, b"id")


@pytest.mark.parametrize(
    ("method", "argument"), [("get", "prediction_id"), ("wait", "predictionID"), ("cancel", "prediction_id")]
)
def test_ids_that_cannot_be_one_are_refused_by_name(spelling: Spelling, method: str, argument: str) -> None:
    script = Script()
    with spelling.client(script) as client:
        for wrong in WRONG_IDS:
            with pytest.raises(ValueError, match=rf"^{argument} "):
                spelling.call(client.predictions, method, wrong)
    assert script.requests == []


class TestList:
    def page(self, *ids: str, **cursors: str | None) -> httpx.Response:
        items = [{**prediction(), "id": each} for each in ids]
        return httpx.Response(200, json={"items": items, "next_cursor": None, "previous_cursor": None, **cursors})

    def test_a_page_has_items_and_cursors(self, spelling: Spelling) -> None:
        script = Script(self.page("a", "b", next_cursor="n", previous_cursor="p"))
        page = spelling.call(spelling.client(script).predictions, "list")
        assert isinstance(page, PaginatedResponse)
        assert [item["id"] for item in page.items] == ["a", "b"]
        assert (page.next_cursor, page.previous_cursor, page.next_url, page.previous_url) == ("n", "p", None, None)
        assert page.items[0]["url"] == f"{BASE_URL}/predictions/a"
        assert str(script.requests[0].url) == f"{BASE_URL}/predictions"

    def test_the_urls_of_an_older_server_are_kept(self, spelling: Spelling) -> None:
        page = spelling.call(spelling.client(Script(self.page(next_url="https://x/n"))).predictions, "list")
        assert page.next_url == "https://x/n"

    def test_options_become_the_query(self, spelling: Spelling) -> None:
        script = Script(self.page())
        options = {"cursor": "a b&c", "page_size": 50, "statuses": [Status.pending, "started"]}
        spelling.call(spelling.client(script).predictions, "list", options)
        assert script.requests[0].url.params.multi_items() == [
            ("cursor", "a b&c"),
            ("page_size", "50"),
            ("statuses", "pending"),
            ("statuses", "started"),
        ]

    @pytest.mark.parametrize("body", [{"items": {}}, {}, {"items": [7]}, {"items": [], "next_cursor": 7}, [], None])
    def test_a_page_of_the_wrong_shape_is_an_error(self, spelling: Spelling, body: object) -> None:
        with pytest.raises(APIResponseError):
            spelling.call(spelling.client(Script(httpx.Response(200, json=body))).predictions, "list")

    def test_iterate_gives_the_items_of_all_pages(self, spelling: Spelling) -> None:
        script = Script(self.page("a", "b", next_cursor="2"), self.page(next_cursor="3"), self.page("c"))
        items = spelling.call(spelling.client(script).predictions, "iterate", {"page_size": 5})
        assert [item["id"] for item in items] == ["a", "b", "c"]
        assert [request.url.query for request in script.requests] == [
            b"page_size=5",
            b"page_size=5&cursor=2",
            b"page_size=5&cursor=3",
        ]

    def test_iterate_does_not_change_its_options(self, spelling: Spelling) -> None:
        options: PaginationOptions = {"page_size": 5}
        script = Script(self.page("a", next_cursor="2"), self.page("b"))
        spelling.call(spelling.client(script).predictions, "iterate", options)
        assert options == {"page_size": 5}

    def test_iterate_refuses_to_go_in_a_circle(self, spelling: Spelling) -> None:
        script = Script(forever=lambda _: self.page("a", next_cursor="2"))
        with pytest.raises(WriftAIError, match="circle"):
            spelling.call(spelling.client(script).predictions, "iterate")
        assert len(script.requests) == 2


class TestCreate:
    def test_it_posts_model_and_params_and_returns_the_new_prediction(self, spelling: Spelling) -> None:
        script = Script(answer("pending", 201))
        params: CreatePredictionParams = {"input": {"text": "ü"}, "webhook": {"url": "https://me", "secret": "s"}}
        created = spelling.call(spelling.client(script).predictions, "create", params, f"{MODEL}:3")
        assert script.paths == ["POST /predictions"]
        assert sent(script) == {
            "model": f"{MODEL}:3",
            "input": {"text": "ü"},
            "webhook": {"url": "https://me", "secret": "s"},
        }
        assert created["status"] is Status.pending
        assert not {"prefer", "validate-input"} & set(script.requests[0].headers)

    @pytest.mark.parametrize(("value", "header"), [(True, "true"), (False, "false"), (None, None)])
    def test_validate_input_becomes_a_header(self, spelling: Spelling, value: bool | None, header: str | None) -> None:
        script = Script(answer("pending", 201))
        spelling.call(spelling.client(script).predictions, "create", {"input": 1, "validate_input": value}, MODEL)
        assert script.requests[0].headers.get("validate-input") == header
        assert sent(script) == {"model": MODEL, "input": 1}

    @pytest.mark.parametrize("given", [None, 0, "", [], {}, [1, "x", None, {"a": [True]}]])
    def test_any_json_is_an_input(self, spelling: Spelling, given: object) -> None:
        script = Script(answer("pending", 201))
        spelling.call(spelling.client(script).predictions, "create", {"input": given}, MODEL)
        assert sent(script)["input"] == given

    def test_any_mapping_is_an_object(self, spelling: Spelling) -> None:
        script = Script(answer("pending", 201))
        params = MappingProxyType({"input": MappingProxyType({"a": MappingProxyType({"b": 1})})})
        spelling.call(spelling.client(script).predictions, "create", params, MODEL)
        assert sent(script)["input"] == {"a": {"b": 1}}

    def test_the_params_are_not_changed(self, spelling: Spelling) -> None:
        params = {"input": {"text": ["x"]}, "validate_input": True, "webhook": None}
        before = json.dumps(params)
        spelling.call(spelling.client(Script(answer("pending", 201))).predictions, "create", params, MODEL)
        assert json.dumps(params) == before

    def test_model_references_that_cannot_be_one_are_refused_by_name(self, spelling: Spelling) -> None:
        wrong = ["", "o", "o/", "/n", "o/n:", "o/n:x", "o/n:-1", "o/n:1.5", "a/b/c", "a:1/b", "o/n:1:2", "../n", None]
        script = Script()
        with spelling.client(script) as client:
            for model in wrong:
                with pytest.raises(ValueError, match=r"^model "):
                    spelling.call(client.predictions, "create", {"input": 1}, model)
        assert script.requests == []

    @pytest.mark.parametrize("params", [{}, {"inputs": 1}, None, [("input", 1)], "input"])
    def test_params_without_an_input_are_refused(self, spelling: Spelling, params: object) -> None:
        script = Script()
        with pytest.raises(ValueError, match=r"^params "):
            spelling.call(spelling.client(script).predictions, "create", params, MODEL)
        assert script.requests == []


def create_and_wait(spelling: Spelling, script: Script, **options: object) -> Any:
    return spelling.call(spelling.client(script).predictions, "create", {"input": 1}, MODEL, wait=True, **options)


class TestCreateAndWait:
    def test_a_held_create_needs_one_request(self, spelling: Spelling) -> None:
        script = Script(answer(code=201))
        done = create_and_wait(spelling, script)
        assert done["output"] == "hello"
        assert [request.headers["prefer"] for request in script.requests] == ["wait"]

    def test_it_polls_when_the_server_does_not_hold(self, spelling: Spelling) -> None:
        script = Script(answer("pending", 201), answer("started"), answer())
        options = spelling.options()
        done = spelling.call(
            spelling.client(script).predictions, "create", {"input": 1}, MODEL, wait=True, wait_options=options
        )
        assert done["status"] is Status.succeeded
        assert script.paths[0] == "POST /predictions"
        assert all(path.startswith("GET /predictions") for path in script.paths[1:])

    @pytest.mark.parametrize(
        ("options", "preference"),
        [
            ({"duration": 7.9}, "wait=7"),
            ({"duration": 1}, "wait=1"),
            ({"timeout": 30.0}, "wait=29"),
            ({"timeout": 30.0, "duration": 10.0}, "wait=10"),
            ({"timeout": 1.5}, None),
            ({"duration": 0}, None),
            ({"cancel_on_exit": True}, None),
        ],
    )
    def test_the_hold_fits_the_options(
        self, spelling: Spelling, options: dict[str, Any], preference: str | None
    ) -> None:
        script = Script(answer(code=201))
        chosen = spelling.options(**options)
        spelling.call(
            spelling.client(script).predictions, "create", {"input": 1}, MODEL, wait=True, wait_options=chosen
        )
        assert script.requests[0].headers.get("prefer") == preference

    def test_without_poll_the_state_after_the_hold_is_returned(self, spelling: Spelling) -> None:
        script = Script(answer("started", 201))
        options = spelling.options(poll=False, duration=3)
        state = spelling.call(
            spelling.client(script).predictions, "create", {"input": 1}, MODEL, wait=True, wait_options=options
        )
        assert state["status"] is Status.started

    @pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "abandoned"])
    def test_every_terminal_status_ends_the_wait(self, spelling: Spelling, status: str) -> None:
        script = Script(answer(status, 201))
        assert create_and_wait(spelling, script)["status"] == status


class TestWait:
    def test_each_poll_is_told_to_the_callback(self, spelling: Spelling) -> None:
        script = Script(answer("pending"), answer("queued-anew"), answer("started"), answer("failed"))
        seen: list[str] = []
        options = spelling.options(lambda latest: seen.append(latest["status"]))
        done = spelling.call(spelling.client(script).predictions, "wait", ID, options)
        assert done["status"] is Status.failed
        assert seen == ["pending", "queued-anew", "started", "failed"]
        assert script.paths == [f"GET /predictions/{ID}"] * 4

    def test_an_error_of_the_callback_ends_the_wait(self, spelling: Spelling) -> None:
        def on_poll(_: object) -> None:
            raise LookupError("mine")

        script = Script(forever=answer("started"))
        with pytest.raises(LookupError, match="mine"):
            spelling.call(spelling.client(script).predictions, "wait", ID, spelling.options(on_poll))
        assert len(script.requests) == 1

    def test_it_outlives_passing_faults(self, spelling: Spelling) -> None:
        seen: list[str] = []
        script = Script(*[httpx.Response(503)] * 3, httpx.ConnectError("refused"), answer())
        options = spelling.options(lambda latest: seen.append(latest["status"]))
        client = spelling.client(script, max_retries=0)
        assert spelling.call(client.predictions, "wait", ID, options)["status"] is Status.succeeded
        assert seen == ["succeeded"]

    def test_it_ends_at_once_where_there_is_no_such_prediction(self, spelling: Spelling) -> None:
        script = Script(httpx.Response(404, json={"detail": "prediction not found"}))
        options = spelling.options(lambda _: None)
        with pytest.raises(NotFoundError):
            spelling.call(spelling.client(script).predictions, "wait", ID, options)

    def test_its_timeout_carries_the_id_and_the_last_state(self, spelling: Spelling) -> None:
        script = Script(forever=answer("started"))
        options = spelling.options(lambda _: None, timeout=0.1, poll_interval=0.01)
        with pytest.raises(WaitTimeoutError, match=rf"{ID} is still started after 0.1 s\. It keeps running") as caught:
            spelling.call(spelling.client(script).predictions, "wait", ID, options)
        assert caught.value.prediction_id == ID
        assert caught.value.prediction is not None
        assert caught.value.prediction["status"] == "started"
        assert isinstance(caught.value, TimeoutError)

    def test_cancel_on_exit_cancels_when_the_timeout_passes(self, spelling: Spelling) -> None:
        def respond(request: httpx.Request) -> httpx.Response:
            return httpx.Response(202, json=None) if request.method == "POST" else answer("started")

        script = Script(forever=respond)
        options = spelling.options(lambda _: None, timeout=0.1, poll_interval=0.01, cancel_on_exit=True)
        with pytest.raises(WaitTimeoutError, match=r"The client will ask the server to cancel it\."):
            spelling.call(spelling.client(script).predictions, "wait", ID, options)
        assert script.paths[-1] == f"POST /predictions/{ID}/cancel"

    def test_cancel_on_exit_does_not_cancel_what_has_ended(self, spelling: Spelling) -> None:
        script = Script(answer())
        options = spelling.options(lambda _: None, cancel_on_exit=True)
        spelling.call(spelling.client(script).predictions, "wait", ID, options)
        assert script.paths == [f"GET /predictions/{ID}"]


class TestCancel:
    @pytest.mark.parametrize("content", [b"", b"null", b"{}"])
    def test_it_is_one_request(self, spelling: Spelling, content: bytes) -> None:
        script = Script(httpx.Response(202, content=content))
        assert spelling.call(spelling.client(script).predictions, "cancel", ID) is None
        assert script.paths == [f"POST /predictions/{ID}/cancel"]
        assert script.requests[0].headers["content-length"] == "0"

    def test_it_is_sent_again_after_a_fault_since_twice_does_no_harm(self, spelling: Spelling) -> None:
        faults = [httpx.Response(503, headers={"retry-after": "0"})] * 2
        script = Script(*faults, httpx.Response(204))
        spelling.call(spelling.client(script).predictions, "cancel", ID)
        assert len(script.requests) == 3

    def test_a_prediction_that_has_ended_is_refused(self, spelling: Spelling) -> None:
        script = Script(httpx.Response(409, json={"code": "conflict", "message": "it has ended"}))
        with pytest.raises(ConflictError, match="it has ended"):
            spelling.call(spelling.client(script).predictions, "cancel", ID)


class TestContract:
    """The names, defaults and fields of the published reference."""

    @pytest.mark.parametrize("prefix", ["", "async_"])
    @pytest.mark.parametrize(
        ("method", "signature"),
        [
            ("get", [("prediction_id", ...)]),
            ("list", [("pagination_options", None)]),
            (
                "create",
                [("params", ...), ("model", ...), ("wait", False), ("wait_options", DEFAULT_WAIT_OPTIONS)],
            ),
            ("wait", [("predictionID", ...), ("options", DEFAULT_WAIT_OPTIONS)]),
        ],
    )
    def test_methods_take_the_arguments_of_the_reference(
        self, prefix: str, method: str, signature: list[tuple[str, object]]
    ) -> None:
        parameters = inspect.signature(getattr(Predictions, prefix + method)).parameters.values()
        positional = [each for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD and each.name != "self"]
        defaults: Callable[[object], object] = (
            (lambda value: DEFAULT_ASYNC_WAIT_OPTIONS if value is DEFAULT_WAIT_OPTIONS else value)
            if prefix
            else (lambda value: value)
        )
        assert [(each.name, ... if each.default is each.empty else each.default) for each in positional] == [
            (name, defaults(value)) for name, value in signature
        ]

    def test_errors_have_their_sources(self) -> None:
        assert list(predictions.ErrorSource) == ["internal", "external"]

    def test_statuses_are_those_of_the_reference_and_the_newer_ones(self) -> None:
        published = {"pending", "started", "failed", "succeeded"}
        assert {str(status) for status in Status} == published | {"starting", "cancelled", "abandoned"}

    @pytest.mark.parametrize("options", [WaitOptions, AsyncWaitOptions])
    def test_wait_options_take_interval_and_callback_by_position_and_the_rest_by_name(
        self, options: type[WaitOptions] | type[AsyncWaitOptions]
    ) -> None:
        parameters = inspect.signature(options).parameters
        assert {name: (each.default, each.kind.description) for name, each in parameters.items()} == {
            "poll_interval": (1.0, "positional or keyword"),
            "on_poll": (None, "positional or keyword"),
            "timeout": (None, "keyword-only"),
            "cancel_on_exit": (False, "keyword-only"),
            "duration": (None, "keyword-only"),
            "poll": (True, "keyword-only"),
        }

    def test_the_default_options_are_those_of_no_arguments(self) -> None:
        assert WaitOptions() == DEFAULT_WAIT_OPTIONS
        assert AsyncWaitOptions() == DEFAULT_ASYNC_WAIT_OPTIONS

    @pytest.mark.parametrize("name", ["poll_interval", "timeout", "duration"])
    @pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
    def test_wait_options_refuse_numbers_that_make_no_sense(self, name: str, value: float) -> None:
        with pytest.raises(ValueError, match=name):
            WaitOptions(**{name: value})  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("kind", "required", "optional"),
        [
            ("TaskError", {"source", "message", "detail"}, set()),
            ("PredictionModel", {"owner", "name", "version_number"}, set()),
            ("CreatePredictionParams", {"input"}, {"webhook", "validate_input"}),
            ("Webhook", {"url"}, {"secret"}),
        ],
    )
    def test_typed_dicts_have_the_fields_of_the_reference(
        self, kind: str, required: set[str], optional: set[str]
    ) -> None:
        typed_dict = getattr(predictions, kind)
        assert typed_dict.__required_keys__ == required
        assert typed_dict.__optional_keys__ >= optional

    def test_predictions_have_the_fields_of_the_reference(self) -> None:
        fields = {"url", "id", "created_at", "status", "updated_at", "setup_time", "execution_time", "model"}
        details = {"input", "output", "error", "metrics", "stream"}
        assert set(typing.get_type_hints(predictions.Prediction)) == fields
        assert set(typing.get_type_hints(predictions.PredictionWithIO)) == fields | details

    def test_the_pagination_options_are_exported_by_the_package(self) -> None:
        assert wriftai_anyio.PaginationOptions is PaginationOptions
        assert set(typing.get_type_hints(PaginationOptions)) == {"cursor", "page_size", "extra_query"}

    def test_every_public_method_says_what_it_does_takes_returns_and_raises(self) -> None:
        for name, method in inspect.getmembers(Predictions, inspect.isfunction):
            if name.startswith("async_") or hasattr(Predictions, f"async_{name}"):
                doc = inspect.getdoc(method) or ""
                assert "Raises:" in doc, name
                assert all(f"{each}:" in doc for each in list(inspect.signature(method).parameters)[1:]), name
                assert name.startswith("async_") or "sync " not in doc, name


def test_an_error_says_what_the_api_said(spelling: Spelling) -> None:
    detail = [{"loc": ["path", "prediction_id"], "msg": "not a UUID", "type": "uuid"}]
    script = Script(httpx.Response(422, json={"detail": detail}, headers={"x-request-id": "r-7"}))
    with pytest.raises(APIStatusError, match=r"path\.prediction_id: not a UUID\. \(request r-7\)$") as caught:
        spelling.call(spelling.client(script).predictions, "get", "x")
    assert caught.value.detail == detail
