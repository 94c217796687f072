"""Time, chance and threads come from one place."""

import ast
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread, current_thread

import pytest

import wriftai_anyio
from tests.support.patience import PATIENCE
from wriftai_anyio import Client
from wriftai_anyio._concurrency import system

PACKAGE = Path(wriftai_anyio.__file__).parent
OF_PEOPLE_AND_SERVERS = ("sandbox", "cli", "_progress", "tracing.py", "_concurrency/system.py")
"""What shows people the time, or is a server of its own."""
TAKEN = {("time", "time"), ("time", "monotonic"), ("random", "uniform"), ("random", "random"), ("datetime", "now")}


def sources() -> list[Path]:
    return [
        path
        for path in PACKAGE.rglob("*.py")
        if not path.relative_to(PACKAGE).as_posix().startswith(OF_PEOPLE_AND_SERVERS)
    ]


def taken(path: Path) -> Iterator[tuple[str | None, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield node.value.id, node.attr
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.module, alias.name) for alias in node.names)


def test_no_module_takes_them_from_elsewhere() -> None:
    assert {str(path): both for path in sources() if (both := TAKEN.intersection(taken(path)))} == {}


def test_a_serial_thread_calls_in_order_and_ends() -> None:
    called: list[int] = []
    thread = system.SerialThread("wriftai_anyio serial")
    thread.start()
    for number in range(100):
        thread.call(lambda number=number: called.append(number))  # type: ignore[misc]
    thread.end()
    thread.join(PATIENCE)
    assert called == list(range(100))


def test_a_thread_that_cannot_be_started_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Thread) -> None:
        raise RuntimeError(system.NO_THREAD)

    monkeypatch.setattr(Thread, "start", fail)
    with pytest.raises(RuntimeError, match=r"could not be started \(can't start new thread\): the limit"):
        system.SerialThread("wriftai_anyio serial").start()
    with Client("t", "http://127.0.0.1:9") as client, pytest.raises(RuntimeError, match=r"limit .* Nothing was sent"):
        client.predictions.list()


def test_a_serial_thread_forgets_what_is_not_begun() -> None:
    called: list[str] = []
    begun, go_on = Event(), Event()
    thread = system.SerialThread("wriftai_anyio serial")

    def first() -> None:
        called.append(current_thread().name)
        begun.set()
        go_on.wait(PATIENCE)

    thread.start()
    thread.call(first)
    thread.call(lambda: called.append("second"))
    assert begun.wait(PATIENCE)
    thread.forget()
    thread.end()
    go_on.set()
    thread.join(PATIENCE)
    assert called == ["wriftai_anyio serial"]
