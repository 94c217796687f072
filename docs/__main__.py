"""Makes the site and checks it: `python -m docs FOLDER`. A warning ends it, as does a link that leads nowhere."""

import argparse
import shutil
import sys
import warnings
from pathlib import Path

from .browser import find_browser, pages_that_do_not_fit, take_pictures
from .links import broken_links
from .site import Site


def main() -> None:
    parser = argparse.ArgumentParser("python -m docs", description="Makes the documentation, and checks it.")
    parser.add_argument("folder", type=Path, help="where the site goes; what is there is removed")
    parser.add_argument("--pictures", type=Path, help="where pictures of some pages go, if there is a Chromium")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    warnings.simplefilter("error")
    Site(arguments.folder).write()
    complain("Links that lead nowhere:", broken_links(arguments.folder))
    print(f"The site: {arguments.folder / 'index.html'}")
    if arguments.pictures:
        look(arguments.folder, arguments.pictures)


def look(site: Path, pictures: Path) -> None:
    browser = find_browser()
    if browser is None:
        print("No Chromium was found: no picture was taken, and no page's width was checked.")
        return
    for picture in take_pictures(browser, site, pictures):
        print(f"A picture: {picture}")
    complain("Pages that do not fit the window:", pages_that_do_not_fit(browser, site))


def complain(about: str, lines: list[str]) -> None:
    if lines:
        sys.exit("\n".join([about, *lines]))


if __name__ == "__main__":
    main()
