"""The page in a real browser: only where there is a Chromium, and never in CI."""

import os
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.patience import PATIENCE
from wriftai_anyio.sandbox import Sandbox

CHROMIUM = shutil.which("chromium")
# It must not call home: a machine without a network has it wait.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
SCRIPT = "<img src=x onerror=alert(1)>"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or "CI" in os.environ, reason="needs Debian's chromium, and is not run in CI"
)


@pytest.fixture
def tab() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, which no group installs")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        tab = browser.new_page()
        tab.set_default_timeout(PATIENCE * 1000)
        yield tab
        browser.close()


def test_a_person_signs_in_watches_and_interferes(sandbox: Sandbox, http: httpx.Client, tab: Any) -> None:
    release = threading.Event()
    sandbox.models["me/blocked"] = lambda _given: release.wait(PATIENCE)
    complaints: list[str] = []
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("dialog", lambda dialog: complaints.append(dialog.message))
    tab.goto(sandbox.page_url.partition("#")[0])
    tab.fill("#token", "wrong")
    tab.click("#sign-in button")
    tab.wait_for_selector("#notice:has-text('not the token')")
    tab.fill("#token", sandbox.access_token)
    tab.click("#sign-in button")
    tab.wait_for_selector("#no-predictions:visible")
    http.post("/predictions", json={"model": "me/blocked", "input": SCRIPT})
    tab.wait_for_selector("#predictions .value")
    assert tab.text_content("#predictions .value") == SCRIPT
    tab.click("#predictions button:has-text('fail')")
    tab.wait_for_selector("#predictions td.bad")
    assert [prediction["status"] for prediction in sandbox.predictions] == ["failed"]
    tab.select_option("#kinds", "503")
    tab.click("#fault button")
    tab.wait_for_selector("#planned:has-text('503')")
    assert [http.get("/predictions").status_code for _ in range(2)] == [503, 200]
    release.set()
    assert complaints == []
