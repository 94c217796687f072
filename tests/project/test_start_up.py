"""What a process loads, and when: little with the import and a client, and nothing once a create may be on its way."""

from modulefinder import ModuleFinder
from pathlib import Path

import pytest

from tests.support.subprocesses import CHECKOUT, run_python, settings_for
from wriftai_anyio.sandbox import Sandbox

LATE = (
    *("anyio._core", "anyio.abc", "anyio.from_thread", "anyio.lowlevel", "anyio.streams", "httpcore", "sqlite3"),
    *("_batch.journal", "_blocking.loop_thread", "_blocking.portal", "_files.object_store"),
    *("_files.transfers", "_pipeline", "_polling.poller", "_polling.shared_polls", "_polling.webhook_hints"),
    *("_predictions.operations", "_rate_limits.bucket", "_transport.connections", "_transport.network"),
    *(
        "_transport.direct",
        "_transport.pools",
        "_transport.proxies",
        "_transport.tls",
        "progress",
        "tracing",
        "webhooks",
    ),
)
"""What only calls need, or few clients."""
OF_OTHERS = ("asyncio", "concurrent.futures.process", "decimal", "opentelemetry", "pydantic", "tqdm", "trio")
"""The same of what is not ours to load."""

LOADED = """
def loaded():
    return {name.removeprefix("wriftai_anyio.") for name in sys.modules}
"""


def run(program: str, sandbox: Sandbox | None = None) -> str:
    return run_python(["-c", f"import sys\n{LOADED}\n{program}"], settings_for(sandbox) if sandbox else None)


def test_a_client_loads_nothing_that_only_calls_need() -> None:
    program = f"from wriftai_anyio import Client; Client('t'); print(sorted({set(LATE + OF_OTHERS)!r} & loaded()))"
    assert run(program) == "[]\n"


@pytest.mark.parametrize(("turn", "most"), [("enable", 1), ("disable", 0)])
def test_the_garbage_collector_rests_while_the_package_is_imported_and_is_then_as_it_was(turn: str, most: int) -> None:
    program = f"""
import gc, wriftai_anyio
gc.{turn}()
before, collections = gc.isenabled(), []
gc.callbacks.append(lambda phase, info: collections.append(phase))
wriftai_anyio.Client  # the first collection comes when the collector is on again
print(len(collections) <= 2 * {most}, gc.isenabled() is before)
"""
    assert run(program) == "True True\n"


def test_the_first_call_of_any_kind_loads_what_all_calls_need(sandbox: Sandbox) -> None:
    program = f"from wriftai_anyio import Client; Client().models.list(); print(sorted({set(LATE)!r} - loaded()))"
    assert run(program, sandbox) == "['_batch.journal', 'progress', 'sqlite3', 'tracing', 'webhooks']\n"


@pytest.mark.parametrize(
    "call",
    [
        "client.predictions.create({'input': 1}, 'sandbox/echo', True, WaitOptions(cancel_on_exit=True, timeout=60))",
        "list(client.stream('sandbox/echo', 'ab'))",
        "list(client.map('sandbox/echo', [1]))",
        "anyio.run(partial(client.predictions.async_create, {'input': 1}, 'sandbox/echo', wait=True))",
    ],
)
def test_nothing_is_loaded_once_a_create_may_be_on_its_way(sandbox: Sandbox, call: str) -> None:
    program = f"""
import anyio
from functools import partial
from wriftai_anyio import Client, WaitOptions

def before(event):
    if event.method == "POST":
        known.append(loaded())

known = []
client = Client(on_request=before)
print(bool({call}))
new = loaded() - known[0]
print(sorted(name for name in new if "wriftai_anyio." + name in sys.modules or name.startswith("anyio._core")))
"""
    shown = run(program, sandbox)
    loaded = shown.splitlines()[1]
    assert shown.splitlines()[0] == "True"
    # The first comes with httpcore, before a client's first connection; with the others httpcore connects.
    assert set(eval(loaded)) <= {"_transport.direct", "anyio._core._sockets", "anyio._core._resources"}


def test_what_connects_is_loaded_before_the_first_connection() -> None:
    program = """
from wriftai_anyio._transport.network import Network
Network().prepare("http")
print({"httpcore", "_transport.direct"} <= loaded())
"""
    assert run(program) == "True\n"


def test_freezers_find_in_the_source_what_a_program_imports_late(tmp_path: Path, sandbox: Sandbox) -> None:
    program = """
from wriftai_anyio import Client, File, WebhookReceiver
client = Client()
client.predictions.create({"input": File(b"abc")}, "sandbox/echo", wait=True)
print(*sorted(name for name in sys.modules if name.startswith("wriftai_anyio.")), sep="\\n")
"""
    imported = run(program, sandbox).split()
    script = tmp_path / "program.py"
    script.write_text("from wriftai_anyio import Client")
    finder = ModuleFinder([str(CHECKOUT)])
    finder.run_script(str(script))
    assert len(imported) > 50
    assert set(imported) - set(finder.modules) == set()


def test_threads_that_make_the_first_call_at_once_all_get_their_answers(sandbox: Sandbox) -> None:
    program = """
import threading
from wriftai_anyio import Client, File
client = Client()
calls = [
    client.predictions.list,
    lambda: client.predictions.create({"input": 1}, "sandbox/echo", wait=True),
    client.models.list,
    lambda: client.files.upload(File(b"abc")),
]
start, answers = threading.Barrier(8), []
def call(function):
    start.wait(60)
    answers.append(bool(function()))
threads = [threading.Thread(target=call, args=(function,)) for function in calls * 2]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join(60)
client.close()
print(len(answers), all(answers))
"""
    assert run(program, sandbox) == "8 True\n"


def test_a_first_call_that_ctrl_c_interrupts_while_it_imports_can_be_made_again(sandbox: Sandbox) -> None:
    program = """
from wriftai_anyio import Client, File

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name.removeprefix("wriftai_anyio.") in waiting:
            waiting.remove(name.removeprefix("wriftai_anyio."))
            raise KeyboardInterrupt

waiting = ["_pipeline.engine", "_transport.pools", "_polling.poller", "_files.multipart"]
sys.meta_path.insert(0, Interrupting())
client = Client()
for _ in range(5):
    try:
        created = client.predictions.create({"input": File(b"abc")}, "sandbox/echo", wait=True)
    except KeyboardInterrupt:
        print("interrupted")
    else:
        print(created["status"])
client.close()
"""
    assert run(program, sandbox) == "interrupted\n" * 4 + "succeeded\n"
    assert [request.path for request in sandbox.requests].count("/v1/predictions") == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("other", ["client", "Client(backend=backend)"])
@pytest.mark.parametrize("module", ["_pipeline.engine", "_predictions.operations", "anyio._backends._{backend}"])
def test_a_call_that_interrupts_the_imports_of_a_first_call_is_refused_and_that_call_goes_on(
    sandbox: Sandbox, backend: str, other: str, module: str
) -> None:
    # A signal handler or a finalizer may run at any import, the latter in the portal's thread also.
    program = f"""
from wriftai_anyio import Client

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name.removeprefix("wriftai_anyio.") == "{module.format(backend=backend)}":
            sys.meta_path.remove(self)
            try:
                other.predictions.list()
            except RuntimeError as error:
                print(str(error)[:27])

backend = "{backend}"
client = Client(backend=backend)
other = {other}
sys.meta_path.insert(0, Interrupting())
print(client.predictions.create({{"input": 1}}, "sandbox/echo", wait=True)["status"])
print(len(other.predictions.list().items))
"""
    assert run(program, sandbox) == "This thread was interrupted\nsucceeded\n1\n"
    assert len(sandbox.predictions) == 1


def test_a_client_that_was_closed_before_its_first_call_loads_nothing_for_that_and_refuses_calls() -> None:
    program = """
from wriftai_anyio import Client
client = Client("t", "http://localhost:1")
before = loaded()
client.close()
print(loaded() - before)
try:
    client.predictions.list()
except RuntimeError as error:
    print(error)
"""
    assert run(program) == "set()\nThis client is closed. Make a new Client.\n"


def test_a_client_that_is_closed_while_python_shuts_down_says_nothing() -> None:
    program = """
from wriftai_anyio import Client
class Owner:
    def __init__(self):
        self.client = Client("t", "http://localhost:1")
    def __del__(self):
        self.client.close()
        print("closed")
owner = Owner()
"""
    assert run(program) == "closed\n"
