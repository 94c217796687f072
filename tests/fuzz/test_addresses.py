"""Addresses that strangers choose: refused by a plain error, and never a way for the token to leave its origin."""

from urllib.parse import urlsplit

import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.fuzzing import fuzzed
from wriftai_anyio._transport.addresses import UNREACHABLE, can_be_reached, web_address
from wriftai_anyio._transport.retries import redirection

ORIGIN = "https://api.example/v1/x"

PIECES = [
    *(
        "http",
        "https",
        "HTTPS",
        "ftp",
        "javascript",
        ":",
        "//",
        "/",
        "\\",
        "@",
        "?",
        "#",
        "%2f",
        "%00",
        "%40",
        "..",
        ".",
    ),
    *("api.example", "API.EXAMPLE", "api.example.", "evil.example", "[::1]", "127.0.0.1", "0x7f.1", "xn--a", "xn--"),
    *(
        ":443",
        ":80",
        ":0",
        ":65536",
        ":99999999999",
        "me:pw",
        "\t",
        "\n",
        "\r",
        "\0",
        " ",
        "é",
        "。",
        "\u2044",
        "[",
        "]",
    ),
    *("\ud800", "a" * 64),
]
addresses = st.lists(st.sampled_from(PIECES), max_size=9).map("".join) | st.text(max_size=60)
nearly_right = st.tuples(st.sampled_from(["https://", "https:", "//", "/"]), addresses).map("".join)


@fuzzed(100)
@given(addresses | nearly_right)
@example("https://store.example/?key=\ud800")
def test_address_is_one_that_connections_can_go_to_or_refused_without_being_shown(address: str) -> None:
    try:
        taken = web_address(address, "url")
    except ValueError as error:
        refusal = str(error)
    else:
        assert can_be_reached(taken)
        assert taken.host
        return
    assert refusal == f"url {UNREACHABLE}"


@fuzzed(100)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.sampled_from([200, 301, 302, 303, 304, 307, 308]),
    (addresses | nearly_right).map(lambda address: address.encode("utf-8", "surrogatepass")) | st.binary(max_size=40),
)
def test_redirect_never_leaves_its_origin(method: str, status: int, location: bytes) -> None:
    request = httpx.Request(method, ORIGIN)
    target = redirection(httpx.Response(status, headers=[(b"location", location)], request=request))
    if target is not None:
        parts = urlsplit(str(target))
        assert (parts.scheme, parts.netloc) == ("https", "api.example")
        assert b"\n" not in target.raw_path
