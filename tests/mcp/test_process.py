"""The server as a process of its own: over standard input on both event loops, and over HTTP with its token."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
import mcp
import pytest
from mcp.client.stdio import StdioServerParameters

from tests.support.subprocesses import settings_for
from wriftai_anyio.sandbox import Sandbox

pytestmark = pytest.mark.anyio

PROGRAM = [sys.executable, "-W", "error", "-m", "wriftai_anyio", "mcp"]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


async def statuses_become(sandbox: Sandbox, *statuses: str) -> None:
    with anyio.fail_after(30):
        while tuple(prediction["status"] for prediction in sandbox.predictions) != statuses:
            await anyio.sleep(0.01)


def stdio(sandbox: Sandbox, backend: str) -> StdioServerParameters:
    arguments = [*PROGRAM[1:], "--backend", backend]
    return StdioServerParameters(command=PROGRAM[0], args=arguments, env=settings_for(sandbox))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_over_standard_input_each_status_is_reported_before_the_result(sandbox: Sandbox, backend: str) -> None:
    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    with anyio.fail_after(60):
        async with mcp.Client(stdio(sandbox, backend)) as agent:
            await agent.call_tool("run_model", {"model": "sandbox/echo", "input": 1}, progress_callback=note)
    assert told[0] == "creating"
    assert told[-1] == "succeeded"
    assert len(told) == len(set(told))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_over_standard_input_a_cancelled_call_and_a_closed_client_cancel_their_predictions(
    sandbox: Sandbox, backend: str
) -> None:
    slow = {"model": "sandbox/sleep", "input": {"seconds": 60}}
    with anyio.fail_after(60):
        async with mcp.Client(stdio(sandbox, backend)) as agent, anyio.create_task_group() as tasks:
            result: Any = await agent.call_tool("run_model", {"model": "sandbox/echo", "input": "hello"})
            assert result.structured_content["output"] == "hello"
            with anyio.move_on_after(1):
                await agent.call_tool("run_model", slow)
            await statuses_become(sandbox, "succeeded", "cancelled")
            tasks.start_soon(agent.call_tool, "run_model", slow)
            await statuses_become(sandbox, "succeeded", "cancelled", "started")
            tasks.cancel_scope.cancel()
    await statuses_become(sandbox, "succeeded", "cancelled", "cancelled")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("ending", ["kill", "term"])
async def test_no_process_and_no_prediction_outlives_its_client(sandbox: Sandbox, ending: str) -> None:
    environment = {**os.environ, **settings_for(sandbox)}
    call = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "run_model", "arguments": {"model": "sandbox/sleep", "input": {"seconds": 60}}},
    }
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    with subprocess.Popen(PROGRAM, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:  # noqa: ASYNC220
        assert server.stdin
        for message in (INITIALIZE, initialized, call):
            server.stdin.write(httpx.Request("POST", "http://x", json=message).content + b"\n")
        server.stdin.flush()
        await statuses_become(sandbox, "started")
        if ending == "kill":
            server.stdin.close()  # all that a server sees of a client that was killed
        else:
            server.send_signal(signal.SIGTERM)
        await statuses_become(sandbox, "cancelled")
        assert server.wait(30) == 0


@contextmanager
def http_server(sandbox: Sandbox, **settings: str) -> Iterator[tuple[str, str]]:
    """Serves HTTP in a process of its own; yields its address and token."""
    environment = {**os.environ, **settings_for(sandbox), **settings}
    with subprocess.Popen([*PROGRAM, "--port", "0"], env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        address = server.stderr.readline().strip()
        if "WRIFTAI_MCP_TOKEN" in settings:
            token = settings["WRIFTAI_MCP_TOKEN"]
        else:
            token = server.stderr.readline().strip().removeprefix("Authorization: Bearer ")
        yield address, token
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=15)


@pytest.mark.parametrize("settings", [{}, {"WRIFTAI_MCP_TOKEN": "chosen-token"}], ids=["random", "chosen"])
def test_over_http_every_request_needs_the_token_and_the_right_host(sandbox: Sandbox, settings: dict[str, str]) -> None:
    accept = {"accept": "application/json, text/event-stream"}
    with http_server(sandbox, **settings) as (address, token), httpx.Client(trust_env=False, timeout=10) as http:
        right = {**accept, "authorization": f"Bearer {token}"}
        assert http.post(address, json=INITIALIZE, headers=right).status_code == 200
        for headers in (accept, {**accept, "authorization": "Bearer wrong"}):
            assert http.post(address, json=INITIALIZE, headers=headers).status_code == 401
        assert http.post(address, json=INITIALIZE, headers={**right, "host": "evil.example"}).status_code >= 400
