"""The check of the site's links. There may be no network, so addresses elsewhere are only looked at."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit


class _Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in {"href", "src"} and not (value or "").startswith("data:"):
                self.links.append(value or "")


def broken_links(folder: Path) -> list[str]:
    """Finds the links that lead nowhere.

    Args:
        folder: The site's.

    Returns:
        A line for each, with its page.
    """
    pages = {page.resolve(): _Page(page.read_text(encoding="utf-8")) for page in sorted(folder.rglob("*.html"))}
    return list(_broken(pages))


def _broken(pages: dict[Path, _Page]) -> Iterator[str]:
    for page, content in pages.items():
        for link in content.links:
            address = urlsplit(link)
            if not (_is_address(address) if address.scheme else _leads_somewhere(address, page, pages)):
                yield f"{page}: {link}"


def _is_address(address: SplitResult) -> bool:
    return address.scheme in {"http", "https"} and "." in (address.hostname or "") and " " not in address.geturl()


def _leads_somewhere(address: SplitResult, page: Path, pages: dict[Path, _Page]) -> bool:
    target = (page.parent / unquote(address.path)).resolve() if address.path else page
    if target not in pages:
        return not address.fragment and target.is_file()
    return not address.fragment or unquote(address.fragment) in pages[target].anchors
