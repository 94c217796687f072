"""Runs worlds by their seeds: `python -m tests.simulation --seeds 0-9999`, `--seed 7 --shrink`, `--mutants`."""

import argparse
import gc
import sys
import time
from collections import Counter

from .mutants import MUTANTS, hunt
from .runner import BACKENDS, Report, run_seed
from .shrink import Shrinker, kind_of


def main() -> int:
    options = _options()
    gc.collect()
    # What is imported stays: to look through it in each world would take a seventh of the time.
    gc.freeze()
    if options.mutants is not None:
        return _hunt(options.mutants, options.seeds, options.backends)
    if options.seed is not None:
        return _replay(options.seed, options.backends[0], shrink=options.shrink)
    return sum(_run(options.seeds, backend) for backend in options.backends) and 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="nox -s simulate --", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(1000), help="the worlds to run, as 0-9999")
    parser.add_argument("--backend", dest="backends", type=lambda name: [name], default=list(BACKENDS))
    parser.add_argument("--seed", type=int, help="one world, with a trace of all requests and calls")
    parser.add_argument("--shrink", action="store_true", help="shrink that world to what matters first")
    parser.add_argument("--mutants", nargs="*", help="put faults into the library, and look whether they are found")
    return parser.parse_args()


def _seeds(text: str) -> range:
    begin, _, end = text.partition("-")
    return range(int(begin), int(end or begin) + 1)


def _run(seeds: range, backend: str) -> int:
    totals: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    began = time.perf_counter()
    for seed in seeds:
        report = run_seed(seed, backend)
        for violation in report.violations:
            print(f"{backend} seed {seed}: {violation}", flush=True)
        kinds.update({kind_of(violation) for violation in report.violations})
        totals.update(_figures(report))
    shown = ", ".join(f"{count:,.0f} {name}" for name, count in totals.items())
    print(f"{backend}: {len(seeds):,} worlds in {time.perf_counter() - began:,.0f} s: {shown}", flush=True)
    for kind, count in kinds.most_common():
        print(f"  in {count} worlds: {kind}")
    return len(kinds)


def _figures(report: Report) -> dict[str, float]:
    return {
        "hours": report.hours,
        "requests": report.requests,
        "faults": len(report.faults),
        "cancels": report.cancels,
        "kills": report.kills,
        "worlds with a violation": bool(report.violations),
    }


def _replay(seed: int, backend: str, *, shrink: bool) -> int:
    report = run_seed(seed, backend)
    if shrink and report.violations:
        report = Shrinker(report, backend).shrunk()
    print(report.plan.surroundings, *report.plan.clients, *report.plan.calls, sep="\n")
    print(*report.trace, sep="\n")
    return bool(report.violations)


def _hunt(names: list[str], seeds: range, backends: list[str]) -> int:
    missed = 0
    for mutant in MUTANTS:
        if names and mutant.name not in names:
            continue
        found = next((found for backend in backends if (found := hunt(mutant, seeds[:500], backend))), None)
        missed += found is None
        print(f"{mutant.name}: {found or 'NOT FOUND'}", flush=True)
    return missed and 1


if __name__ == "__main__":
    sys.exit(main())
