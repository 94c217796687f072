"""What a web page could send never gets through, and nothing of what is refused is kept."""

from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest

from wriftai_anyio.sandbox import Sandbox

CREATE = {"model": "sandbox/echo", "input": 1}


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "[", ""]
)
def test_another_host_name_is_refused_though_the_token_is_right(
    sandbox: Sandbox, http: httpx.Client, host: str
) -> None:
    assert http.post("/predictions", json=CREATE, headers={"host": host}).status_code == 421
    assert sandbox.predictions == []


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_names_of_this_machine_are_its_own(sandbox: Sandbox, http: httpx.Client, name: str) -> None:
    host = f"{name}:{urlsplit(sandbox.base_url).port}"
    assert http.post("/predictions", json=CREATE, headers={"host": host}).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_request_of_another_site_is_refused(sandbox: Sandbox, http: httpx.Client, headers: dict[str, str]) -> None:
    assert http.post("/predictions", json=CREATE, headers=headers).status_code == 403
    assert sandbox.predictions == []


def test_page_of_the_sandbox_itself_may_ask(sandbox: Sandbox, http: httpx.Client) -> None:
    own = {"origin": sandbox.base_url.removesuffix("/v1"), "sec-fetch-site": "same-origin"}
    assert http.post("/predictions", json=CREATE, headers=own).status_code == 201


def test_picture_with_a_presigned_url_shows_on_any_page(sandbox: Sandbox, anyone: httpx.Client) -> None:
    url = sandbox.add_file(b"picture", "image/png")
    assert anyone.get(url, headers={"sec-fetch-site": "cross-site"}).content == b"picture"
    assert anyone.get(url, headers={"host": "evil.example"}).status_code == 421


def test_body_of_a_refused_request_is_not_read_and_not_kept(sandbox: Sandbox, anyone: httpx.Client) -> None:
    answer = anyone.post(f"{sandbox.base_url}/predictions", content=b"x" * 10_000_000)
    assert answer.status_code == 401
    assert [(request.status, request.body) for request in sandbox.requests] == [(401, b"")]


def test_body_that_says_it_is_too_large_is_refused_unread(sandbox: Sandbox) -> None:
    address = urlsplit(sandbox.base_url)
    with closing(HTTPConnection(address.netloc, timeout=10)) as connection:
        connection.putrequest("POST", "/v1/predictions")
        connection.putheader("authorization", f"Bearer {sandbox.access_token}")
        connection.putheader("content-length", str(10**12))
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_body_that_turns_out_too_large_is_not_kept(sandbox: Sandbox, http: httpx.Client) -> None:
    pieces = (b"x" * 1024 * 1024 for _ in range(70))
    assert http.post("/predictions", content=pieces).status_code == 413
    assert [request.body for request in sandbox.requests] == [b""]


def test_each_sandbox_has_a_random_token_unless_it_is_given_one() -> None:
    assert Sandbox().access_token != Sandbox().access_token
    assert len(Sandbox().access_token) >= 16
    assert Sandbox(access_token="mine").access_token == "mine"
