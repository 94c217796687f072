"""The command line, for people and their shells (extra `cli`).

Results go to standard output, all else to standard error. What takes time to import waits until a command needs it.
"""

from ._program import main

__all__ = ["main"]
