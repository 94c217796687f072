"""Runs the benchmarks named on the command line, or all: every module of the package that has a `main`."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path


def _benchmarks() -> Iterator[tuple[str, Callable[[], None]]]:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not module.name.startswith("_"):
            main: Callable[[], None] | None = getattr(importlib.import_module(f"benchmarks.{module.name}"), "main", None)
            if main is not None:
                yield module.name, main


def run(names: Sequence[str]) -> None:
    known = dict(_benchmarks())
    unknown = set(names) - known.keys()
    if unknown:
        raise SystemExit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
    for name in names or known:
        known[name]()


if __name__ == "__main__":
    run(sys.argv[1:])
