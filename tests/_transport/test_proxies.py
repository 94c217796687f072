"""Which proxy a request goes through: the variables of the environment, and what they cannot mean."""

import json
import socket
import sys
from collections.abc import Mapping

import httpx
import pytest
from anyio import fail_after
from anyio.abc import SocketStream
from socksio.exceptions import ProtocolError

from tests.support.clients import ID, prediction
from tests.support.patience import PATIENCE
from tests.support.raw_server import http, raw_server
from wriftai_anyio import APIConnectionError, Client, CreateOutcomeUnknown, InternalServerError, NetworkSettingsError
from wriftai_anyio._transport.failures import SettingsFault
from wriftai_anyio._transport.proxies import Proxies

PROXY = "http://proxy:3128"
NAMED = r"over the proxy http://127\.0\.0\.1:\d+ \(HTTP_PROXY\)"


def way(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], url: str) -> str | None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = Proxies().way_to(httpx.URL(url))
    return None if found is None else found.label


@pytest.mark.parametrize(
    ("variables", "url", "expected"),
    [
        ({}, "http://host/", None),
        ({"HTTP_PROXY": PROXY}, "http://host/", f"{PROXY} (HTTP_PROXY)"),
        ({"http_proxy": PROXY}, "http://host/", f"{PROXY} (http_proxy)"),
        ({"HTTP_PROXY": PROXY}, "https://host/", None),
        ({"HTTPS_PROXY": PROXY}, "https://host/", f"{PROXY} (HTTPS_PROXY)"),
        ({"ALL_PROXY": PROXY}, "https://host/", f"{PROXY} (ALL_PROXY)"),
        ({"ALL_PROXY": "http://other", "HTTPS_PROXY": PROXY}, "https://host/", f"{PROXY} (HTTPS_PROXY)"),
        ({"HTTP_PROXY": f" {PROXY}\n"}, "http://host/", f"{PROXY} (HTTP_PROXY)"),
        ({"HTTP_PROXY": "proxy:3128"}, "http://host/", f"{PROXY} (HTTP_PROXY)"),
        ({"HTTP_PROXY": "http://user:s3cr3t@proxy:3128"}, "http://host/", f"{PROXY} (HTTP_PROXY)"),
        ({"HTTP_PROXY": " "}, "http://host/", None),
        ({"FTP_PROXY": PROXY}, "http://host/", None),
    ],
)
def test_each_variable_names_the_proxy_of_its_scheme(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], url: str, expected: str | None
) -> None:
    assert way(monkeypatch, variables, url) == expected


@pytest.mark.parametrize(
    ("url", "exceptions"),
    [
        ("http://host/", "*"),
        ("http://host/", "other, host"),
        ("http://HOST./", " Host "),
        ("http://host/", "host."),
        ("http://a.host/", "host"),
        ("http://a.host/", ".host"),
        ("http://a.host/", "*.host"),
        ("http://host:81/", "host:81"),
        ("http://host/", "host:80"),
        ("http://host/", "http://host"),
        ("http://host/", "all://host"),
        ("http://host/", "one two host"),
        ("http://10.1.2.3/", "10.0.0.0/8"),
        ("http://10.1.2.3/", "10.1.2.3"),
        ("http://[fd00::1]/", "fd00::/8"),
        ("http://[fd00::1]/", "[fd00::]/8"),
        ("http://[fd00::1]/", "[fd00::1]"),
        ("http://[fd00::1]/", "fd00:0::1"),
        ("http://[fd00::1]:81/", "[fd00::1]:81"),
        ("http://[fd00::1]/", "[fd00::]/8:80"),
        ("http://10.1.2.3/", "10.0.0.0/8:80"),
        ("http://bücher.example/", "bücher.example"),
        ("http://bücher.example/", "XN--BCHER-KVA.example"),
        ("http://xn--bcher-kva.example/", "Bücher.example"),
        ("http://a.bücher.example/", ".bücher.example"),
        ("http://a.bücher.example/", "*.bücher.example"),
        ("http://host/", "http://host:80/path"),
        ("http://host/", "http://user:secret@host/"),
        ("http://[fd00::1]/", "http://[fd00::1]:80/path"),
        ("http://10.1.2.3/", "http://10.0.0.0/8"),
    ],
)
def test_no_proxy_covers_hosts_addresses_and_networks(
    monkeypatch: pytest.MonkeyPatch, url: str, exceptions: str
) -> None:
    assert way(monkeypatch, {"HTTP_PROXY": PROXY, "NO_PROXY": exceptions}, url) is None


@pytest.mark.parametrize(
    "exceptions",
    [
        "",
        "other",
        "ost",
        "host:81",
        "https://host",
        "[::1]",
        "10.0.0.0/99",
        "fd00::/8",
        "[",
        "a.host",
        "//",
        "host/path",
        "xn--0",
        "ü" * 99,
    ],
)
def test_no_proxy_covers_nothing_else(monkeypatch: pytest.MonkeyPatch, exceptions: str) -> None:
    assert way(monkeypatch, {"HTTP_PROXY": PROXY, "NO_PROXY": exceptions}, "http://host/") is not None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    assert way(monkeypatch, {"ALL_PROXY": PROXY}, f"http://{host}:81/") is None


@pytest.mark.parametrize(
    "value",
    [
        "http://127.0.0.1:99999",
        "socks://user:s3cr3t@proxy",
        "ftp://proxy",
        "http://",
        "http://proxy:port",
        "nonsense://proxy",
        "://",
        "http://user:12/s3cr3t@proxy:3128",
        "http://user:s3cr3t#4@proxy:3128",
        "http://user:12?s3cr3t@proxy:3128",
        "http//user:s3cr3t@proxy:3128",
        "http://xn--0.example:3128",
        "http://proxy..example:3128",
    ],
)
def test_what_is_no_proxy_is_a_fault_that_names_the_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(SettingsFault, match=r"^HTTPS_PROXY ") as caught:
        way(monkeypatch, {"HTTPS_PROXY": value}, "https://host/")
    assert "s3cr3t" not in str(caught.value)
    assert way(monkeypatch, {"HTTPS_PROXY": value, "NO_PROXY": "host"}, "https://host/") is None


@pytest.mark.anyio
@pytest.mark.parametrize("value", ["socks://127.0.0.1:9", "socks5://127.0.0.1:9"])
async def test_a_proxy_that_cannot_be_used_is_an_error_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("ALL_PROXY", value)
    with fail_after(PATIENCE):
        async with Client("t", "http://api.example") as client:
            with pytest.raises(NetworkSettingsError, match="ALL_PROXY") as caught:
                await client.predictions.async_create({"input": 1}, "o/n")
    assert not caught.value.request_sent


@pytest.mark.anyio
async def test_a_socks_proxy_that_answers_otherwise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Without a socket: httpcore 1.0.9 leaves it to the garbage collector when this exchange fails.
    async def fail(*_: object) -> httpx.Response:
        raise ProtocolError("Malformed reply")

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", fail)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:s3cr3t@127.0.0.1:9")
    with fail_after(PATIENCE):
        async with Client("t", "http://api.example", max_retries=0) as client:
            with pytest.raises(APIConnectionError, match=r"\(ALL_PROXY\) .*SOCKS5.*Check the proxy") as caught:
                await client.predictions.async_create({"input": 1}, "o/n")
    assert not caught.value.request_sent
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.anyio
async def test_a_proxy_that_is_down_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"http://user:s3cr3t@127.0.0.1:{unused.getsockname()[1]}")
        with fail_after(PATIENCE):
            async with Client("t", "http://api.example", max_retries=0) as client:
                with pytest.raises(
                    APIConnectionError, match=r"over the proxy http://127.0.0.1:\d+ \(HTTP_PROXY\)"
                ) as caught:
                    await client.predictions.async_create({"input": 1}, "o/n")
    assert "s3cr3t" not in str(caught.value)
    assert not caught.value.request_sent


@pytest.mark.anyio
@pytest.mark.parametrize("said", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"])
@pytest.mark.parametrize("method", ["get", "create"])
async def test_a_proxy_that_fails_while_it_opens_a_tunnel_is_named(
    monkeypatch: pytest.MonkeyPatch, said: bytes, method: str
) -> None:
    async def respond(connection: SocketStream, _: bytes) -> None:
        await connection.send(said)
        await connection.aclose()

    with fail_after(PATIENCE):
        async with raw_server(respond) as proxy, Client("t", "https://api.example", max_retries=0) as client:
            monkeypatch.setenv("HTTPS_PROXY", proxy.replace("http://", "http://user:s3cr3t@"))
            call = client.predictions.async_get(ID) if method == "get" else client.async_run("o/n", 1)
            with pytest.raises(APIConnectionError, match=r"\(HTTPS_PROXY\) .*Check the proxy") as caught:
                await call
    assert "s3cr3t" not in str(caught.value)
    assert "base URL" not in str(caught.value)
    assert caught.value.request_sent is (method == "get")


@pytest.mark.anyio
async def test_a_proxy_that_answers_for_the_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def respond(connection: SocketStream, _: bytes) -> None:
        await connection.send(http(b"<html>", status="502 Bad Gateway"))

    with fail_after(PATIENCE):
        async with raw_server(respond) as proxy, Client("t", "http://api.example", max_retries=0) as client:
            monkeypatch.setenv("HTTP_PROXY", proxy)
            with pytest.raises(InternalServerError, match=NAMED):
                await client.predictions.async_get(ID)
            with pytest.raises(CreateOutcomeUnknown, match="over the proxy"):
                await client.predictions.async_create({"input": 1}, "o/n")


@pytest.mark.anyio
async def test_through_a_proxy_no_cookie_is_kept_and_no_password_of_a_url_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    heads: list[bytes] = []

    async def respond(connection: SocketStream, head: bytes) -> None:
        heads.append(head.lower())
        body = json.dumps(prediction()).encode()
        await connection.send(http(body, "Set-Cookie: a=b"))

    with fail_after(PATIENCE):
        async with raw_server(respond) as proxy, Client("t", "http://api.example") as client:
            monkeypatch.setenv("HTTP_PROXY", proxy)
            for _ in range(2):
                await client.predictions.async_get(ID)
            await client.files.async_download("http://user:pw@store.example/x", f"{tmp_path}/x")
    assert len(heads) == 3
    assert not [head for head in heads if b"cookie" in head]
    assert b"authorization" not in heads[-1]
