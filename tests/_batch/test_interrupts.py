"""Batches in processes that are killed, or interrupted by Ctrl-C."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.batches import MODEL, upper
from tests.support.patience import AT_ONCE
from tests.support.subprocesses import LONGEST_RUN, run_python, settings_for
from wriftai_anyio.sandbox import RateLimits, Sandbox

INTERRUPTED = """
import sys
from wriftai_anyio import Client
from wriftai_anyio.predictions import WaitOptions

inputs = ({"input": {"text": f"t{number}"}} for number in range(50))
with Client(backend=sys.argv[2]) as client:
    options = WaitOptions(poll_interval=0.02)
    with client.predictions.batch(inputs, "me/upper", journal=sys.argv[1], wait_options=options) as results:
        for result in results:
            print(result.prediction["output"], flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="a process cannot be waited for without reaping it here")
def test_a_batch_survives_a_kill_at_any_moment_and_creates_nothing_twice() -> None:
    # A few of the moments that `python -m tests.benchmarks kills` tries.
    printed = run_python(["-m", "tests.benchmarks.kills", "2", "50"])
    assert printed.count("  met") == 8, printed


@pytest.mark.skipif(os.name != "posix", reason="a signal cannot be sent to a single process here")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_batch_left_by_ctrl_c_knows_all_that_it_created_and_goes_on(tmp_path: Path, backend: str) -> None:
    journal = tmp_path / "journal"
    with Sandbox({MODEL: upper}, rate_limits=RateLimits(creates=40, others=80)) as sandbox:
        arguments: list[str | Path] = ["-c", INTERRUPTED, journal, backend]
        with subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **settings_for(sandbox)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            interrupted = time.monotonic()
            _, errors = process.communicate(timeout=LONGEST_RUN)
        assert time.monotonic() - interrupted < 2 * AT_ONCE
        assert errors.rstrip().endswith("KeyboardInterrupt")
        with closing(sqlite3.connect(journal)) as database:
            known = database.execute("SELECT prediction_id FROM entries WHERE sent_at IS NOT NULL").fetchall()
        assert {prediction_id for (prediction_id,) in known} == {each["id"] for each in sandbox.predictions}
        assert len(known) < 50
        assert len(run_python(arguments, settings_for(sandbox)).splitlines()) == 50
        assert len(sandbox.predictions) == 50
