"""Requests to the API as they are built: their addresses."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import fuzzed
from wriftai_anyio._pipeline.request import address_of

BASE_URLS = [
    "https://api.wrift.ai/v1",
    "http://localhost:8000",
    "http://[::1]:8000/v1",
    "https://API.Example/a%20b/é",
]


@fuzzed(300)
@given(st.sampled_from(BASE_URLS), st.text("abZ09_-/.~%2é ", max_size=40))
def test_an_address_is_what_httpx_makes_of_the_base_url_and_the_path(base_url: str, path: str) -> None:
    expected = httpx.URL(f"{base_url}/{path}")
    found = address_of(base_url, f"/{path}")
    assert found == expected
    assert (found.raw_path, found.host, found.port, str(found)) == (
        expected.raw_path,
        expected.host,
        expected.port,
        str(expected),
    )


def test_the_path_of_an_id_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    address_of("https://api.wrift.ai/v1", "/predictions/first")
    monkeypatch.setattr("httpx._urls.urlparse", None)
    assert str(address_of("https://api.wrift.ai/v1", "/predictions/not-seen-yet")).endswith(
        "/v1/predictions/not-seen-yet"
    )


def test_a_httpx_without_the_private_name_parses_each_address(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = httpx.URL("https://api.wrift.ai/v1/predictions/another")
    monkeypatch.setattr("wriftai_anyio._pipeline.request._URL_PARTS", "not an attribute")
    assert address_of("https://api.wrift.ai/v1", "/predictions/another") == parsed
