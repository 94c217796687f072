"""Authorities that the environment names and that cannot be read."""

from pathlib import Path

import pytest
from anyio import fail_after

from tests.support.clients import ID
from tests.support.patience import PATIENCE
from wriftai_anyio import Client, NetworkSettingsError
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
