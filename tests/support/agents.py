"""Agents: servers of tools in processes of their own, and the SDK's client connected to them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
import mcp
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from tests.support.command_line import MAIN
from tests.support.copies import Template
from tests.support.patience import PATIENCE
from tests.support.subprocesses import settings_for
from wriftai_anyio import Client
from wriftai_anyio.mcp import Guards
from wriftai_anyio.mcp._server import build_server
from wriftai_anyio.sandbox import Sandbox

PROGRAM = [sys.executable, "-W", "error", "-m", "wriftai_anyio", "mcp"]
IMPORTS = """
import contextlib, importlib, pkgutil
import wriftai_anyio.mcp
for module in pkgutil.iter_modules(wriftai_anyio.mcp.__path__, "wriftai_anyio.mcp."):
    importlib.import_module(module.name)
import anyio._backends._asyncio, anyio._backends._trio, httpcore
import mcp.server.stdio, mcp.server.streamable_http_manager, uvicorn
import wriftai_anyio.cli._mcp, wriftai_anyio.cli._program
with contextlib.suppress(ImportError):
    import hypercorn.trio
"""
"""The SDK takes two seconds of processor time."""
TEMPLATE = Template(IMPORTS)
LONGEST_END = 30
"""Seconds that a server may take to end."""


@dataclass(frozen=True)
class Connection:
    """An agent, and where its server is if it serves HTTP."""

    agent: mcp.Client
    address: str = ""
    token: str = ""


def _program() -> list[str]:
    return [*TEMPLATE.command(MAIN), "mcp"]


def environment(sandbox: Sandbox) -> dict[str, str]:
    """Returns the variables of a server's process."""
    return {**os.environ, **settings_for(sandbox)}


@asynccontextmanager
async def agent(sandbox: Sandbox, *models: str, **limits: Any) -> AsyncIterator[mcp.Client]:
    """Connects an agent to a server of its own."""
    with anyio.fail_after(PATIENCE):
        async with Client(sandbox.access_token, sandbox.base_url) as client:
            server = await build_server(client, Guards(**limits), models)
            async with mcp.Client(server) as connected:
                yield connected


async def call(connected: mcp.Client, tool: str, **arguments: Any) -> tuple[bool, dict[str, Any]]:
    """Calls a tool; returns whether it failed, and what it returned, which its text says too."""
    result: Any = await connected.call_tool(tool, arguments)
    assert json.loads(result.content[0].text) == result.structured_content
    return bool(result.is_error), result.structured_content


@asynccontextmanager
async def over_stdio(sandbox: Sandbox, *options: str) -> AsyncIterator[Connection]:
    """Starts a server as a client does, and connects to it."""
    command, *arguments = _program()
    server = StdioServerParameters(command=command, args=[*arguments, *options], env=settings_for(sandbox))
    async with mcp.Client(server) as agent:
        yield Connection(agent)


@asynccontextmanager
async def over_http(sandbox: Sandbox, *options: str, token: str | None) -> AsyncIterator[Connection]:
    """Starts a server on a free port, and connects to it."""
    with http_server(sandbox, options, token) as (address, known):
        async with httpx2.AsyncClient(headers={"authorization": f"Bearer {known}"}, timeout=60) as http:
            async with mcp.Client(streamable_http_client(address, http_client=http)) as agent:
                yield Connection(agent, address, known)


@contextmanager
def http_server(sandbox: Sandbox, options: Sequence[str], token: str | None) -> Iterator[tuple[str, str]]:
    """Serves HTTP in a process of its own; yields its address and its token.

    Args:
        sandbox: What it talks to.
        options: More of its command line.
        token: The token; `None` for one of its own, which it then says.
    """
    variables = {**environment(sandbox), **({"WRIFTAI_MCP_TOKEN": token} if token else {})}
    command = [*_program(), "--port", "0", *options]
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        try:
            address = server.stderr.readline().strip()
            yield address, token or server.stderr.readline().strip().removeprefix("Authorization: Bearer ")
        finally:
            server.send_signal(signal.SIGINT)
            complaints = server.communicate(timeout=LONGEST_END)[1]
            assert "Traceback" not in complaints, complaints
            assert "Warning" not in complaints, complaints
