"""Requests and answers as errors show them."""

import pickle
from typing import Any

import httpx
import pytest

from tests.support.reachable import strings_in
from wriftai_anyio._instrumentation.shown import shown_request, shown_response

SECRET = "s3cr3t"


def answered(**options: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {SECRET}", "cookie": SECRET, "proxy-authorization": SECRET, "accept": "*/*"}
    request = httpx.Request("POST", f"http://user:{SECRET}@host/path", headers=headers, content=SECRET)
    return httpx.Response(302, request=request, **options)


def test_a_request_keeps_its_method_address_and_harmless_headers() -> None:
    shown = shown_request(answered().request)
    assert (shown.method, str(shown.url), shown.headers["accept"]) == ("POST", "http://host/path", "*/*")
    assert not [text for text in strings_in(shown) if SECRET in text]


def test_an_answer_keeps_its_status_body_and_headers_as_bytes() -> None:
    headers = [(b"etag", b'"\xe9"'), (b"x-request-id", b"r-1"), (b"Location", b"/there")]
    shown = shown_response(answered(headers=headers, content=b"said", extensions={"reason_phrase": b"Elsewhere"}))
    assert (shown.status_code, shown.reason_phrase, shown.content) == (302, "Elsewhere", b"said")
    assert set(headers) <= set(shown.headers.raw)


def test_an_answer_leads_to_nothing_else() -> None:
    response = answered(headers={"set-cookie": SECRET}, content=b"", extensions={"network_stream": SECRET})
    response.next_request = response.request
    response.history = [answered(content=b"")]
    shown = shown_response(response)
    assert not [text for text in strings_in(shown) if SECRET in text]
    assert SECRET.encode() not in pickle.dumps(shown)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://user:pw@store/x?signature=s#y", "https://store/x"),
        ("/x?signature=s", "/x"),
        ("//user@store", "//store"),
        ("/a@b/c", "/a@b/c"),
        ("caf\xe9?x", "caf\xe9"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(location: str, shown: str) -> None:
    headers = [(b"Location", location.encode("latin-1"))]
    assert shown_response(answered(headers=headers)).headers.raw[0][1] == shown.encode("latin-1")


def test_a_body_that_was_decoded_is_not_decoded_again() -> None:
    response = answered(content=b"decoded")
    response.headers["content-encoding"] = "gzip"
    assert shown_response(response).content == b"decoded"


def test_an_answer_that_was_not_read_has_no_body() -> None:
    class Unread(httpx.AsyncByteStream):
        """Never read."""

    assert shown_response(answered(stream=Unread())).content == b""
