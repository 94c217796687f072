"""Runs tests against mutants, in a folder that `mutation` has prepared."""

import contextlib
import importlib
import json
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, Final

import pytest

VARIANTS: Final = 6
"""How many variants of a parametrized test are run first, none of them on asyncio if there are others."""
CPU: Final = 2.0
"""Seconds of the processor that a test may use, plus ten times of what it used before: mutants spin."""
IDLE: Final = 15.0
"""Seconds without a step after which a test hangs. A process that only waits for its turn is not idle."""


class MutantRuns:
    """Takes the place of pytest's loop over the collected tests."""

    def __init__(self, mutants: dict[str, list[str]], tests: dict[str, list[str]], seconds: float) -> None:
        self._mutants = mutants
        self._tests = tests
        self._seconds = seconds
        self._failed = False
        self._reached: defaultdict[str, list[pytest.Item]] = defaultdict(list)
        self._took: dict[str, float] = {}
        self._kills: Counter[tuple[str, str]] = Counter()
        self._state: Any = importlib.import_module("mutmut.state").state()
        self._trampoline: Any = importlib.import_module("mutmut.mutation.trampoline")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        results: dict[str, dict[str, str]] = {}
        items = chosen(session.items)
        for module, names in self._mutants.items():
            paths = tuple(self._tests[module])
            self._run_unchanged([item for item in items if item.nodeid.startswith(paths)])
            found = results[module] = {}
            for name in names:
                found[name] = self._outcome(module, name)
                print(module, name, found[name], file=sys.stderr, flush=True)
            Path("results.json").write_text(json.dumps(results), "utf-8")
        return True

    def _run_unchanged(self, items: list[pytest.Item]) -> None:
        self._trampoline.set_mutant_under_test("stats")
        for item in items:
            if item.nodeid in self._took:
                continue
            began = time.process_time()
            if not self._passes(item):
                print("left out, it fails without a mutant:", item.nodeid, file=sys.stderr, flush=True)
                self._failed = False
            else:
                for function in self._state._stats:
                    self._reached[function].append(item)
            self._state._stats.clear()
            self._took[item.nodeid] = time.process_time() - began
        print(f"{len(items)} tests, {sum(self._took.values()):.1f} s", file=sys.stderr, flush=True)

    def _passes(self, item: pytest.Item) -> bool:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed

    def _outcome(self, module: str, name: str) -> str:
        prefix = f"wriftai_anyio.{module.replace('/', '.')}"
        function = f"{prefix}.{name.rpartition('__mutmut_')[0]}"
        tests = self._in_order(function)
        if not tests:
            return "reached by no test"
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            os._exit(self._run_mutant(f"{prefix}.{name}", tests, writer))
        os.close(writer)
        code = ended(child)
        with os.fdopen(reader, "rb") as told:
            last = told.read()[-2:]
        if code == 0:
            return f"survived {len(tests)} tests"
        self._kills[function, tests[int.from_bytes(last, "big")].nodeid] += 1
        return "killed" if code == 1 else "killed by time"

    def _in_order(self, function: str) -> list[pytest.Item]:
        """Returns the tests that reach a function, those first that have killed most of its mutants."""
        tests = sorted(
            self._reached[function],
            key=lambda item: (-self._kills[function, item.nodeid], self._took[item.nodeid]),
        )
        total = 0.0
        taken: list[pytest.Item] = []
        for item in tests:
            total += self._took[item.nodeid]
            if total > self._seconds and taken:
                break
            taken.append(item)
        return taken

    def _run_mutant(self, mutant: str, tests: list[pytest.Item], writer: int) -> int:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        self._trampoline.set_mutant_under_test(mutant)
        for number, item in enumerate(tests):
            os.write(writer, number.to_bytes(2, "big"))
            signal.setitimer(signal.ITIMER_PROF, CPU + 10 * self._took[item.nodeid])
            with contextlib.suppress(Exception):
                if self._passes(item):
                    continue
            return 1
        return 0


def chosen(items: list[pytest.Item]) -> list[pytest.Item]:
    """Returns the tests, a few variants of each."""
    variants: defaultdict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        variants[item.nodeid.partition("[")[0]].append(item)
    chance = random.Random(0)
    taken: list[pytest.Item] = []
    for each in variants.values():
        most = [item for item in each if "asyncio" not in item.nodeid] or each
        taken += chance.sample(most, min(len(most), VARIANTS))
    return taken


def ended(child: int) -> int:
    """Waits for a process, and ends it if it hangs.

    Returns:
        Its exit code.
    """
    used, since = "", time.monotonic()
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        if state[0] in "RD" or state[11] != used:
            used, since = state[11], time.monotonic()
        elif time.monotonic() - since > IDLE:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def main() -> None:
    given = json.loads(Path("mutants.json").read_text("utf-8"))
    runs = MutantRuns(given["mutants"], given["tests"], given["seconds"])
    paths = sorted({path for tests in given["tests"].values() for path in tests})
    code = pytest.main(["-n0", "-q", "-s", "-p", "no:cacheprovider", "--rootdir=.", *paths], plugins=[runs])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise SystemExit(int(code))


if __name__ == "__main__":
    main()
