"""How fast time passes for waits and retries: as usual, or faster in tests against a sandbox whose time is scaled."""

from collections.abc import Generator
from contextlib import contextmanager


class _Tempo:
    factor: float = 1.0


_tempo = _Tempo()


def scaled(seconds: float) -> float:
    """Returns how many real seconds correspond to so many seconds."""
    return seconds / _tempo.factor


@contextmanager
def faster(factor: float) -> Generator[None, None, None]:
    """Makes time pass `factor` times as fast, in all threads, until the block ends."""
    before, _tempo.factor = _tempo.factor, factor
    try:
        yield
    finally:
        _tempo.factor = before
