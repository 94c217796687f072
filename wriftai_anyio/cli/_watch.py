"""The command that shows what is running, until it is left."""

import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wriftai_anyio.plain_text import one_line

from ._answers import at, model_reference
from ._help import Command
from ._options import examples
from ._session import Session
from ._times import age

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wriftai_anyio import Client, RateLimit
    from wriftai_anyio.predictions import Prediction

commands = typer.Typer(rich_markup_mode=None)

MOST: Final = 200
"""Predictions that are asked for: four pages."""


@commands.command(cls=Command, epilog=examples("watch", "watch --interval 10"))
def watch(
    context: typer.Context,
    interval: Annotated[float, typer.Option(min=0.5, metavar="SECONDS", help="Ask the API this often.")] = 2.0,
) -> None:
    """Show what is running, and the rate limits, live.

    Leave with Ctrl-C.
    """
    from wriftai_anyio.errors import APIConnectionError, InternalServerError, RateLimitError

    session = context.ensure_object(Session)
    running: Sequence[Prediction] = ()
    with session.client() as client, _screen() as show:
        while True:
            problem = ""
            try:
                running = _running(client)
            except (APIConnectionError, InternalServerError, RateLimitError) as error:
                problem = str(error)
            show(running, _limits(client), problem)
            time.sleep(interval)


def _running(client: "Client") -> "list[Prediction]":
    from wriftai_anyio.predictions import Status

    statuses = [Status.pending, Status.starting, Status.started]
    return list(islice(client.predictions.iterate({"statuses": statuses, "page_size": 50}), MOST))


def _limits(client: "Client") -> str:
    limits = client.rate_limits
    parts = (("creates", limits.creates), ("other requests", limits.others))
    return ", ".join(f"{_left(limit)} {name} left" for name, limit in parts if limit.limit is not None)


def _left(limit: "RateLimit") -> str:
    return f"{'?' if limit.remaining is None else limit.remaining} of {limit.limit}"


def _summary(running: "Sequence[Prediction]", limits: str) -> str:
    counts = Counter(one_line(prediction["status"]) for prediction in running)
    number = f"{MOST} or more" if len(running) >= MOST else str(len(running))
    listed = ", ".join(f"{count} {status}" for status, count in counts.items())
    return "; ".join(part for part in (f"{number} running" + (f" ({listed})" if listed else ""), limits) if part)


@contextmanager
def _screen() -> "Generator[Callable[[Sequence[Prediction], str, str], None]]":
    """Gives what shows the state: drawn in place in a terminal, else a line whenever something has changed."""
    import sys

    from ._printing import print_text

    if not sys.stdout.isatty():
        last = ""

        def print_line(running: "Sequence[Prediction]", limits: str, problem: str) -> None:
            nonlocal last
            line = one_line(problem) or _summary(running, limits)
            if line != last:
                print_text(f"{line}\n")
                last = line

        yield print_line
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda running, limits, problem: live.update(
            _drawn(running, limits, problem, console.height - 4), refresh=True
        )


def _drawn(running: "Sequence[Prediction]", limits: str, problem: str, rows: int) -> "RenderableType":
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for number in range(4):
        # The id gives way where there is no room for all.
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=None if number < 2 else 1)
    shown = running[: max(1, rows)]
    for prediction in shown:
        name = model_reference(at(prediction, "model"))
        cells = (prediction["status"], age(at(prediction, "created_at")), name, prediction["id"])
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    more = [Text(f"… and {len(running) - len(shown)} more")] if len(running) > len(shown) else []
    troubles = [Text(one_line(problem, 200), style="red")] if problem else []
    return Group(Text(_summary(running, limits), style="bold"), *troubles, table, *more)
