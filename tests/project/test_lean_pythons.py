"""Pythons that were built without some modules: what does not need them works, and what does says so."""

import pytest

from tests.support.subprocesses import run_python, settings_for
from wriftai_anyio.sandbox import Sandbox

MISSING = (
    *("resource", "readline", "_sqlite3", "termios", "_bz2", "_lzma", "_curses", "pwd", "grp", "mmap", "_uuid"),
    *("syslog", "_tkinter", "_dbm", "_gdbm", "_posixshmem", "_decimal", "_ctypes_test"),
)

PROGRAM = """
import importlib, pathlib, pkgutil, sys, tempfile

backend, *missing = sys.argv[1:]
sys.modules.update(dict.fromkeys(missing))

import wriftai_anyio

for module in pkgutil.iter_modules(wriftai_anyio.__path__):
    # The SDK of MCP, an extra, needs more.
    if not module.name.startswith("_") and module.name not in {"mcp", "pytest_plugin"}:
        importlib.import_module(f"wriftai_anyio.{module.name}")

with wriftai_anyio.Client(backend=backend) as client, tempfile.TemporaryDirectory() as folder:
    print(client.predictions.create({"input": 1}, "sandbox/echo", wait=True)["status"])
    uploaded = client.files.upload(wriftai_anyio.File(b"abc"))
    print(client.files.download(uploaded["download_url"], pathlib.Path(folder)).read_bytes())
    with client.predictions.batch([{"input": 1}], "sandbox/echo") as batch:
        print(len(list(batch)))
    try:
        with client.predictions.batch([{"input": 1}], "sandbox/echo", journal=pathlib.Path(folder, "j")) as batch:
            print(len(list(batch)), "with a journal")
    except wriftai_anyio.BatchJournalError as error:
        print(str(error).partition(" (")[0])
"""
DONE = "succeeded\nb'abc'\n1\n"


def run(sandbox: Sandbox, *arguments: str, stderr: str = "") -> str:
    return run_python(["-c", PROGRAM, *arguments], settings_for(sandbox), stderr=stderr)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_without_what_is_optional_all_but_journals_works(sandbox: Sandbox, backend: str) -> None:
    expected = f"{DONE}A journal needs the module sqlite3, which this Python lacks\n"
    assert run(sandbox, backend, *MISSING) == expected


def test_without_ctypes_asyncio_works(sandbox: Sandbox) -> None:
    assert run(sandbox, "asyncio", "ctypes", "_ctypes") == f"{DONE}1 with a journal\n"


@pytest.mark.parametrize(
    ("backend", "missing", "said"),
    [
        ("trio", "ctypes", "This Python lacks its module 'ctypes', which trio needs: use another backend or Python."),
        ("asyncio", "_ssl", "This Python lacks its module 'ssl', which every connection needs: use another Python."),
    ],
)
def test_without_what_is_needed_there_is_one_clear_error(backend: str, missing: str, said: str) -> None:
    program = f"""
import sys

sys.modules[{missing!r}] = None
import wriftai_anyio
try:
    wriftai_anyio.Client("t", "http://localhost:1", backend={backend!r})
except ImportError as error:
    print(error)
"""
    assert run_python(["-c", program]) == f"{said}\n"
