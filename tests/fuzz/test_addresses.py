"""Addresses that strangers choose: refused by a plain error, and never a way for the token to leave its origin."""

from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given

from tests.support.fuzzing import BATCH, Batch, Chance, batches, fuzzed
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


def addresses(chance: Chance) -> str:
    """Makes addresses: of pieces that mean something, of any characters, and nearly right ones."""
    start = chance.choice(["", "", "https://", "https:", "//", "/"])
    return start + chance.any_of(lambda chance: chance.joined(PIECES, 9), lambda chance: chance.text(60))


def check_address(address: str) -> None:
    try:
        taken = web_address(address, "url")
    except ValueError as error:
        refusal = str(error)
    else:
        assert can_be_reached(taken), address
        assert taken.host, address
        return
    assert refusal == f"url {UNREACHABLE}", address


@fuzzed(1000, each=BATCH)
@given(batches)
def test_address_is_one_that_connections_can_go_to_or_refused_without_being_shown(batch: Batch) -> None:
    for chance in batch:
        check_address(addresses(chance))


@pytest.mark.parametrize("address", ["https://store.example/?key=\ud800", "", "https://", "https://[::1"])
def test_hostile_address_is_refused_without_being_shown(address: str) -> None:
    check_address(address)


METHODS = ("GET", "POST", "PUT", "DELETE")
STATUSES = (200, 301, 302, 303, 304, 307, 308)


@fuzzed(1000, each=BATCH)
@given(batches)
def test_redirect_never_leaves_its_origin(batch: Batch) -> None:
    for chance in batch:
        location = chance.any_of(lambda it: addresses(it).encode("utf-8", "surrogatepass"), Chance.bytes)
        request = httpx.Request(chance.choice(METHODS), ORIGIN)
        answer = httpx.Response(chance.choice(STATUSES), headers=[(b"location", location)], request=request)
        target = redirection(answer)
        if target is not None:
            parts = urlsplit(str(target))
            assert (parts.scheme, parts.netloc) == ("https", "api.example"), location
            assert b"\n" not in target.raw_path, location
