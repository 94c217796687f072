"""The server as a process of its own, on both event loops, over standard input and over HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema
import pytest

from tests.support.agents import LONGEST_END, PROGRAM, Connection, environment, over_http, over_stdio
from tests.support.patience import PATIENCE
from wriftai_anyio.sandbox import RateLimits, Sandbox

pytestmark = pytest.mark.anyio

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
SLOW = {"model": "sandbox/sleep", "input": {"seconds": 60}}
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "run_model", "arguments": SLOW}}

CLIENT = """
import subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def relay():
    for line in server.stdout:
        sys.stdout.buffer.write(line)
        sys.stdout.flush()
threading.Thread(target=relay, daemon=True).start()
print(server.pid, flush=True)
for line in sys.stdin.buffer:
    server.stdin.write(line)
    server.stdin.flush()
"""


@dataclass(frozen=True)
class Way:
    """How an agent reaches a server, and the event loop that the server runs on."""

    transport: str
    backend: str

    @property
    def of_client(self) -> str:
        """The client's event loop: on trio, the SDK's HTTP client leaves generators that trio warns of."""
        return self.backend if self.transport == "stdio" else "asyncio"


WAYS = [Way(transport, backend) for transport in ("stdio", "http") for backend in ("asyncio", "trio")]


@pytest.fixture(scope="module", params=WAYS, ids=[f"{way.transport}-{way.backend}" for way in WAYS])
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    if chosen == Way("http", "trio"):
        pytest.importorskip("hypercorn")
    return chosen


@pytest.fixture(scope="module")
def anyio_backend(way: Way) -> str:
    return way.of_client


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agent")
    (path / "inside").mkdir()
    (path / "secret.txt").write_text("secret")
    (path / "inside" / "link").symlink_to(path / "secret.txt")
    (path / "inside" / "in.txt").write_text("content")
    return path / "inside"


@pytest.fixture(scope="module")
async def connection(running_sandbox: Sandbox, way: Way, folder: Path) -> AsyncIterator[Connection]:
    """Connects one agent to one server, which all tests of a way share."""
    running_sandbox.reset()
    limits = ["--folder", str(folder), "--allow", "sandbox/*", "--allow", "no/*", "--model", "sandbox/word-count"]
    options = [*limits, "--backend", way.backend]
    if way.transport == "stdio":
        connected = over_stdio(running_sandbox, *options)
    else:
        connected = over_http(running_sandbox, *options, token="chosen" if way.backend == "trio" else None)
    async with connected as connection:
        yield connection


async def statuses_become(sandbox: Sandbox, *statuses: str) -> None:
    with anyio.fail_after(PATIENCE):
        while tuple(prediction["status"] for prediction in sandbox.predictions) != statuses:
            await anyio.sleep(0.01)


async def test_every_tool_returns_what_its_schema_says(sandbox: Sandbox, connection: Connection, folder: Path) -> None:
    with anyio.fail_after(PATIENCE):
        tools = {tool.name: tool for tool in (await connection.agent.list_tools()).tools}
        used: set[str] = set()

        async def call(tool: str, **arguments: Any) -> Mapping[str, Any]:
            result: Any = await connection.agent.call_tool(tool, arguments)
            assert not result.is_error
            jsonschema.validate(result.structured_content, tools[tool].output_schema or False)
            used.add(tool)
            found: Mapping[str, Any] = result.structured_content
            return found

        found = await call("search_models", query="word-count")
        assert found["models"][0]["model"] == "sandbox/word-count"
        assert (await call("describe_model", model="sandbox/word-count"))["input_fields"][0]["name"] == "text"
        assert (await call("sandbox_word-count", text="a b a"))["output"] == {"a": 2, "b": 1}
        address = (await call("upload_file", path="in.txt"))["url"]
        ended = await call("run_model", model="sandbox/echo", input={"file": address})
        saved = await call("save_output", prediction_id=ended["prediction_id"], subfolder="results")
        assert await anyio.Path(saved["output"]["file"]).read_text() == "content"
        started = await call("start_prediction", **SLOW)
        named = {"prediction_id": started["prediction_id"]}
        listed = await call("list_predictions", limit=1)
        assert listed["predictions"][0]["prediction_id"] == named["prediction_id"]
        await call("cancel_prediction", **named)
        await statuses_become(sandbox, "succeeded", "succeeded", "cancelled")
        assert (await call("get_prediction", **named))["status"] == "cancelled"
    assert used == tools.keys()


async def test_each_status_is_told_before_the_result(sandbox: Sandbox, connection: Connection) -> None:
    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    with anyio.fail_after(PATIENCE):
        await connection.agent.call_tool("run_model", {"model": "sandbox/echo", "input": 1}, progress_callback=note)
    assert told[0] == "creating"
    assert told[-1] == "succeeded"
    assert len(told) == len(set(told))
    assert len(sandbox.predictions) == 1


async def test_cancelled_call_cancels_its_prediction_within_a_second(sandbox: Sandbox, connection: Connection) -> None:
    fastest = float("inf")
    for number in range(3):  # more than once, since the machine may be busy
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.agent.call_tool, "run_model", SLOW)
            await statuses_become(sandbox, *["cancelled"] * number, "started")
            tasks.cancel_scope.cancel()
        left = time.monotonic()
        await statuses_become(sandbox, *["cancelled"] * (number + 1))
        fastest = min(fastest, time.monotonic() - left)
        if fastest < 1:
            break
    assert fastest < 1


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("nonsense", {}, "There is no tool 'nonsense'."),
        ("run_model", {"input": 1}, "'model' is a required property"),
        ("run_model", {"model": 5, "input": 1}, "model: 5 is not of type 'string'"),
        ("run_model", {"model": "not a model", "input": 1}, "model"),
        ("run_model", {"model": "no/such-model", "input": 1}, "not"),
        ("run_model", {"model": "you/thing", "input": 1}, "may not run 'you/thing'. It allows: sandbox/*, no/*."),
        ("sandbox_word-count", {"text": 5}, "text: 5 is not of type 'string'"),
        ("get_prediction", {"prediction_id": "00000000-0000-4000-8000-000000000000"}, "404"),
        ("upload_file", {"path": "../secret.txt"}, "outside the folder"),
        ("upload_file", {"path": "/etc/passwd"}, "outside the folder"),
        ("upload_file", {"path": "link"}, "outside the folder"),
        ("upload_file", {"path": "missing.txt"}, "There is no file 'missing.txt'"),
        ("save_output", {"prediction_id": "1", "subfolder": ".."}, "outside the folder"),
    ],
)
async def test_wrong_calls_are_errors_of_the_tool(
    sandbox: Sandbox, connection: Connection, tool: str, arguments: dict[str, Any], message: str
) -> None:
    with anyio.fail_after(PATIENCE):
        result: Any = await connection.agent.call_tool(tool, arguments)
    assert result.is_error
    assert message in result.structured_content["error"]
    assert json.loads(result.content[0].text) == result.structured_content
    assert sandbox.predictions == []


async def test_output_of_any_shape_leaves_the_server_running(sandbox: Sandbox, connection: Connection) -> None:
    nested: object = "\ud800 half a character"
    for _ in range(400):
        nested = [nested]
    sandbox.models["sandbox/strange"] = lambda _given: nested
    with anyio.fail_after(PATIENCE):
        result: Any = await connection.agent.call_tool("run_model", {"model": "sandbox/strange", "input": 1})
        assert not result.is_error
        assert "half a character" in json.dumps(result.structured_content["output"])
        again: Any = await connection.agent.call_tool("run_model", {"model": "sandbox/echo", "input": 1})
    assert again.structured_content["output"] == 1


async def test_fifty_calls_at_once_all_get_their_own_result(sandbox: Sandbox, connection: Connection) -> None:
    await run_fifty(connection)
    assert len(sandbox.predictions) == 50


async def run_fifty(connection: Connection) -> None:
    results: dict[int, object] = {}

    async def run(number: int) -> None:
        result: Any = await connection.agent.call_tool("run_model", {"model": "sandbox/echo", "input": number})
        results[number] = result.structured_content["output"]

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(run, number)
    assert results == {number: number for number in range(50)}


async def test_over_http_every_request_needs_the_token_and_the_right_host(way: Way, connection: Connection) -> None:
    if way.transport != "http":
        return
    accept = {"accept": "application/json, text/event-stream"}
    right = {**accept, "authorization": f"Bearer {connection.token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        assert (await http.post(connection.address, json=INITIALIZE, headers=right)).status_code == 200
        for headers in (accept, {**accept, "authorization": "Bearer wrong"}):
            assert (await http.post(connection.address, json=INITIALIZE, headers=headers)).status_code == 401
        wrong_host = await http.post(connection.address, json=INITIALIZE, headers={**right, "host": "evil.example"})
        assert wrong_host.status_code >= 400


async def test_over_http_a_call_ends_with_the_connection_of_an_older_agent(
    sandbox: Sandbox, way: Way, connection: Connection
) -> None:
    if way.transport != "http":
        return
    headers = {"accept": "application/json, text/event-stream", "authorization": f"Bearer {connection.token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=30, headers=headers) as http:
        begun = await http.post(connection.address, json=INITIALIZE)
        session = {"mcp-session-id": begun.headers["mcp-session-id"]}
        await http.post(connection.address, json=INITIALIZED, headers=session)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: http.post(connection.address, json=CALL, headers=session))
            await statuses_become(sandbox, "started")
            tasks.cancel_scope.cancel()
        await statuses_become(sandbox, "cancelled")


@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_real_rate_limits_lose_no_call_and_a_closed_agent_leaves_no_prediction(anyio_backend: str) -> None:
    with Sandbox(setup_time=0.0, cancel_time=0.0, rate_limits=RateLimits()) as sandbox:
        async with over_stdio(sandbox, "--backend", anyio_backend) as connection, anyio.create_task_group() as tasks:
            await run_fifty(connection)
            tasks.start_soon(connection.agent.call_tool, "run_model", SLOW)
            await statuses_become(sandbox, *["succeeded"] * 50, "started")
            tasks.cancel_scope.cancel()
        await statuses_become(sandbox, *["succeeded"] * 50, "cancelled")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
@pytest.mark.parametrize("ending", ["agent killed", "server terminated"])
async def test_no_process_and_no_prediction_outlives_its_agent(
    sandbox: Sandbox, anyio_backend: str, ending: str
) -> None:
    server = [*PROGRAM, "--max-predictions", "1", "--backend", anyio_backend]
    with started_client(sandbox, server) as agent:
        assert agent.stdin
        assert agent.stdout
        stuck = threading.Timer(60, agent.kill)
        stuck.start()
        pid = int(agent.stdout.readline())
        agent.stdin.write(b"{not JSON\n" + lines(INITIALIZE, INITIALIZED, CALL))
        agent.stdin.flush()
        await statuses_become(sandbox, "started")
        agent.stdin.write(lines({**CALL, "id": 3}))
        agent.stdin.flush()
        answers = [json.loads(agent.stdout.readline()) for _ in range(2)]
        assert [answer["id"] for answer in answers] == [1, 3]
        assert "limit of 1 predictions is reached" in answers[1]["result"]["structuredContent"]["error"]
        if ending == "agent killed":
            agent.kill()
        else:
            os.kill(pid, signal.SIGTERM)
        await statuses_become(sandbox, "cancelled")
        # The server has inherited standard error, which ends when both processes have.
        assert agent.communicate(timeout=LONGEST_END)[1] == b""
        stuck.cancel()


def started_client(sandbox: Sandbox, server: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", CLIENT, *server],
        env=environment(sandbox),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def lines(*messages: object) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)
