"""The command for the MCP server."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ._help import Command
from ._options import examples
from ._session import Session

commands = typer.Typer(rich_markup_mode=None)


@commands.command(
    cls=Command,
    epilog=examples(
        "mcp", "mcp --model me/summary --max-predictions 20 --folder ~/agent", "mcp --port 8765 --allow 'me/*'"
    ),
)
def mcp(
    context: typer.Context,
    port: Annotated[
        int | None, typer.Option(metavar="PORT", min=0, max=65535, help="Serve HTTP on 127.0.0.1, not standard input.")
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option(metavar="MODEL", help="Offer this model as a separate tool. May be repeated.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Run only models like owner/*. May be repeated.")
    ] = None,
    max_predictions: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Create at most N predictions, then refuse.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Let agents save outputs to, and upload files from, this folder.")
    ] = None,
    backend: Annotated[
        Literal["asyncio", "trio"], typer.Option(help="The event loop. HTTP on trio needs the package hypercorn.")
    ] = "asyncio",
) -> None:
    """Offer models as tools to agents, over the Model Context Protocol."""
    import anyio

    from wriftai_anyio import Client
    from wriftai_anyio.mcp import Guards, serve_http, serve_stdio

    guards = Guards(max_predictions, tuple(allow or ()), folder)
    note = context.ensure_object(Session).note

    async def serve() -> None:
        async with Client() as client:
            if port is None:
                await serve_stdio(client, guards, model or ())
            else:
                await serve_http(client, guards, model or (), port=port, announce=note)

    anyio.run(serve, backend=backend)
