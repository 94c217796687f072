"""The state that all commands of one run share."""

import shutil
import sys
import textwrap
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from wriftai_anyio.plain_text import one_line, printable

from ._stops import Stops

if TYPE_CHECKING:
    from wriftai_anyio import Client
    from wriftai_anyio.hooks import OnResponse
    from wriftai_anyio.progress import RichProgress

LONGEST_ERROR: Final = 1000
"""The most characters of an error: half a screen of 80 columns and 24 lines."""


class Session:
    """One run of the program.

    Args:
        arguments: The command line.

    Attributes:
        arguments: The command line.
        debug: Whether tracebacks and the package's log are shown.
        go_on: The command that continues where this one stopped; shown after an error.
        stops: What stops the program.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self.arguments = list(arguments)
        self.debug = False
        self.go_on: str | None = None
        self.stops = Stops()

    @contextmanager
    def client(self, on_response: "OnResponse | None" = None) -> "Generator[Client]":
        """Makes a client from the settings in the environment, the only source of its token, and closes it.

        Args:
            on_response: Called with the outcome of each request.
        """
        from wriftai_anyio import Client

        client = Client(on_response=on_response)
        try:
            yield client
        finally:
            # Creates under way are allowed to finish, so that predictions that cost money are not lost.
            with self.stops.grace():
                client.close()

    def progress(self) -> "RichProgress":
        """Makes a display of the progress of waits, batches and transfers."""
        from rich.console import Console

        from wriftai_anyio.progress import RichProgress

        # Log lines would break up the bars.
        return RichProgress(Console(stderr=True, force_interactive=False if self.debug else None))

    def note(self, text: str) -> None:
        """Shows a sentence on standard error, wrapped between words in a terminal."""
        line = one_line(text)
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns
            line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        self.show(line + "\n")

    def command(self, lead: str, command: str) -> None:
        """Shows a command to copy, always on one line."""
        self.show(one_line(f"{lead}: {command}") + "\n")

    def error(self, sentence: str) -> None:
        """Shows what went wrong, in a line short enough for a screen, however much a server says."""
        self.note(one_line(f"Error: {sentence}", LONGEST_ERROR))

    def show(self, text: str) -> None:
        """Shows lines on standard error, such as a traceback."""
        sys.stderr.write(printable(text))
        sys.stderr.flush()
