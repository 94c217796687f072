"""The guides: the README, a page for each of its sections."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

FRONT_PAGE: Final = "index.html"

_SECTION: Final = re.compile(r"^(?=## )", re.MULTILINE)
_HEADING: Final = re.compile(r"^##+ (.+)$", re.MULTILINE)
_LINK: Final = re.compile(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)")


@dataclass(frozen=True)
class Guide:
    """One page.

    Attributes:
        page: The name of its file.
        title: What it is called beside the other pages.
        text: Its Markdown.
        headings: Those below the first, by their anchors.
    """

    page: str
    title: str
    text: str
    headings: dict[str, str]


def anchor(heading: str) -> str:
    """The anchor of a heading, as code hosts and the site spell it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def headings(markdown: str) -> list[str]:
    """The headings below the title, in their order."""
    return _HEADING.findall(markdown)


def guides(readme: str, page_of_file: Callable[[str], str]) -> Iterator[Guide]:
    """Makes the README's sections pages that link to one another. What stands above the first is the front page.

    Args:
        readme: Its Markdown.
        page_of_file: Says which page shows the file at a path in the checkout.
    """
    front, *sections = _SECTION.split(readme)
    pages = {place: page for section in sections for place, page in _places(section)}

    def target(link: re.Match[str]) -> str:
        path, place = link.groups()
        page = page_of_file(path) if path else pages.get(place, FRONT_PAGE)
        return f"]({page}#{place})" if place and page != f"{place}.html" else f"]({page})"

    yield Guide(FRONT_PAGE, "Overview", _LINK.sub(target, front), {})
    for section in sections:
        title, *others = headings(section)
        text = re.sub("^##", "#", section, flags=re.MULTILINE)
        below = {anchor(heading): heading for heading in others}
        yield Guide(f"{anchor(title)}.html", title, _LINK.sub(target, text), below)


def _places(section: str) -> Iterator[tuple[str, str]]:
    """The anchors of a section, and the page on which each is."""
    title, *others = map(anchor, headings(section))
    for place in (title, *others):
        yield place, f"{title}.html"
