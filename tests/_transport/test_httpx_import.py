"""httpx is imported without its command line, and is to everybody else what it was. Each in a process of its own."""

from pathlib import Path

import pytest

from tests.support.subprocesses import run_python

_LOADED = "sorted({'click', 'pygments', 'rich', 'httpx._main'} & set(sys.modules))"


def test_importing_the_client_does_not_import_the_command_line_of_httpx() -> None:
    program = f"import sys; from wriftai_anyio import Client; Client('t'); print({_LOADED})"
    assert run_python(["-c", program]) == "[]\n"


def test_the_command_line_is_there_for_those_who_ask_for_it() -> None:
    program = (
        "from wriftai_anyio import Client; import httpx, sys; main = httpx.main; "
        "assert main is httpx._main.main is sys.modules['httpx._main'].main is httpx.main, main; "
        "assert not hasattr(httpx, 'anything_else'); "
        "from click.testing import CliRunner; print(CliRunner().invoke(main, ['--help']).output)"
    )
    assert "<URL>" in run_python(["-c", program])


def test_the_module_of_the_command_line_can_be_imported_directly() -> None:
    program = "from wriftai_anyio import Client; import httpx._main; print(httpx._main.main is httpx.main)"
    assert run_python(["-c", program]) == "True\n"


def test_httpx_is_left_alone_where_it_was_imported_before() -> None:
    program = (
        "import httpx; before = dict(vars(httpx)); from wriftai_anyio import Client; "
        "print(vars(httpx) == before, 'main' in before)"
    )
    assert run_python(["-c", program]) == "True True\n"


@pytest.mark.parametrize("name", ["click", "rich"])
def test_where_the_command_line_is_not_installed_httpx_says_so_itself(name: str) -> None:
    program = (
        f"import sys; sys.modules[{name!r}] = None; from wriftai_anyio import Client; import httpx; "
        "print(httpx.main.__module__, 'httpx._main' in sys.modules)"
    )
    assert run_python(["-c", program]) == "httpx False\n"


def test_threads_that_import_httpx_at_the_same_time_find_it_whole() -> None:
    program = """
import importlib, sys, threading
start, seen = threading.Barrier(8), []
def look(name):
    start.wait(60)
    importlib.import_module(name)
    httpx = importlib.import_module("httpx")
    if name == "wriftai_anyio":
        from wriftai_anyio import Client
    seen.append(callable(httpx.main) and httpx.Client is not None)
names = ("wriftai_anyio", "httpx", "httpx", "rich") * 2
threads = [threading.Thread(target=look, args=(name,)) for name in names]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(60)
import httpx
print(len(seen), all(seen), httpx.main is httpx._main.main)
"""
    assert run_python(["-c", program]) == "8 True True\n"


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("client = 1", "False False"),
        ("from ._main import main, version", "True 2"),
        ("from ._main import main\ndef __getattr__(name):\n    return name", "True version"),
    ],
    ids=["without a command line", "with more of it", "with a __getattr__"],
)
def test_another_version_of_httpx_may_be_built_otherwise(tmp_path: Path, source: str, shown: str) -> None:
    (tmp_path / "httpx").mkdir()
    (tmp_path / "httpx" / "__init__.py").write_text(source, encoding="utf-8")
    (tmp_path / "httpx" / "_main.py").write_text("def main():\n    return 1\nversion = 2", encoding="utf-8")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "from wriftai_anyio._transport.httpx_import import import_httpx; import_httpx(); import httpx; "
        "print(hasattr(httpx, 'main') and httpx.main() == 1, getattr(httpx, 'version', False))"
    )
    assert run_python(["-c", program]) == f"{shown}\n"


def test_a_failed_import_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "httpx.py").write_text("raise ImportError('broken')", encoding="utf-8")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from wriftai_anyio._transport.httpx_import import import_httpx\n"
        "try:\n    import_httpx()\nexcept ImportError as error:\n    print(error, 'httpx._main' in sys.modules)"
    )
    assert run_python(["-c", program]) == "broken False\n"
