"""The command line, for people and their shells (extra `cli`).

Results go to standard output, everything else to standard error. Slow imports are delayed until a command needs them.
"""

from ._program import main

__all__ = ["main"]
