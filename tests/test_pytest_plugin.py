"""The pytest plugin, as users' tests see it: each test here runs pytest on a file of theirs."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.subprocesses import CHECKOUT, run_pytest, run_python

pytest_plugins = ["pytester"]

ARGUMENTS = (
    *("-p", "anyio", "-p", "trio", "-p", "wriftai_anyio.pytest_plugin"),
    *("-W", "error", "--strict-markers", "--strict-config", "--assert=plain"),
)
LONGEST = 30.0
"""Seconds for tests that would take minutes, were their time not scaled."""

Run = Callable[..., pytest.RunResult]

FIVE_LINES = """
def test_shouting(wriftai_sandbox, wriftai_client):
    wriftai_sandbox.models["me/upper"] = str.upper
    prediction = wriftai_client.predictions.create({"input": "hello"}, "me/upper", wait=True)
    assert prediction["output"] == "HELLO"
    assert [request.path for request in wriftai_sandbox.requests] == ["/v1/predictions"]
"""
FIVE_LINES_ASYNC = FIVE_LINES.replace("def ", "async def ").replace("wriftai_client.pred", "await wriftai_client.pred")
FIVE_LINES_ASYNC = FIVE_LINES_ASYNC.replace(".create(", ".async_create(")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a test file as a user does, with warnings as errors."""
    # Whether the checkout was installed since it has a plugin shall not matter.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(code: str, *arguments: str, passed: int = 0, failed: int = 0, errors: int = 0) -> pytest.RunResult:
        pytester.makepyfile(code)
        began = time.monotonic()
        result = pytester.runpytest_inprocess(*ARGUMENTS, *arguments)
        result.assert_outcomes(passed=passed, failed=failed, errors=errors)
        assert time.monotonic() - began < LONGEST
        return result

    return run


def test_five_lines_test_plain_code(run: Run) -> None:
    run(FIVE_LINES, passed=1)


def test_five_lines_test_coroutines_on_both_backends_of_anyio(run: Run) -> None:
    run(f"import pytest\npytestmark = pytest.mark.anyio\n{FIVE_LINES_ASYNC}", passed=2)


def test_five_lines_test_coroutines_with_pytest_trio(run: Run) -> None:
    run(f"import pytest\npytestmark = pytest.mark.trio\n{FIVE_LINES_ASYNC}", passed=1)


def test_a_client_of_the_tested_code_reaches_the_sandbox(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRIFTAI_API_BASE_URL", "https://api.example/v1")
    monkeypatch.delenv("WRIFTAI_ACCESS_TOKEN", raising=False)
    run(
        """
        import os
        from wriftai_anyio import Client

        def shout(text):
            with Client() as client:
                return client.predictions.create({"input": text}, "me/upper", wait=True)["output"]

        def test_shouting(wriftai_sandbox, monkeypatch):
            monkeypatch.undo()
            wriftai_sandbox.models["me/upper"] = str.upper
            assert shout("hello") == "HELLO"

        def test_the_environment_is_as_before():
            assert os.environ["WRIFTAI_API_BASE_URL"] == "https://api.example/v1"
            assert "WRIFTAI_ACCESS_TOKEN" not in os.environ
        """,
        passed=2,
    )


def test_each_test_has_an_empty_sandbox(run: Run) -> None:
    run(
        """
        import pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_it_is_empty(wriftai_sandbox, wriftai_client, time):
            assert not wriftai_sandbox.requests
            assert not wriftai_sandbox.predictions
            assert "me/upper" not in wriftai_sandbox.models
            wriftai_client.predictions.list()
            wriftai_sandbox.models["me/upper"] = str.upper
            wriftai_client.predictions.create({"input": "hello"}, "me/upper")
            wriftai_sandbox.fail_next(500, times=100)
        """,
        passed=2,
    )


def test_the_client_is_closed_and_nothing_runs_on(run: Run) -> None:
    before = set(threading.enumerate())
    run(
        """
        import pytest

        clients = []

        def test_using_it(wriftai_client):
            wriftai_client.predictions.list()
            clients.append(wriftai_client)

        def test_it_is_closed():
            with pytest.raises(RuntimeError, match="closed"):
                clients[0].predictions.list()
        """,
        passed=2,
    )
    assert set(threading.enumerate()) <= before


TAKES_MINUTES = """
import pytest
from wriftai_anyio import InternalServerError, WaitTimeoutError
from wriftai_anyio.predictions import WaitOptions

SLEEP = {"input": {"seconds": 600}}

def test_a_polled_wait(wriftai_client):
    created = wriftai_client.predictions.create(SLEEP, "sandbox/sleep")
    assert wriftai_client.predictions.wait(created["id"])["status"] == "succeeded"

def test_a_deadline(wriftai_client):
    created = wriftai_client.predictions.create(SLEEP, "sandbox/sleep")
    with pytest.raises(WaitTimeoutError, match="after 60 s"):
        wriftai_client.predictions.wait(created["id"], WaitOptions(timeout=60))

def test_an_outage(wriftai_sandbox, wriftai_client):
    created = wriftai_client.predictions.create(SLEEP, "sandbox/sleep")
    wriftai_sandbox.fail_next(503, times=100_000)
    with pytest.raises(InternalServerError):
        wriftai_client.predictions.wait(created["id"])
"""


def test_minutes_pass_in_a_moment_with_the_setting_of_the_time_scale(run: Run) -> None:
    run(TAKES_MINUTES, "-o", "wriftai_time_scale=500", passed=3)


def test_minutes_pass_in_a_moment_with_the_marker(run: Run) -> None:
    run(f"{TAKES_MINUTES}\npytestmark = pytest.mark.wriftai(time_scale=500)", "-k", "polled", passed=1)


def test_a_deadline_leaves_time_for_the_answer_of_a_create(run: Run) -> None:
    run(
        """
        import pytest
        from wriftai_anyio.predictions import WaitOptions

        @pytest.mark.wriftai(time_scale=10)
        def test_the_hold_is_cut(wriftai_sandbox, wriftai_client):
            options = WaitOptions(timeout=601)
            wriftai_client.predictions.create({"input": 1}, "sandbox/echo", wait=True, wait_options=options)
            assert wriftai_sandbox.requests[0].headers["prefer"] == "wait=60"
        """,
        passed=1,
    )


def test_time_passes_as_it_does_after_a_test_with_another_scale(run: Run) -> None:
    run(
        """
        import pytest
        from wriftai_anyio import WaitTimeoutError
        from wriftai_anyio.predictions import WaitOptions

        @pytest.mark.wriftai(time_scale=1000)
        def test_fast(wriftai_sandbox):
            pass

        def test_as_it_is(wriftai_client):
            created = wriftai_client.predictions.create({"input": {"seconds": 0.05}}, "sandbox/sleep")
            options = WaitOptions(0.01, timeout=9)
            assert wriftai_client.predictions.wait(created["id"], options)["status"] == "succeeded"
        """,
        passed=2,
    )


def test_the_nearest_marker_sets_an_option_of_the_sandbox(run: Run) -> None:
    run(
        """
        import pytest

        pytestmark = pytest.mark.wriftai(access_token="of-the-module", models={"me/upper": str.upper})

        def test_far(wriftai_sandbox):
            assert wriftai_sandbox.access_token == "of-the-module"

        @pytest.mark.wriftai(access_token="of-the-test")
        def test_near(wriftai_sandbox):
            assert wriftai_sandbox.access_token == "of-the-test"
            assert "me/upper" in wriftai_sandbox.models
        """,
        passed=2,
    )


@pytest.mark.parametrize(
    ("marker", "complaint"),
    [
        ("time_scales=2", "unexpected keyword argument 'time_scales'"),
        ("time_scale=0", "time_scale must be a number above 0, not 0"),
        ("100", "*wriftai takes keyword arguments alone*"),
    ],
)
def test_a_wrong_option_is_named(run: Run, marker: str, complaint: str) -> None:
    code = f"import pytest\n@pytest.mark.wriftai({marker})\ndef test_it(wriftai_sandbox): pass"
    run(code, errors=1).stdout.fnmatch_lines(f"*{complaint}*")


def test_a_wrong_time_scale_is_named(run: Run) -> None:
    result = run("def test_it(wriftai_sandbox): pass", "-o", "wriftai_time_scale=fast", errors=1)
    result.stdout.fnmatch_lines("*wriftai_time_scale must be a number, not 'fast'*")


def test_five_lines_test_plain_code_in_a_worker_of_xdist(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(FIVE_LINES, encoding="utf-8")
    assert "1 passed" in run_pytest(tmp_path, "-p", "xdist", "-n1")


def test_a_missing_extra_matters_only_to_tests_that_use_the_sandbox(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['uvicorn'] = None\n", encoding="utf-8")
    (tmp_path / "test_it.py").write_text(f"def test_else(): pass\n{FIVE_LINES}", encoding="utf-8")
    with pytest.raises(AssertionError) as caught:
        run_pytest(tmp_path)
    output = str(caught.value)
    assert "1 passed, 1 error" in output
    assert output.splitlines().count("the sandbox needs uvicorn: pip install 'wriftai-anyio[sandbox]'") == 1
    assert "Traceback" not in output


def test_a_run_that_does_not_use_it_loads_nothing_more() -> None:
    program = (
        "import sys, pytest; before = set(sys.modules); import wriftai_anyio.pytest_plugin; "
        "print(*sorted(set(sys.modules) - before))"
    )
    loaded = run_python(["-c", program]).split()
    assert loaded == ["wriftai_anyio", "wriftai_anyio._version", "wriftai_anyio.pytest_plugin"]


def test_pytest_finds_it_by_itself() -> None:
    pyproject = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nwriftai_anyio = "wriftai_anyio.pytest_plugin"\n' in pyproject
