import subprocess
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import pytest

import wriftai_anyio
from tests.support.distributions import CHECKOUT, check_sdist, check_wheel, version


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The distributions, built by the backend that `pip` and `build` would call in an environment of its own."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True, timeout=60)
    return folder


def test_wheel_holds_the_package_alone_and_its_metadata(folder: Path) -> None:
    (wheel,) = folder.glob("*.whl")
    check_wheel(wheel)


def test_sdist_holds_what_development_needs(folder: Path) -> None:
    (sdist,) = folder.glob("*.tar.gz")
    check_sdist(sdist)


def test_version_is_written_once() -> None:
    assert wriftai_anyio.__version__ == version() == installed_version("wriftai-anyio")
