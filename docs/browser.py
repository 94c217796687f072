"""A browser's view of the site: pictures for people to look at, and which pages do not fit their window."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path
from typing import Final

WIDTHS: Final = {"desktop": 1280, "phone": 390}
"""Pixels."""
PICTURED: Final = (
    "index", "errors", "how-it-works", "waiting", "wriftai_anyio", "wriftai_anyio/client", "wriftai_anyio/predictions"
)  # fmt: skip

_HEIGHT: Final = 1600
_LONGEST_RUN: Final = 60.0
_PROBE: Final = """<!doctype html>
<script>
const show = (kind, text) => document.body.append(Object.assign(document.createElement(kind), {textContent: text}));
const look = (page) => {
    const frame = document.createElement("iframe");
    frame.width = WIDTH;
    frame.onload = () => {
        const {scrollWidth, clientWidth} = frame.contentDocument.documentElement;
        show(scrollWidth > clientWidth ? "del" : "ins", page);
    };
    frame.src = page;
    document.body.append(frame);
};
onload = () => PAGES.forEach(look);
</script>
<body>
"""


def find_browser() -> str | None:
    """Finds a Chromium, by the names that systems give it."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


def take_pictures(browser: str, site: Path, folder: Path) -> list[Path]:
    """Takes pictures of some pages, as wide as a desktop's window and as a phone.

    Args:
        browser: The Chromium.
        site: The site's folder.
        folder: Where the pictures go.

    Returns:
        The pictures.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return [
        _picture(browser, site / f"{page}.html", folder / f"{page.replace('/', '.')}-{name}.png", width)
        for page in PICTURED
        for name, width in WIDTHS.items()
    ]


def pages_that_do_not_fit(browser: str, site: Path) -> list[str]:
    """Finds the pages that must be scrolled sideways, on a desktop or on a phone.

    Args:
        browser: The Chromium.
        site: The site's folder.

    Returns:
        A line for each.
    """
    pages = [page.resolve().as_uri() for page in sorted(site.rglob("*.html"))]
    return [f"{page} ({name})" for name, width in WIDTHS.items() for page in _too_wide(browser, pages, width)]


def _picture(browser: str, page: Path, picture: Path, width: int) -> Path:
    _run(browser, page.resolve().as_uri(), f"--window-size={width},{_HEIGHT}", f"--screenshot={picture.resolve()}")
    return picture


def _too_wide(browser: str, pages: Sequence[str], width: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        probe = Path(folder) / "probe.html"
        probe.write_text(_PROBE.replace("WIDTH", str(width)).replace("PAGES", json.dumps(pages)), encoding="utf-8")
        seen = _run(
            browser, probe.as_uri(), "--allow-file-access-from-files", "--virtual-time-budget=20000", "--dump-dom"
        )
    found = re.findall(r"<(ins|del)>(.*?)</", seen)
    if len(found) != len(pages):
        raise RuntimeError(f"The browser showed {len(found)} of {len(pages)} pages.")
    return (unescape(page) for element, page in found if element == "del")


def _run(browser: str, address: str, *options: str) -> str:
    quiet = (
        "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    )  # fmt: skip
    as_root = ("--no-sandbox",) if os.name == "posix" and os.geteuid() == 0 else ()
    with tempfile.TemporaryDirectory() as profile:
        ended = subprocess.run(
            [browser, *quiet, *as_root, f"--user-data-dir={profile}", *options, address],
            capture_output=True,
            encoding="utf-8",
            timeout=_LONGEST_RUN,
            check=True,
        )
    return ended.stdout
