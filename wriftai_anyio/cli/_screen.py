"""Standard error, as rich draws on it."""

import sys

from rich.console import Console

from ._printing import discard


class Screen(Console):
    """A console whose end nobody may see: what was begun is not left for that, since it costs money.

    Args:
        live: Whether bars may be drawn, where it is a terminal; else there are plain lines.
    """

    def __init__(self, *, live: bool) -> None:
        super().__init__(stderr=True, force_interactive=None if live else False)

    def on_broken_pipe(self) -> None:
        """Goes on without showing anything."""
        self.quiet = True
        discard(sys.stderr)
