"""The models of WriftAI as tools for agents, over the Model Context Protocol (extra `mcp`).

`wriftai-anyio mcp` runs it. `serve_stdio` and `serve_http` are for programs of your own.
"""

import importlib.util

if importlib.util.find_spec("mcp") is None:
    raise ImportError("the MCP server needs the MCP SDK: pip install 'wriftai-anyio[mcp]'")

from ._guards import Guards
from ._serving import serve_http, serve_stdio

__all__ = ["Guards", "serve_http", "serve_stdio"]
