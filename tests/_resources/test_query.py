"""Options and params with unknown keys or impossible values are refused before anything is sent."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.support.clients import Script, Spelling

EMPTY: dict[str, Any] = {"items": [], "next_cursor": None, "previous_cursor": None}
LISTS = ["predictions", "models", "users", "variables", "hardware", "model_categories"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"page_sise": 5}, "no key 'page_sise'. Did you mean 'page_size'.*'extra_query'"),
        ({1: 5}, "no key 1"),
        ({"page_size": "5"}, "page_size must be a whole number"),
        ({"page_size": 0}, "page_size must be a whole number"),
        pytest.param({"page_size": 10**5000}, "page_size must be a whole number", id="digits"),
        ({"page_size": True}, "page_size must be a whole number"),
        ({"cursor": 7}, "cursor must be"),
        ({"extra_query": {"since": timedelta(1)}}, "since must be a string or a number"),
        ({"extra_query": {"since": [1, float("nan")]}}, "since must be a string or a number, not nan"),
        ({"extra_query": "a=1"}, "extra_query must be a mapping"),
        (["page_size"], "must be a mapping"),
    ],
)
def test_wrong_options_are_refused_by_all_lists(options: Any, problem: str, spelling: Spelling) -> None:
    transport = Script()
    with spelling.client(transport) as client:
        for resource in LISTS:
            for name in ("list", "iterate"):
                with pytest.raises(ValueError, match=problem):
                    spelling.call(getattr(client, resource), name, options)
    assert transport.requests == []


@pytest.mark.parametrize(
    ("resource", "options", "query"),
    [
        ("predictions", {"statuses": ["failed", "new"], "page_size": 5}, "statuses=failed&statuses=new&page_size=5"),
        ("models", {"category_slugs": ("text",), "extra_query": {"since": 1}}, "category_slugs=text&since=1"),
        ("users", {"sort_by": "created_at", "cursor": None}, "sort_by=created_at"),
        ("hardware", {}, ""),
    ],
)
def test_right_options_are_sent(resource: str, options: Any, query: str, spelling: Spelling) -> None:
    transport = Script(httpx.Response(200, json=EMPTY))
    with spelling.client(transport) as client:
        spelling.call(getattr(client, resource), "list", options)
    assert transport.requests[0].url.query.decode() == query


@pytest.mark.parametrize(
    ("resource", "name", "args"),
    [
        ("models", "create", [{"nme": "n"}]),
        ("models", "update", ["o/n", {"nme": "n"}]),
        ("model_versions", "create", ["o/n", {"nme": "n"}]),
        ("model_versions", "update_configuration", ["o/n:1", {"nme": "n"}]),
        ("variables", "create", [{"nme": "n"}]),
        ("variables", "update", ["v", {"nme": "n"}]),
        ("authenticated_user", "update", [{"nme": "n"}]),
        ("uploads", "create", [{"nme": "n"}]),
        ("uploads", "complete", ["id", {"nme": "n"}]),
    ],
)
def test_params_of_all_resources_refuse_unknown_keys(resource: str, name: str, args: Any, spelling: Spelling) -> None:
    transport = Script()
    with spelling.client(transport) as client, pytest.raises(ValueError, match="no key 'nme'"):
        spelling.call(getattr(client, resource), name, *args)
    assert transport.requests == []


def test_extra_fields_are_sent_beside_the_others(spelling: Spelling) -> None:
    transport = Script(httpx.Response(200, json={"id": "m", "name": "n", "owner": {"name": "o"}}))
    with spelling.client(transport) as client:
        spelling.call(client.models, "update", "o/n", {"overview": "x", "extra_body": {"license": "MIT"}})
    assert transport.bodies == [b'{"overview":"x","license":"MIT"}']


def test_long_arguments_are_cut_in_messages(spelling: Spelling) -> None:
    with spelling.client(Script()) as client:
        for name, argument in (("get", "x" * 10_000), ("get", ["x" * 10_000] * 100), ("get", [10**5000])):
            with pytest.raises(ValueError, match="must be") as refused:
                spelling.call(client.predictions, name, argument)
            assert len(str(refused.value)) < 200
        with pytest.raises(ValueError, match="owner/name") as refused:
            spelling.call(client.predictions, "create", {"input": 1}, "x" * 10_000)
        assert len(str(refused.value)) < 200


@pytest.mark.parametrize("q", [None, 7, b"cats", ["cats"]])
@pytest.mark.parametrize("name", ["search", "iterate_search"])
def test_what_is_searched_for_is_a_string(q: Any, name: str, spelling: Spelling) -> None:
    with spelling.client(Script()) as client:
        for resource in (client.models, client.users):
            with pytest.raises(ValueError, match="q must be a string"):
                spelling.call(resource, name, q)


def test_flags_of_a_query_are_written_as_in_json(spelling: Spelling) -> None:
    transport = Script(httpx.Response(200, json={"items": [], "next_cursor": None, "previous_cursor": None}))
    with spelling.client(transport) as client:
        spelling.call(client.predictions, "list", {"extra_query": {"mine": True, "others": [False, 1, 2.5]}})
    assert transport.requests[0].url.query == b"mine=true&others=false&others=1&others=2.5"
