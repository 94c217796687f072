import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import httpx
import pytest

from tests.support.patience import AT_ONCE, PATIENCE, until
from wriftai_anyio.sandbox import Sandbox

from .helpers import Connect

SLEEP = {"model": "sandbox/sleep", "input": {"seconds": 60}}


def test_the_token_is_wanted(sandbox: Sandbox, anyone: httpx.Client) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": sandbox.access_token}):
        answer = anyone.get(f"{sandbox.base_url}/predictions", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_the_token_is_not_in_the_repr(sandbox: Sandbox) -> None:
    assert sandbox.access_token not in repr(sandbox)
    assert sandbox.base_url in repr(sandbox)


def test_requests_are_recorded(sandbox: Sandbox, http: httpx.Client) -> None:
    answer = http.post("/predictions?x=1", json=SLEEP, headers={"X-Trace": "7"})
    recorded = sandbox.requests[-1]
    assert (recorded.method, recorded.path, recorded.status) == ("POST", "/v1/predictions", 201)
    assert (recorded.query["x"], recorded.headers["x-trace"]) == ("1", "7")
    assert json.loads(recorded.body) == SLEEP
    assert answer.headers["x-request-id"] == recorded.request_id
    assert abs(time.monotonic() - recorded.arrived_at) < PATIENCE


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/predictions", 405)])
def test_unknown_paths_and_methods_are_refused_in_json(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status
    assert isinstance(answer.json()["detail"], str)


def test_a_reset_leaves_only_the_first_models(connect: Connect) -> None:
    with Sandbox(models={"me/first": lambda given: given}) as sandbox:
        connect(sandbox).post("/predictions", json=SLEEP)
        sandbox.models["me/second"] = lambda given: given
        sandbox.reset()
        assert (sandbox.predictions, sandbox.requests) == ([], [])
        assert "me/first" in sandbox.models
        assert "sandbox/echo" in sandbox.models
        assert "me/second" not in sandbox.models


def test_a_reset_ends_what_is_under_way(sandbox: Sandbox, http: httpx.Client) -> None:
    left = threading.Event()

    async def wait_forever(_given: object) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            left.set()

    sandbox.models["me/wait"] = wait_forever
    http.post("/predictions", json={"model": "me/wait", "input": {}})
    until(lambda: sandbox.predictions[0]["status"] == "started")
    sandbox.reset()
    assert left.wait(PATIENCE)


def test_predictions_that_have_ended_are_not_looked_through_for_those_under_way(
    sandbox: Sandbox, http: httpx.Client
) -> None:
    echo = {"model": "sandbox/echo", "input": {}}
    http.post("/predictions", json=echo, headers={"prefer": "wait"})
    until(lambda: not sandbox._state.predictions._active)


def test_leaving_ends_held_connections_threads_and_sockets_at_once(connect: Connect) -> None:
    before = set(threading.enumerate())
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        with Sandbox() as sandbox:
            http = connect(sandbox)
            held = [pool.submit(http.post, "/predictions", json=SLEEP, headers={"prefer": "wait"}) for _ in range(8)]
            until(lambda: len(sandbox.predictions) == 8)
            stopping = time.monotonic()
        assert time.monotonic() - stopping < AT_ONCE
        for answer in held:
            assert isinstance(answer.exception(PATIENCE), httpx.TransportError)
    http.close()
    until(lambda: set(threading.enumerate()) <= before)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(http.base_url.port or 0)))
    assert time.monotonic() - began < PATIENCE


def test_leaving_does_not_wait_for_a_function_that_blocks(connect: Connect) -> None:
    release = threading.Event()
    with Sandbox(models={"me/block": lambda _given: release.wait(PATIENCE)}, setup_time=0) as sandbox:
        connect(sandbox).post("/predictions", json={"model": "me/block", "input": {}})
        until(lambda: sandbox.predictions[0]["status"] == "started")
        stopping = time.monotonic()
    assert time.monotonic() - stopping < AT_ONCE
    release.set()


def test_a_client_that_leaves_a_hold_frees_its_request(sandbox: Sandbox, http: httpx.Client) -> None:
    with pytest.raises(httpx.ReadTimeout):
        http.post("/predictions", json=SLEEP, headers={"prefer": "wait"}, timeout=0.05)
    until(lambda: sandbox.requests[-1].status == 201)


def test_it_can_be_started_again(connect: Connect) -> None:
    sandbox = Sandbox()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = sandbox.base_url
    for _ in range(2):
        with sandbox:
            assert connect(sandbox).get("/predictions").status_code == 200
            with pytest.raises(RuntimeError, match="running already"):
                sandbox.start()
    sandbox.stop()


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Sandbox(port=taken.getsockname()[1]).start()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_as_a_program_it_says_how_to_reach_it_and_ends_quietly(number: signal.Signals) -> None:
    command = [sys.executable, "-W", "error", "-m", "wriftai_anyio.sandbox"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(2)]
        variables = dict(line.removeprefix("export ").split("=", 1) for line in lines)
        answer = httpx.get(
            f"{variables['WRIFTAI_API_BASE_URL']}/predictions",
            headers={"authorization": f"Bearer {variables['WRIFTAI_ACCESS_TOKEN']}"},
        )
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE) == ("", "")
    assert (answer.status_code, process.returncode) == (200, 0)


def test_a_missing_extra_is_an_error_which_names_it() -> None:
    program = "import sys; sys.modules['uvicorn'] = None; import wriftai_anyio.sandbox"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "ImportError: the sandbox needs uvicorn: pip install 'wriftai-anyio[sandbox]'" in result.stderr
