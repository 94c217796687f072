"""`open` and `watch`."""

import os
import signal
import webbrowser
from collections.abc import Callable

import pytest

from tests.support.patience import until
from wriftai_anyio import Client
from wriftai_anyio.sandbox import RateLimits, Sandbox

from .terminal import Ended, Program

Run = Callable[..., Ended]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    addresses: list[str] = []

    def note(address: str) -> bool:
        addresses.append(address)
        return True

    monkeypatch.setattr(webbrowser, "open", note)
    return addresses


def start(sandbox: Sandbox, count: int) -> list[str]:
    with Client(sandbox.access_token, sandbox.base_url) as client:
        return [client.predictions.create({"input": {"seconds": 60}}, "sandbox/sleep")["id"] for _ in range(count)]


class TestOpen:
    def test_page_of_a_model(self, run: Run, opened: list[str], sandbox: Sandbox) -> None:
        ended = run("open", "me/draw:2")
        assert (ended.code, ended.out, opened) == (0, "https://wrift.ai/me/draw\n", ["https://wrift.ai/me/draw"])
        assert sandbox.requests == []

    def test_page_of_a_prediction(self, run: Run, opened: list[str], sandbox: Sandbox) -> None:
        (name,) = start(sandbox, 1)
        assert run("open", name).code == 0
        assert opened == [f"https://wrift.ai/predictions/{name}"]

    @pytest.mark.parametrize("url", ["https://wrift.ai/p/1", "http://[::1]/p"])
    def test_address_of_the_server_is_taken(
        self, run: Run, opened: list[str], monkeypatch: pytest.MonkeyPatch, url: str, sandbox: Sandbox
    ) -> None:
        monkeypatch.setattr("wriftai_anyio.predictions.Predictions.get", lambda *_: {"id": "x", "url": url})
        run("open", "x")
        assert opened == [url]

    @pytest.mark.parametrize(
        "url", [None, 3, "", "file:///etc/passwd", "javascript:alert(1)", "https://x\x1b", "https://a b"]
    )
    def test_other_addresses_are_not_opened(
        self, run: Run, opened: list[str], monkeypatch: pytest.MonkeyPatch, url: object
    ) -> None:
        monkeypatch.setattr("wriftai_anyio.predictions.Predictions.get", lambda *_: {"id": "x", "url": url})
        run("open", "x")
        assert opened == ["https://wrift.ai/predictions/x"]

    def test_pages_of_another_site(self, run: Run, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WRIFTAI_SITE_URL", "https://models.example/")
        assert run("open", "me/draw").code == 0
        assert opened == ["https://models.example/me/draw"]
        monkeypatch.setenv("WRIFTAI_SITE_URL", "file:///etc")
        ended = run("open", "me/draw")
        assert (ended.code, len(opened)) == (2, 1)
        assert "WRIFTAI_SITE_URL must be a web address" in ended.err

    def test_without_a_browser_the_address_is_printed(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(webbrowser, "open", lambda _: False)
        ended = run("open", "me/draw")
        assert (ended.code, ended.out) == (0, "https://wrift.ai/me/draw\n")
        assert "open the address yourself" in ended.err


@pytest.mark.skipif(os.name != "posix", reason="a signal cannot be sent to a single process here")
class TestWatch:
    def test_lines_tell_what_has_changed_until_it_is_left(self) -> None:
        with Sandbox(rate_limits=RateLimits(creates=15, others=300)) as sandbox:
            start(sandbox, 2)
            program = Program(sandbox, "watch", "--interval", "0.5")
            until(lambda: sum(request.method == "GET" for request in sandbox.requests) >= 3)
            program.send(signal.SIGINT)
            ended = program.end()
        assert ended.code == 130
        assert ended.out.startswith("2 running (2 started")
        assert "of 300 other requests left" in ended.out

    def test_network_that_fails_is_told_and_asked_again(self, sandbox: Sandbox) -> None:
        start(sandbox, 1)
        for _ in range(20):
            sandbox.fail_next(500, method="GET")
        program = Program(sandbox, "watch", "--interval", "0.5")
        until(lambda: any(request.method == "GET" for request in sandbox.requests))
        program.send(signal.SIGTERM)
        assert program.end().code == 143
