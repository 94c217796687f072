"""The program: its commands, its global options, and its exit."""

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final, NoReturn, TextIO, cast

import typer
import typer.core
import typer.main

from wriftai_anyio import __version__

from ._help import fit
from ._printing import Unfailing
from ._session import Session
from ._stops import Stopped

PROGRAM: Final = "wriftai-anyio"

EPILOG: Final = "The access token is taken from WRIFTAI_ACCESS_TOKEN, the API's address from WRIFTAI_API_BASE_URL."

EXIT_CODES: Final = (
    ("0", "done"),
    ("1", "the prediction failed, or was cancelled or abandoned"),
    ("2", "wrong usage, or a file that cannot be read or written"),
    ("3", "the API refused"),
    ("4", "the network"),
    ("5", "a create was sent, but it is not known whether it worked"),
    ("124", "--timeout has passed"),
    ("130", "Ctrl-C (143 SIGTERM, 129 SIGHUP, 141 nobody reads the output)"),
)


class Commands(typer.core.TyperGroup):
    """The commands, which are loaded when one of them is looked up."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 -- typer's private types
        self._load()
        return super().get_command(ctx, cmd_name)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 -- as above
        self._load()
        return super().list_commands(ctx)

    def format_usage(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- as above
        fit(formatter)
        super().format_usage(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- as above
        # Click truncates the descriptions to the width of the terminal; here they are wrapped.
        rows = [(name, self._does(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def _does(self, ctx: Any, name: str) -> str:  # noqa: ANN401 -- as above
        help_text = str(self.get_command(ctx, name).help or "")
        first, end, _ = " ".join(help_text.split()).partition(". ")
        return first + end.rstrip()

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 -- as above
        """Writes the text below the commands."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl(EXIT_CODES)

    def _load(self) -> None:
        if not self.commands:
            from . import _batch, _mcp, _models, _open, _predictions, _sandbox, _transfers, _types, _watch

            for module in (_predictions, _watch, _batch, _models, _types, _open, _transfers, _sandbox, _mcp):
                self.commands.update(typer.main.get_group(module.commands).commands)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    # Help formatted by rich has wide margins: 80 columns leave little room for the text.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog=EPILOG,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


@app.callback()
def set_up(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the log, and tracebacks of errors.")] = False,
    version: Annotated[  # noqa: ARG001 -- its callback does it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """WriftAI predictions in the terminal. Results go to standard output, everything else to standard error."""
    if debug:
        import logging

        session = context.ensure_object(Session)
        session.debug = True
        logging.basicConfig(stream=sys.stderr, format="%(message)s")
        logging.getLogger("wriftai_anyio").setLevel(logging.DEBUG)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the program.

    Args:
        arguments: The command line; by default that of the process.

    Raises:
        SystemExit: At its end, with the exit code.
    """
    session = Session(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    try:
        with session.stops:
            typer.main.get_command(app)(session.arguments, prog_name=PROGRAM, obj=session)
    except (Stopped, Exception) as error:  # noqa: BLE001 -- shown as a sentence; the exit code says which kind it is
        sys.exit(_tell(session, error))
    sys.exit(0)


def _prepare_streams() -> None:
    """Makes standard output and error accept any text, and replaces those that the shell closed; see `Unfailing`."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # It stays open for the whole run, and Python would warn about that at the end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            setattr(sys, name, open(nowhere, "w", encoding="utf-8", closefd=False))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.stderr = cast("TextIO", Unfailing(sys.stderr))


def _tell(session: Session, error: Stopped | Exception) -> int:
    """Says what ended the program and how to go on, and returns the exit code."""
    import traceback

    from ._failures import failure_of

    if session.debug:
        session.show("".join(traceback.format_exception(error)))
    if isinstance(error, Stopped):
        code = error.exit_code
    else:
        failure = failure_of(error)
        session.error(failure.sentence)
        code = failure.code
    if session.go_on:
        session.command("Go on with", session.go_on)
    return code
