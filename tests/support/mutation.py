"""Mutation testing: `python -m tests.support.mutation [--sample 60] [PART OF A MODULE'S NAME…]`.

mutmut makes the mutants, in a copy of the checkout; `mutant_runs` holds each to the tests that reach its function, in
processes forked from one that has collected the tests and seen them pass. mutmut itself starts pytest anew for each
mutant, which takes some ten times as long. It leaves out what stands outside of functions, and decorated functions
(properties, context managers): those are to be read.
"""

import argparse
import ast
import difflib
import json
import math
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

MODULES: Final = (
    "_predictions/create",
    "_predictions/create_outcome",
    "_batch/journal",
    "_polling/poller",
    "_polling/wait",
    "_polling/shared_polls",
    "_polling/running_list",
    "_polling/webhook_hints",
    "_polling/callbacks",
    "_polling/options",
    "_batch/lost_creates",
    "_batch/journaled_job",
    "_predictions/operations",
    "_concurrency/cancellation",
    "_pipeline/retry_loop",
    "_transport/retries",
    "_rate_limits/accounts",
    "_rate_limits/bucket",
    "_rate_limits/budget",
)
"""Those that hold the promises: nothing lost, nothing created twice, every wait ends, no storm of 429."""
TESTS: Final = {
    "_batch": "_batch test_batch.py",
    "_concurrency": "_concurrency/test_cancellation.py _polling/test_leaving.py",
    "_pipeline": "_pipeline/test_retry_loop.py",
    "_polling": "_polling test_predictions.py",
    "_predictions": "_predictions test_predictions.py _batch/test_journaled_job.py _polling/test_webhook_patience.py",
    "_rate_limits": "_rate_limits",
    "_transport": "_transport/test_retries.py",
}
"""The tests that the modules of a folder are held to. All would be too many, for what every request goes through."""
COPIED: Final = ("wriftai_anyio", "tests", "README.md", "pyproject.toml")
MAKE: Final = """
import json, pathlib, sys
from mutmut.mutation.file_mutation import mutate_file_contents
made = {}
for name in sys.argv[1:]:
    path = pathlib.Path(name)
    mutated = mutate_file_contents(name, path.read_text("utf-8"))
    path.write_text(mutated.code, "utf-8")
    made[name] = list(mutated.mutant_names)
print(json.dumps(made))
"""
"""Runs in the copy: mutmut looks for its settings where it is imported."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", help="parts of modules' names; all modules without them")
    parser.add_argument("--sample", type=int, default=10_000, help="how many mutants of a module are run at most")
    parser.add_argument("--seconds", type=float, default=1e9, help="how long the tests of a mutant may take")
    given = parser.parse_args()
    modules = [name for name in MODULES if not given.parts or any(part in name for part in given.parts)]
    tests = {module: [f"tests/{test}" for test in TESTS[module.partition("/")[0]].split()] for module in modules}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_to(folder)
        (folder / "setup.cfg").write_text("[mutmut]\nsource_paths = wriftai_anyio\n", "utf-8")
        mutants = made(folder, modules)
        chosen = {module: sample(module, names, given.sample) for module, names in mutants.items()}
        task = {"mutants": chosen, "tests": tests, "seconds": given.seconds}
        (folder / "mutants.json").write_text(json.dumps(task), "utf-8")
        subprocess.run([sys.executable, "-m", "tests.support.mutant_runs"], cwd=folder, check=True)
        results: dict[str, Any] = json.loads((folder / "results.json").read_text("utf-8"))
        for module in modules:
            report(module, (folder / "wriftai_anyio" / f"{module}.py").read_text("utf-8"), results[module])


def copy_to(folder: Path) -> None:
    """Copies what the tests need."""
    for name in COPIED:
        path = Path(name)
        if path.is_dir():
            shutil.copytree(path, folder / name)
        else:
            shutil.copy(path, folder)


def made(folder: Path, modules: list[str]) -> dict[str, list[str]]:
    """Mutates modules in place: each function stands there many times, and which one runs is said from outside.

    Returns:
        The names of the mutants of each module.
    """
    paths = {f"wriftai_anyio/{module}.py": module for module in modules}
    run = subprocess.run([sys.executable, "-c", MAKE, *paths], cwd=folder, check=True, stdout=subprocess.PIPE)
    return {paths[path]: names for path, names in json.loads(run.stdout).items()}


def sample(module: str, names: list[str], most: int) -> list[str]:
    """Returns mutants of a module, the same ones each time: of each function as large a part as of all."""
    functions: dict[str, list[str]] = {}
    for name in names:
        functions.setdefault(name.rpartition("__mutmut_")[0], []).append(name)
    chance = random.Random(module)
    share = min(1.0, most / max(1, len(names)))
    return [
        name
        for each in functions.values()
        for name in chance.sample(each, min(len(each), math.ceil(len(each) * share)))
    ]


def report(module: str, code: str, results: dict[str, str]) -> None:
    """Prints how many mutants of a module were killed, and how those that were not differ from the original."""
    functions = {
        node.name: (ast.get_source_segment(code, node) or "").splitlines()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for name, result in results.items():
        if not result.startswith("killed"):
            original = functions[name.rpartition("__mutmut_")[0] + "__mutmut_orig"]
            lines = list(difflib.unified_diff(original[1:], functions[name][1:], n=1, lineterm=""))[3:]
            print(f"\n{module} {name}: {result}", *lines, sep="\n    ")
    found = Counter(results.values())
    share = sum(count for result, count in found.items() if result.startswith("killed")) / max(1, len(results))
    print(f"\n{module}: {share:.0%} killed of {len(results)}: {dict(found)}", flush=True)


if __name__ == "__main__":
    main()
