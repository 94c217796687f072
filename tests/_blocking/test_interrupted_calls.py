"""Ctrl-C at each line that a blocking call runs in the caller's thread: the call ends, and nothing stays behind."""

import itertools
import json
import linecache
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import anyio.from_thread
import httpx
import pytest
from anyio.lowlevel import checkpoint

import wriftai_anyio
from tests.support.clients import ID, Script, answer, client_of, prediction
from tests.support.patience import AT_ONCE, PATIENCE
from wriftai_anyio import Client
from wriftai_anyio._blocking import calls, exits, portal
from wriftai_anyio.predictions import WaitOptions

PACKAGE = str(Path(wriftai_anyio.__file__).parent)
PORTAL = anyio.from_thread.__file__

Trace: TypeAlias = Callable[[FrameType, str, object], Any]


class Interrupt:
    """Raises `KeyboardInterrupt` in this thread before a certain line, counted from 1, of those that may be met.

    Lines of the standard library are left out, and where `with` blocks are entered and left: there, Ctrl-C can leave
    a lock held in any program. So are finalizers, in which Python prints and ignores it.
    """

    def __init__(self, line: int) -> None:
        self.lines_left = line

    def __enter__(self) -> "Interrupt":
        self._before = sys.gettrace()  # a debugger's, or that of coverage
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: object) -> Trace | None:
        file = frame.f_code.co_filename
        if not file.startswith(PACKAGE) and file != PORTAL:
            return None
        if in_a_finalizer(frame):
            return None
        if event == "line" and "with " not in linecache.getline(file, frame.f_lineno):
            self.lines_left -= 1
            if self.lines_left == 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return self._trace


def in_a_finalizer(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_name == "__del__":
            return True
        if frame.f_trace is not None:  # what calls it was looked through when that was called
            return False
        frame = frame.f_back
    return False


def respond(request: httpx.Request) -> httpx.Response:
    if request.method == "GET" and request.url.path.endswith("/predictions"):
        return httpx.Response(200, json={"items": [], "next_cursor": None, "previous_cursor": None})
    if request.url.path.endswith("/stream"):
        event = f"id: 1\nevent: done\ndata: {json.dumps(prediction())}\n\n"
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=event)
    return answer()


def get(client: Client) -> None:
    client.predictions.get(ID)


def wait(client: Client) -> None:
    client.predictions.wait(ID, WaitOptions(0.0, lambda latest: None))


def iterate(client: Client) -> None:
    list(client.predictions.iterate())


def stream(client: Client) -> None:
    with client.predictions.stream(ID) as events:
        assert [each["event"] for each in events] == ["done"]


def batch(client: Client) -> None:
    with client.predictions.batch([{"input": 1}], "o/n") as results:
        for result in results:
            assert result.error is None


@pytest.fixture(params=["asyncio", "uvloop", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def took(function: Callable[[], object]) -> float:
    began = time.monotonic()
    function()
    return time.monotonic() - began


@pytest.fixture
def lost_calls_cost_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a call that is given up for lost cost a minute, in place of a second."""
    monkeypatch.setattr(calls, "LONGEST_GOODBYE", PATIENCE)


@pytest.mark.usefixtures("lost_calls_cost_much")
@pytest.mark.parametrize("call", [get, wait, iterate, stream, batch])
def test_ctrl_c_at_any_line_leaves_nothing_to_wait_for(call: Callable[[Client], None], backend: str) -> None:
    client = client_of(Script(forever=respond), backend=backend)
    call(client)
    for line in itertools.count(1):
        interrupt = Interrupt(line)
        began = time.monotonic()
        with suppress(KeyboardInterrupt), interrupt:
            call(client)
        assert time.monotonic() - began < AT_ONCE, line
        if interrupt.lines_left > 0:
            break
    assert line > 40
    assert took(client.close) < AT_ONCE


@pytest.mark.skipif(os.name != "posix", reason="a signal cannot be sent to a single thread here")
def test_ctrl_c_does_not_wait_for_an_event_loop_that_a_hook_blocks(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "LONGEST_GOODBYE", 0.01)
    main_thread, unblocked = threading.get_ident(), threading.Event()
    interrupts = iter([KeyboardInterrupt])

    def interrupt_and_block(_: object) -> None:
        signal.pthread_kill(main_thread, signal.SIGINT)
        # Python misses a signal that comes just before the thread begins to wait, until the next one.
        while not unblocked.wait(0.1):
            signal.pthread_kill(main_thread, signal.SIGINT)

    def interrupt_once(*_: object) -> None:
        for interrupt in interrupts:
            raise interrupt

    before = signal.signal(signal.SIGINT, interrupt_once)
    client = client_of(Script(forever=respond), backend=backend, on_request=interrupt_and_block)
    try:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.predictions.get(ID)
        assert time.monotonic() - began < AT_ONCE
    finally:
        unblocked.set()
        signal.signal(signal.SIGINT, before)
        client.close()


def test_ctrl_c_while_the_interpreter_exits_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(portal.Portal):
        def stop(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(exits, "_running", {Interrupted("asyncio", checkpoint)})
    # Otherwise calls of daemon threads would be refused in every test after this one.
    monkeypatch.setattr(exits, "_exit_begun", threading.Event())
    exits._stop_all()
