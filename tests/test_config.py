"""What a client is made with: arguments, environment, and what is refused."""

import datetime as dt
import pickle
import sys
from typing import Any

import anyio
import httpx
import pytest

from tests.support.clients import ID, TOKEN, Script, answer, client_of
from wriftai_anyio import Client
from wriftai_anyio._config import DEFAULT_BASE_URL, DEFAULT_TIMEOUT, Config, default_base_url


class Coroutine:
    async def __call__(self, event: object) -> None:
        """Does nothing, too late."""


def config(**given: Any) -> Config:
    return Client(**given)._api.config


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("WRIFTAI_ACCESS_TOKEN", "WRIFTAI_API_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_the_defaults_are_those_of_the_service() -> None:
    made = config()
    assert (made.access_token, made.base_url, made.headers) == (None, DEFAULT_BASE_URL, {})
    assert (made.max_retries, made.timeout, made.backend) == (2, DEFAULT_TIMEOUT, "asyncio")


def test_the_environment_gives_token_and_base_url(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WRIFTAI_ACCESS_TOKEN", "from-the-environment")
    environment.setenv("WRIFTAI_API_BASE_URL", "http://localhost:1/v1")
    made = config()
    assert (made.access_token, made.base_url) == ("from-the-environment", "http://localhost:1/v1")


def test_arguments_count_before_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WRIFTAI_ACCESS_TOKEN", "from-the-environment")
    environment.setenv("WRIFTAI_API_BASE_URL", "http://localhost:1/v1")
    made = config(access_token="mine", api_base_url="http://localhost:2/v1")
    assert (made.access_token, made.base_url) == ("mine", "http://localhost:2/v1")


def test_an_empty_environment_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("WRIFTAI_ACCESS_TOKEN", "")
    environment.setenv("WRIFTAI_API_BASE_URL", "")
    assert (config().access_token, config().base_url) == (None, DEFAULT_BASE_URL)


@pytest.mark.parametrize(
    ("given", "meant"), [(" ", DEFAULT_BASE_URL), (" http://localhost/v1/\n", "http://localhost/v1")]
)
def test_a_base_url_of_the_environment_needs_no_care_either(
    environment: pytest.MonkeyPatch, given: str, meant: str
) -> None:
    environment.setenv("WRIFTAI_API_BASE_URL", given)
    assert config().base_url == default_base_url() == meant


@pytest.mark.parametrize(
    "url", ["http://localhost/v1/", " http://localhost/v1 ", "http://localhost/v1//", httpx.URL("http://localhost/v1")]
)
def test_a_base_url_needs_no_care_with_slashes_and_blanks(url: Any) -> None:
    assert config(api_base_url=url).base_url == "http://localhost/v1"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("access_token", f"{TOKEN}\n"),
        ("access_token", f"{TOKEN}\r\nX-Evil: 1"),
        ("access_token", f" {TOKEN}"),
        ("access_token", f"Bearer {TOKEN}"),
        ("access_token", f"{TOKEN}\0"),
        ("access_token", f"{TOKEN}ü"),
        ("access_token", TOKEN.encode()),
        ("api_base_url", "localhost:1"),
        ("api_base_url", "ftp://localhost"),
        ("api_base_url", "http://"),
        ("api_base_url", "http://user:password@localhost"),
        ("api_base_url", "http://localhost?x=1"),
        ("api_base_url", "http://localhost#x"),
        ("api_base_url", "http://localhost/v1?"),
        ("api_base_url", "http://localhost/v1#"),
        ("api_base_url", "http://localhost:65536/v1"),
        ("api_base_url", "http://localhost:port"),
        ("api_base_url", "http://local\nhost"),
        ("api_base_url", b"http://localhost"),
        ("headers", {"X": "a\r\nb"}),
        ("headers", {"X\n": "a"}),
        ("headers", {"": "a"}),
        ("headers", {"X": "ü"}),
        ("max_retries", -1),
        ("max_retries", True),
        ("max_retries", "3"),
        ("max_retries", 2.5),
        ("max_retries", None),
        ("max_response_size", 0),
        ("max_response_size", "1"),
        ("timeout", "30"),
        ("timeout", dt.timedelta(seconds=30)),
        ("timeout", 0),
        ("timeout", -1),
        ("timeout", float("nan")),
        ("timeout", float("inf")),
        pytest.param("timeout", 10**5000, id="digits"),
        ("timeout", True),
        ("timeout", (5, 30)),
        ("timeout", {"read": 5}),
        ("timeout", httpx.Timeout(5, read=-1)),
        ("timeout", httpx.Timeout("5")),  # type: ignore[arg-type]
        ("on_request", lambda: None),
        ("on_response", lambda request, response: None),
        ("transport", httpx.HTTPTransport()),
        ("transport", httpx.AsyncHTTPTransport),
        ("transport", "http://proxy"),
        ("headers", {"X": None}),
        ("headers", {"X": b"a"}),
        ("headers", [("X", "a")]),
        ("headers", {1: "a"}),
        ("backend", None),
        ("backend", ["trio"]),
        ("on_request", "print"),
        ("on_request", Coroutine()),
        ("on_response", anyio.sleep),
        ("tracer", object()),
        ("backend", "curio"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name_without_being_shown(argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{argument}") as caught:
        Client(**{argument: value})
    assert TOKEN not in str(caught.value)
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("timeout", "connect", "read"), [(5, 5, 5), (None, None, None), (httpx.Timeout(1, read=9), 1, 9)]
)
def test_a_timeout_is_a_number_none_or_that_of_httpx(timeout: Any, connect: float | None, read: float | None) -> None:
    made = config(timeout=timeout).timeout
    assert (made.connect, made.read) == (connect, read)


@pytest.mark.parametrize("backend", ["trio", "uvloop"])
def test_a_backend_that_is_not_installed_is_refused_with_its_extra(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, backend, None)
    with pytest.raises(ValueError, match=rf"^backend='{backend}' needs {backend}: .*wriftai-anyio\[{backend}\]"):
        Client(backend=backend)


def test_headers_given_are_copied() -> None:
    headers = {"X-Trace": "1"}
    client = Client(headers=headers)
    headers["X-Trace"] = "2"
    assert client._api.config.headers == {"X-Trace": "1"}


def test_no_repr_shows_a_secret() -> None:
    client = Client(TOKEN, headers={"X-Key": f"other-{TOKEN}"})
    for value in (client, client._api, client._api.config, client.predictions, client._api.http, vars(client)):
        assert TOKEN not in repr(value)


def test_a_pickled_client_carries_its_token_and_goes_on_elsewhere() -> None:
    client = Client(TOKEN, "http://localhost:1/v1", {"X-Trace": "1"}, max_retries=7, timeout=3, backend="trio")
    copy = pickle.loads(pickle.dumps(client))
    assert copy._api.config == client._api.config
    assert copy._api.config.access_token == TOKEN


def test_a_pickled_resource_goes_on_elsewhere() -> None:
    get = pickle.loads(pickle.dumps(Client(TOKEN, "http://localhost:1/v1").predictions.get))
    assert get.__self__._api.config.access_token == TOKEN


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_transport_of_ones_own_is_closed_with_the_client(backend: str) -> None:
    class Closing(Script):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    async def main(transport: Closing) -> None:
        async with client_of(transport) as client:
            await client.predictions.async_get(ID)

    transport = Closing(answer())
    anyio.run(main, transport, backend=backend)
    assert transport.closed >= 1


@pytest.mark.parametrize("missing", ["_ssl", "ssl", "_ctypes", "ctypes"])
def test_a_python_that_lacks_what_connections_need_says_so(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=missing.lstrip("_")):
        Client(backend="trio")


@pytest.mark.anyio
async def test_without_a_token_the_public_api_is_not_asked() -> None:
    async with Client() as client:
        with pytest.raises(ValueError, match="WRIFTAI_ACCESS_TOKEN"):
            await client.predictions.async_create({"input": 1}, "o/n")
    script = Script(forever=answer())
    async with Client(transport=script) as client:
        await client.predictions.async_get(ID)
    assert Client(headers={"Authorization": "Bearer t"})._api.config.lacks_token is False
    assert Client(api_base_url="http://localhost:1")._api.config.lacks_token is False
