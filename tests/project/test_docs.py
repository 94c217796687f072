"""The documentation: that it is whole, and that its checks find what they are for."""

import re
from pathlib import Path

import pytest

from docs.__main__ import look
from docs.guides import guides
from docs.links import broken_links
from docs.public_names import PACKAGE, public_modules
from docs.site import Site
from tests.support.subprocesses import CHECKOUT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, made without a warning, since warnings are errors."""
    folder = tmp_path_factory.mktemp("site")
    Site(folder).write()
    return folder


def page_of(site: Path, module: str) -> str:
    return (site / f"{module.replace('.', '/')}.html").read_text(encoding="utf-8")


def test_all_links_lead_somewhere(site: Path) -> None:
    assert broken_links(site) == []


def test_every_public_name_is_documented(site: Path) -> None:
    for name, module in public_modules().items():
        anchors = re.findall(r'<section id="([^"]+)"', page_of(site, name))
        assert set(module.obj.__all__) <= set(anchors), name


def test_private_modules_are_shown_neither_as_pages_nor_in_signatures(site: Path) -> None:
    reference = {page for page in (site / PACKAGE).rglob("*.html") if not page.name.endswith(".py.html")}
    assert [page for page in reference if page.name.startswith("_")] == []
    for name in public_modules():
        assert f"{PACKAGE}._" not in page_of(site, name)
        assert "@twin" not in re.sub(r'<div class="pdoc-code.*?</div>', "", page_of(site, name), flags=re.DOTALL)


def test_types_of_json_are_named_and_not_spelled_out(site: Path) -> None:
    assert "ForwardRef" not in "".join(page_of(site, name) for name in public_modules())


def test_every_section_of_the_readme_is_a_page(site: Path) -> None:
    titles = re.findall(r"^## (.*)$", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    front = (site / "index.html").read_text(encoding="utf-8")
    shown = re.findall(r'<a href="([^"]+\.html)">([^<]+)</a>', front)
    assert [title for _, title in shown if title in titles][: len(titles)] == titles
    assert all((site / page).is_file() for page, _ in shown)


def test_names_in_guides_and_docstrings_lead_to_the_reference(site: Path) -> None:
    assert 'href="wriftai_anyio.html#WaitTimeoutError"' in (site / "waiting.html").read_text(encoding="utf-8")
    assert 'href="../wriftai_anyio.html#WaitTimeoutError"' in page_of(site, "wriftai_anyio.predictions")


def test_guides_lead_to_one_another_and_to_files() -> None:
    readme = (
        "# It\n\n[one](#part)\n\n## First\n\n[two](#second) [file](a/b.py)\n\n### Part\n\n## Second\n\n[top](#it)\n"
    )
    front, first, second = guides(readme, lambda path: f"{path}.html")
    assert (front.page, front.text) == ("index.html", "# It\n\n[one](first.html#part)\n\n")
    assert first.text == "# First\n\n[two](second.html) [file](a/b.py.html)\n\n## Part\n\n"
    assert first.headings == {"part": "Part"}
    assert second.text == "# Second\n\n[top](index.html#it)\n"


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("other.html", False),
        ("other.html#there", False),
        ("#here", False),
        ("picture.png", False),
        ("https://example.org/a#b", False),
        ("data:image/png;base64,AAAA", False),
        ("missing.html", True),
        ("other.html#here", True),
        ("#there", True),
        ("", False),
        ("https://nowhere", True),
        ("ftp://example.org", True),
    ],
)
def test_link_check_finds_what_leads_nowhere(link: str, *, is_broken: bool, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(f'<p id="here"><a href="{link}">link</a></p>', encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="there"></p>', encoding="utf-8")
    (tmp_path / "picture.png").touch()
    assert bool(broken_links(tmp_path)) == is_broken


def test_without_a_browser_no_picture_is_taken_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    look(tmp_path, tmp_path / "pictures")
    assert capsys.readouterr().out.startswith("No Chromium was found")
    assert not (tmp_path / "pictures").exists()
