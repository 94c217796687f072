"""Runs the benchmarks named on the command line, or all: every module of the package that has a `main`."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ._drawings import BUILD
from ._measure import print_report, write_report


def _benchmarks() -> Iterator[tuple[str, Callable[[], None]]]:
    for info in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if not info.name.startswith("_"):
            module = importlib.import_module(f"tests.benchmarks.{info.name}")
            main: Callable[[], None] | None = getattr(module, "main", None)
            if main is not None:
                yield info.name, main


def run(names: Sequence[str]) -> None:
    known = dict(_benchmarks())
    unknown = set(names) - known.keys()
    if unknown:
        raise SystemExit(f"There is no benchmark {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
    for name in names or known:
        known[name]()
    BUILD.mkdir(exist_ok=True)
    print_report()
    write_report(BUILD / "bench.json")
    print(f"\nThe same as JSON, and the drawings: {BUILD}")


if __name__ == "__main__":
    run(sys.argv[1:])
