"""Development tasks: `nox -l` lists them, `nox -s NAME` runs one."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "tests"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


def installed_interpreters() -> dict[str, str]:
    """Finds an interpreter that works for each installed version: a pyenv shim on the PATH may not work."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = {own: sys.executable} if own in VERSIONS else {}
    for version in VERSIONS:
        for candidate in candidates(version):
            if version not in found and is_version(candidate, version):
                found[version] = candidate
    return dict(sorted(found.items(), key=lambda item: VERSIONS.index(item[0])))


def candidates(version: str) -> Iterator[str]:
    name = f"python{version}"
    on_path = shutil.which(name)
    if on_path:
        yield on_path
    for pyenv in (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/{name}"):
        yield str(pyenv)


def is_version(interpreter: str, version: str) -> bool:
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])), sys.implementation.name)"
    answer = subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    return answer.stdout.split() == [version, "cpython"]


def install(session: nox.Session, *groups: str) -> None:
    session.install("-e", ".[trio,sandbox]", *nox.project.dependency_groups(PYPROJECT, *groups))


def try_out(session: nox.Session, sdist: Path, wheel: Path) -> None:
    """Runs the demo and the command line as users do: outside the checkout, from the wheel."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(sdist, folder, filter="data")
        session.run("python", "-m", "venv", f"{folder}/venv")
        programs = f"{folder}/venv/{'Scripts' if sys.platform == 'win32' else 'bin'}"
        with session.chdir(folder):
            shutil.move(next(Path().glob("*/examples")), "examples")
            session.run(f"{programs}/python", "-m", "pip", "install", "-q", f"{wheel}[trio,sandbox,cli]", external=True)
            session.run(f"{programs}/python", "examples/demo.py", external=True)
            session.run(f"{programs}/wriftai-anyio", "--version", external=True)


def lowest_versions() -> list[str]:
    """Returns the lowest version of each dependency that this package allows, as requirements."""
    project = PYPROJECT["project"]
    allowed = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    bounds = (re.match(r"([\w.-]+)(?:\[[\w,-]+\])?>=([\w.]+)", requirement) for requirement in allowed)
    return sorted({f"{bound[1]}=={bound[2]}" for bound in bounds if bound})


def audit(session: nox.Session) -> None:
    """Checks the installed packages, and the lowest allowed versions, for known vulnerabilities."""
    lowest = Path(session.create_tmp()) / "lowest.txt"
    lowest.write_text("\n".join(lowest_versions()))
    for what in (("--skip-editable",), ("--requirement", str(lowest), "--no-deps", "--disable-pip")):
        audit_of(session, *what)


def audit_of(session: nox.Session, *what: str) -> None:
    """Fails if packages have known vulnerabilities; if the vulnerability service is unavailable, it only says so."""
    report = Path(session.create_tmp()) / "vulnerabilities.json"
    report.unlink(missing_ok=True)
    # The exit code is 1 in both cases, but only an audit that took place leaves a report.
    arguments = (*what, "--progress-spinner=off", "--format=json", f"--output={report}")
    session.run("pip-audit", *arguments, silent=True, success_codes=[0, 1])
    packages = json.loads(report.read_text())["dependencies"] if report.exists() else []
    # A registry without that service reports every package as unknown.
    unknown = [package["name"] for package in packages if "vulns" not in package]
    if len(unknown) == len(packages):
        session.warn(f"pip-audit {what[0]}: nothing was looked for, since no service that knows can be reached.")
    elif unknown:
        session.warn(f"pip-audit {what[0]}: not looked for: {', '.join(unknown)}")
    found = [package for package in packages if package.get("vulns")]
    if found:
        session.error(json.dumps(found, indent=2))


@nox.session
def demo(session: nox.Session) -> None:
    """Run the same job from a plain script, trio and asyncio, against a sandbox."""
    install(session)
    session.run("python", "examples/demo.py")


@nox.session
@nox.parametrize("python", [nox.param(path, id=version) for version, path in installed_interpreters().items()])
def tests(session: nox.Session) -> None:
    """Run the tests on every installed CPython from 3.10 to 3.14."""
    install(session, "test")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check ruff's rules and format, the imports between modules, and known vulnerabilities."""
    install(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")
    audit(session)


@nox.session
def types(session: nox.Session) -> None:
    """Run mypy and basedpyright, both strict, and check that every public name has a type."""
    install(session, "dev")
    session.run("mypy")
    session.run("basedpyright")
    session.run("basedpyright", "--verifytypes", "wriftai_anyio", "--ignoreexternal")
    session.run("python", "-m", "pytest", "tests/project/test_typing.py")


@nox.session(python=False)
def twins(session: nox.Session) -> None:
    """Write the blocking twins of the coroutine methods."""
    session.run("python", "-m", "tests.support.twins", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Compare with the published client and plain httpx: writes a table, `build/bench.json`, and charts."""
    install(session, "bench")
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Run simulated worlds: `-- --seeds 0-9999`, `-- --seed 7 --shrink --backend trio`, or `-- --mutants`."""
    install(session, "test")
    session.run("python", "-m", "tests.simulation", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Run 100,000 examples of each fuzzer (hours), or as many as `FUZZ_EXAMPLES` says. Not in CI."""
    install(session, "test")
    session.env.setdefault("FUZZ_EXAMPLES", os.environ.get("FUZZ_EXAMPLES", "100000"))
    session.run("python", "-m", "pytest", "-m", "fuzz", "--dist=worksteal", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """Run with real time, real HTTP and faults: 20 minutes, or `-- --minutes 2 --backend trio`. Not in CI."""
    install(session, "test")
    session.run("python", "-m", "tests.simulation.soak", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Mutate the most important modules, or some: `-- --sample 60 retries _polling/wait`. Not in CI."""
    install(session, "test", "mutants")
    session.run("python", "-m", "tests.support.mutation", *session.posargs)


@nox.session(python=list(installed_interpreters().values())[-1])
def docs(session: nox.Session) -> None:
    """Build the documentation site. Any warning fails it, such as one for a broken link."""
    install(session, "docs")
    session.run("python", "-m", "sphinx", "-W", "-b", "html", *session.posargs, "docs", "site")


@nox.session
def build(session: nox.Session) -> None:
    """Build an sdist and a wheel, check them, and run the demo from them in a separate environment."""
    session.install(*nox.project.dependency_groups(PYPROJECT, "build"))
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build")
    (sdist,), (wheel,) = (list(Path("dist").resolve().glob(pattern)) for pattern in ("*.tar.gz", "*.whl"))
    session.run("twine", "check", "--strict", str(sdist), str(wheel))
    session.run("python", "-m", "tests.support.distributions", "dist")
    try_out(session, sdist, wheel)
