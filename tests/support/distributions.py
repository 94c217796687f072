"""What a wheel and an sdist hold. `python -m tests.support.distributions FOLDER` checks the ones in a folder."""

import re
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_string
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PACKAGE = "wriftai_anyio"
FOR_DEVELOPERS = ("tests", "examples", "docs", ".ci")
SINGLE_FILES = ("pyproject.toml", "noxfile.py", "README.md", "CHANGELOG.md", "LICENSE", ".ci/run")


def files_below(folder: str) -> set[str]:
    found = (path.relative_to(CHECKOUT) for path in (CHECKOUT / folder).rglob("*") if path.is_file())
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def version() -> str:
    stated = re.search('__version__ = "(.+)"', (CHECKOUT / PACKAGE / "_version.py").read_text(encoding="utf-8"))
    assert stated
    return stated[1]


def check_wheel(path: Path) -> None:
    """Checks that a wheel holds the package, all of it and nothing else, and what installers need to know."""
    with zipfile.ZipFile(path) as wheel:
        files = {name: wheel.read(name).decode() for name in wheel.namelist()}
    information = f"{PACKAGE}-{version()}.dist-info"
    modules = {name for name in files if not name.startswith(information)}
    assert modules == files_below(PACKAGE)
    assert f"{PACKAGE}/py.typed" in modules
    assert f"{information}/licenses/LICENSE" in files
    check_metadata(files[f"{information}/METADATA"])
    check_entry_points(files.get(f"{information}/entry_points.txt", ""), modules)


def check_metadata(text: str) -> None:
    """Checks what an index shows of the package."""
    metadata = message_from_string(text)
    assert metadata["Version"] == version()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Description-Content-Type"] == "text/markdown"
    for link in metadata.get_all("Project-URL", []):
        assert re.fullmatch(r"[\w ]+, https://\S+", link), link
    description = str(metadata.get_payload())
    assert description.count("\n## ") > 4
    assert re.findall(r"\]\((?!https?://|#)[^)]*\)", description) == [], "links to files, which an index does not have"


def check_entry_points(text: str, modules: set[str]) -> None:
    parser = ConfigParser()
    parser.read_string(text)
    for group in parser.sections():
        for target in parser[group].values():
            module = target.partition(":")[0].replace(".", "/")
            assert {f"{module}.py", f"{module}/__init__.py"} & modules, target


def check_sdist(path: Path) -> None:
    """Checks that an sdist holds all that development needs, and nothing that was made on the way."""
    with tarfile.open(path) as sdist:
        files = {name.partition("/")[2] for name in sdist.getnames()}
    wanted = set(SINGLE_FILES).union(*map(files_below, [PACKAGE, *FOR_DEVELOPERS]))
    assert files - wanted == {"PKG-INFO", ".gitignore"}
    assert wanted - files == set()


if __name__ == "__main__":
    (sdist_path,) = Path(sys.argv[1]).glob("*.tar.gz")
    (wheel_path,) = Path(sys.argv[1]).glob("*.whl")
    check_sdist(sdist_path)
    check_wheel(wheel_path)
