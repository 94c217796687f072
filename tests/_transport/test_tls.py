"""Authorities that the environment names and that cannot be read, and connections whose TLS breaks."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import pytest
from anyio import BrokenResourceError, EndOfStream, create_task_group, create_tcp_listener, fail_after
from anyio.abc import SocketAttribute, SocketStream

from tests.support.clients import ID
from tests.support.patience import PATIENCE
from tests.support.tls import CERTIFICATE, secured
from wriftai_anyio import APIConnectionError, Client, CreateOutcomeUnknown, NetworkSettingsError
from wriftai_anyio._transport.failures import SettingsFault
from wriftai_anyio._transport.tls import VARIABLES, certificates


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"SSL_CERT_FILE": "/nowhere/a.pem"}, "SSL_CERT_FILE, which names '/nowhere/a.pem'"),
        ({"SSL_CERT_FILE": "/nowhere/a.pem", "SSL_CERT_DIR": "/"}, "SSL_CERT_FILE"),
        ({"SSL_CERT_FILE": __file__}, f"SSL_CERT_FILE, which names '{__file__}'"),
        ({"SSL_CERT_DIR": "/nowhere/certs"}, "SSL_CERT_DIR names '/nowhere/certs'"),
        ({"SSLKEYLOGFILE": "/nowhere/keys"}, "SSLKEYLOGFILE, which names '/nowhere/keys'"),
    ],
)
def test_the_variable_and_its_value_are_named(
    environment: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        environment.setenv(name, value)
    with pytest.raises(SettingsFault) as caught:
        certificates()
    assert said in str(caught.value)


def test_a_folder_of_authorities_is_taken(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "0123abcd.0").write_bytes(b"found by its hash, and read by OpenSSL when it is needed")
    environment.setenv("SSL_CERT_DIR", f"/nowhere:{tmp_path}")
    assert certificates().cert_store_stats()["x509"] == 0


@pytest.mark.parametrize("name", [None, "company.pem"])
def test_a_folder_in_which_openssl_finds_nothing_is_refused(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str | None
) -> None:
    if name is not None:
        (tmp_path / name).touch()
    environment.setenv("SSL_CERT_DIR", str(tmp_path))
    with pytest.raises(SettingsFault, match=r"^SSL_CERT_DIR names .*'openssl rehash'"):
        certificates()


@pytest.mark.anyio
async def test_a_call_over_https_says_it_and_sends_nothing(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SSL_CERT_FILE", "/nowhere/a.pem")
    with fail_after(PATIENCE):
        async with Client("t", "https://127.0.0.1:9/v1") as client:
            for _ in range(2):
                with pytest.raises(NetworkSettingsError, match=r"SSL_CERT_FILE.*The server did nothing") as caught:
                    await client.predictions.async_get(ID)
    assert not caught.value.request_sent


BEGINNING: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\n{"
NO_RECORD: Final = b"\x17\x03\x03\x00\x30" + bytes(48)
"""It has the form of one, and cannot be decrypted."""
CALLS: Final[dict[str, Callable[[Client], Awaitable[object]]]] = {
    "get": lambda client: client.predictions.async_get(ID),
    "create": lambda client: client.predictions.async_create({"input": 1}, "o/n"),
    "create_stream": lambda client: anext(client.predictions.async_create_stream({"input": 1}, "o/n")),
    "download": lambda client: client.files.async_download(f"{client.api_base_url}/file", "file"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("sent", [b"", BEGINNING], ids=["at once", "in the body"])
@pytest.mark.parametrize("call", CALLS)
async def test_a_connection_whose_tls_breaks_is_one_that_breaks(
    environment: pytest.MonkeyPatch, tmp_path: Path, call: str, sent: bytes
) -> None:
    async def break_off(connection: SocketStream) -> None:
        async with connection:
            tls = await secured(connection)
            await tls.receive()
            if sent:
                await tls.send(sent)
            with suppress(EndOfStream, BrokenResourceError):
                await connection.send(NO_RECORD)
                while True:
                    await connection.receive()

    environment.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    environment.chdir(tmp_path)
    expected = CreateOutcomeUnknown if call.startswith("create") else APIConnectionError
    async with await create_tcp_listener(local_host="127.0.0.1") as listener, create_task_group() as tasks:
        tasks.start_soon(listener.serve, break_off)
        url = f"https://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        async with Client("t", url, max_retries=0) as client:
            with fail_after(PATIENCE), pytest.raises(expected, match=r"(?i)record"):
                await CALLS[call](client)
        tasks.cancel_scope.cancel()


UNFRAMED: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nthe beginning"
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nd\r\nthe beginning\r\n0\r\n\r\n"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "confirmed", "whole"),
    [(UNFRAMED, False, False), (UNFRAMED, True, True), (CHUNKED, False, True)],
    ids=["cut off", "ended", "of a stated length"],
)
async def test_a_file_is_whole_only_where_its_length_or_tls_confirms_its_end(
    environment: pytest.MonkeyPatch, tmp_path: Path, answer: bytes, confirmed: bool, whole: bool
) -> None:
    environment.setenv("SSL_CERT_FILE", str(CERTIFICATE))

    async def serve(connection: SocketStream) -> None:
        async with connection:
            tls = await secured(connection)
            await tls.receive()
            await tls.send(answer)
            if confirmed:
                with suppress(EndOfStream, BrokenResourceError):
                    await tls.unwrap()

    async with await create_tcp_listener(local_host="127.0.0.1") as listener, create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        url = f"https://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        async with Client("t", url, max_retries=0) as client:
            with fail_after(PATIENCE):
                if whole:
                    path = await client.files.async_download(f"{url}/file", tmp_path / "file")
                    assert path.read_bytes() == b"the beginning"
                else:
                    with pytest.raises(APIConnectionError, match="the connection ended"):
                        await client.files.async_download(f"{url}/file", tmp_path / "file")
                    assert not await anyio.Path(tmp_path / "file").exists()
        tasks.cancel_scope.cancel()
