"""Mutation testing by mutmut: `python -m tests.support.mutation [PART OF A MODULE'S NAME…]`, one module after another.

Each module is mutated in a copy of the checkout and held to the tests that mirror it. With all tests, a function that
every request goes through would be held to thousands for each of its mutants.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final

TESTS: Final = {
    "_rate_limits/budget": "_rate_limits",
    "_rate_limits/bucket": "_rate_limits/test_bucket.py",
    "_rate_limits/accounts": "_rate_limits/test_bucket.py",
    "_transport/retries": "_transport/test_retries.py",
    "_pipeline/retry_loop": "_pipeline/test_retry_loop.py",
    "_polling/options": "_polling/test_options.py",
    "_polling/poller": "_polling test_predictions.py",
    "_polling/running_list": "_polling",
    "_polling/shared_polls": "_polling",
    "_polling/wait": "_polling",
    "_polling/webhook_hints": "_polling",
    "_concurrency/cancellation": "_concurrency/test_cancellation.py _polling/test_leaving.py",
    "_batch/journal": "_batch/test_journal.py test_batch.py",
    "_batch/journaled_job": "_batch test_batch.py",
    "_batch/lost_creates": "_batch/test_lost_creates.py",
    "_predictions/create": "_predictions/test_params.py _predictions/test_operations.py",
    "_predictions/create_outcome": "_predictions/test_operations.py",
    "_predictions/operations": "_predictions test_predictions.py",
}
"""The modules that hold the promises (nothing lost, nothing created twice, every wait ends, no storm of 429), and the
tests of each."""
COPIED: Final = ("wriftai_anyio", "tests", "README.md", "pyproject.toml")
KILLED: Final = {1, 3, 24, 36, 37, 152, 255, -9, -24}
"""mutmut's codes: a test failed, the time was up, or the types are wrong."""
UNREACHED: Final = 33


def main() -> None:
    wanted = sys.argv[1:]
    chosen = {name: tests for name, tests in TESTS.items() if not wanted or any(part in name for part in wanted)}
    for module, tests in chosen.items():
        with tempfile.TemporaryDirectory() as folder:
            report(module, mutated(Path(folder), module, tests.split()))


def mutated(folder: Path, module: str, tests: list[str]) -> dict[str, int | None]:
    """Runs mutmut on one module.

    Args:
        folder: Where the copy goes.
        module: The module.
        tests: Its tests.

    Returns:
        mutmut's code for each mutant; `None` for those that it did not come to.
    """
    for name in COPIED:
        path = Path(name)
        if path.is_dir():
            shutil.copytree(path, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder)
    selection = "".join(f"\n    tests/{test}" for test in tests)
    copied = "\n    ".join(COPIED[1:])
    settings = f"""[mutmut]
source_paths = wriftai_anyio
only_mutate = wriftai_anyio/{module}.py
also_copy =
    {copied}
pytest_add_cli_args =
    -n0
    -x
    -q
pytest_add_cli_args_test_selection ={selection}
"""
    (folder / "setup.cfg").write_text(settings, "utf-8")
    subprocess.run([sys.executable, "-m", "mutmut", "run"], cwd=folder, check=False)
    codes: dict[str, int | None] = json.loads(
        (folder / "mutants" / "wriftai_anyio" / f"{module}.py.meta").read_text("utf-8")
    )["exit_code_by_key"]
    survivors = [name for name, code in codes.items() if code not in KILLED and code is not None]
    for name in survivors:
        subprocess.run([sys.executable, "-m", "mutmut", "show", name], cwd=folder, check=False)
    return codes


def report(module: str, codes: dict[str, int | None]) -> None:
    """Prints how many mutants of a module were killed."""
    found = Counter(
        "not run"
        if code is None
        else "killed"
        if code in KILLED
        else "reached by no test"
        if code == UNREACHED
        else "survived"
        for code in codes.values()
    )
    share = found["killed"] / max(1, sum(found.values()) - found["not run"])
    print(f"{module}: {share:.0%} killed of {len(codes)}: {dict(found)}", flush=True)


if __name__ == "__main__":
    main()
