"""The command that shows running predictions, until it is stopped."""

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

ROWS_ROUND_IT: Final = 5
"""Rows of the screen that do not show predictions."""
MOST: Final = 200
"""The most predictions to list: four pages."""


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
    return ", ".join(_left(name, limit) for name, limit in parts if limit.limit is not None)


def _left(name: str, limit: "RateLimit") -> str:
    return (
        f"{limit.limit} {name} at most"
        if limit.remaining is None
        else f"{limit.remaining} of {limit.limit} {name} left"
    )


def _summary(running: "Sequence[Prediction]", limits: str) -> str:
    counts = Counter(one_line(prediction["status"]) for prediction in running)
    number = f"{MOST} or more" if len(running) >= MOST else str(len(running))
    listed = ", ".join(f"{count} {status}" for status, count in counts.items())
    return "; ".join(part for part in (f"{number} running" + (f" ({listed})" if listed else ""), limits) if part)


@contextmanager
def _screen() -> "Generator[Callable[[Sequence[Prediction], str, str], None]]":
    """Yields a function that shows the state: in place in a terminal, else as a line whenever something changed."""
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
        yield lambda running, limits, problem: live.update(_drawn(running, limits, problem, console.size), refresh=True)


def _drawn(running: "Sequence[Prediction]", limits: str, problem: str, size: tuple[int, int]) -> "RenderableType":
    """Draws the state to fit a screen's columns and rows."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    width, height = size
    cells = [
        tuple(
            map(one_line, (each["status"], age(at(each, "created_at")), model_reference(at(each, "model")), each["id"]))
        )
        for each in running
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_wide = sum(widths) + 2 * len(widths) <= width
    shown = cells[: max(1, (height - ROWS_ROUND_IT) // (1 if is_wide else 2))]
    if is_wide:
        table = Table.grid(*([""] * len(widths)), padding=(0, 2, 0, 0))
        for line in shown:
            table.add_row(*map(Text, line))
        body: RenderableType = table
    else:
        lines = (line for *before, last in shown for line in ("  ".join(before), f"  {last}"))
        body = Group(*(Text(line, no_wrap=True, overflow="ellipsis") for line in lines))
    more = [Text(f"… and {len(cells) - len(shown)} more")] if len(cells) > len(shown) else []
    troubles = [Text(one_line(problem, 200), style="red")] if problem else []
    return Group(Text(_summary(running, limits), style="bold"), *troubles, body, *more)
