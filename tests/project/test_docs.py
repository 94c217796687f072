"""The documentation: it builds without a warning, it is whole, and its code runs."""

import ast
import asyncio
import functools
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support.markdown import Block, as_parameters, blocks, run_block, run_in_shell
from tests.support.public_modules import PACKAGE
from tests.support.subprocesses import CHECKOUT, run_pytest, run_python, settings_for
from wriftai_anyio.predictions import CreatePredictionParams, Webhook
from wriftai_anyio.sandbox import Sandbox

DOCS = CHECKOUT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
SERVERS = r"(?m)^(python3 -m wriftai_anyio\.sandbox|wriftai-anyio mcp)\b"
PYTHON = [block for page in PAGES for block in blocks(page, "python")]


BUILD = """
import gc, sys, warnings
warnings.simplefilter("ignore")  # those of Python, about Sphinx's own extensions; its own are errors
from sphinx.application import Sphinx
gc.disable()  # a fifth of the time: what a build makes stays until its end
docs, folder = sys.argv[1:]
made_faster = {"html_theme": "basic", "toc_object_entries": False}
site = Sphinx(docs, docs, folder, folder + "/doctrees", "html", confoverrides=made_faster, status=None,
              warningiserror=True, exception_on_warning=True)
site.build()
sys.exit(site.statuscode)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `nox -s docs` builds it: a warning is an error, such as a link that leads nowhere."""
    folder = tmp_path_factory.mktemp("site")
    # In a process of its own: Sphinx gives the functions that it documents other signatures, for good.
    run_python(["-c", BUILD, DOCS, folder])
    return folder


def reference(site: Path, module: str) -> str:
    return (site / "reference" / f"{module.removeprefix(f'{PACKAGE}.')}.html").read_text(encoding="utf-8")


def test_every_public_name_is_documented_once(site: Path) -> None:
    from docs.public_api import documented, public_modules

    for module in public_modules():
        anchors = re.findall(rf'<dt class="[^"]*" id="({module}\.\w+)"', reference(site, module))
        assert sorted(anchors) == sorted(f"{module}.{name}" for name in documented(module)), module


def test_private_modules_are_not_shown(site: Path) -> None:
    from docs.public_api import public_modules

    for module in public_modules():
        shown = re.sub(r'(id|href|title)="[^"]*"', "", reference(site, module))
        assert f"{PACKAGE}._" not in shown, module


def test_types_of_json_are_named_and_not_spelled_out(site: Path) -> None:
    from docs.public_api import public_modules

    pages = "".join(reference(site, module) for module in public_modules())
    assert "ForwardRef" not in pages
    assert "Params" in pages


def test_both_spellings_share_an_entry(site: Path) -> None:
    page = reference(site, f"{PACKAGE}.predictions")
    (entry,) = re.findall(r'<dl class="py method">\n(<dt(?:(?!<dl|</dl>).)*Predictions\.get".*?)<dd>', page, re.DOTALL)
    assert re.findall(r' id="[\w.]+\.(\w+)"', entry) == ["get", "async_get"]


def test_search_finds_the_words_of_guides_and_reference(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for word in ("notebook", "journal", "async_create_stream", "waittimeouterror"):
        assert word in index.lower()


def test_names_in_guides_and_docstrings_lead_to_the_reference(site: Path) -> None:
    target = f"{PACKAGE}.errors.WaitTimeoutError"
    assert f'href="../reference/errors.html#{target}"' in (site / "how-to" / "deadlines.html").read_text("utf-8")
    assert f'href="errors.html#{target}"' in reference(site, f"{PACKAGE}.predictions")


def test_nothing_of_the_site_comes_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link)\b[^>]*(?:src|href)="(https?:[^"]*)"', page.read_text("utf-8"))
        assert loaded == [], page


@pytest.mark.parametrize(
    ("mentioned", "module", "full"),
    [
        ("Client", None, "client.Client"),
        ("Client.close", None, "client.Client.close"),
        ("Model", "sandbox", "sandbox.Model"),
        ("Model", None, "common_types.Model"),
        ("wriftai_anyio._polling.options.WaitOptions", "predictions", "predictions.WaitOptions"),
        ("httpx.Response", None, None),
    ],
)
def test_full_name_is_where_a_name_is_documented(mentioned: str, module: str | None, full: str | None) -> None:
    from docs.public_api import full_name

    place = module and f"{PACKAGE}.{module}"
    assert full_name(mentioned, place) == (full and f"{PACKAGE}.{full}")


def test_kinds_of_names_are_told_apart() -> None:
    from docs.public_api import kind, public_modules

    predictions = public_modules()[f"{PACKAGE}.predictions"]
    names = ("Predictions", "Prediction", "Status", "DEFAULT_WAIT_OPTIONS")
    assert [kind(getattr(predictions, name)) for name in names] == ["class", "record", "enumeration", "data"]
    assert kind(public_modules()[f"{PACKAGE}.common_types"].JsonValue) == "data"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def printed_by(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Block], str]:
    """Runs a block once, however many tests ask what it prints."""

    @functools.cache
    def run(block: Block) -> str:
        return run_block(block, sandbox, tmp_path_factory.mktemp("block"))

    return run


@pytest.mark.parametrize("block", as_parameters([block for block in PYTHON if not block.is_tests]))
def test_python_block_runs_against_the_sandbox(block: Block, printed_by: Callable[[Block], str]) -> None:
    printed_by(block)


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("block", as_parameters([block for page in PAGES for block in blocks(page, "sh")]))
def test_shell_block_runs_against_the_sandbox(block: Block, sandbox: Sandbox, tmp_path: Path) -> None:
    if block.page.endswith("contributing.md") or block.code.startswith("claude "):
        return  # a checkout's set-up, which CI does; a program of others
    extras = re.findall(r"^python3 -m pip install '\.\[([\w,]+)\]'$", block.code, re.MULTILINE)
    if extras:
        pyproject = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
        assert all(re.search(rf"^{extra} = \[", pyproject, re.MULTILINE) for extra in extras[0].split(","))
    elif re.search(SERVERS, block.code):
        run_in_shell(f"{block.code.strip()} --help".replace("python3", sys.executable), sandbox, tmp_path)
    else:
        printed = run_in_shell(block.code, sandbox, tmp_path)
        for results in re.findall(r"--out (\S+)", block.code):
            assert printed.endswith(f"2 inputs, results in {results}: 2 succeeded\n")


@pytest.mark.parametrize("block", as_parameters([block for page in PAGES for block in blocks(page, "text")]))
def test_output_that_is_shown_is_what_the_program_prints(block: Block, printed_by: Callable[[Block], str]) -> None:
    above = [each for each in PYTHON if (each.page, each.heading) == (block.page, block.heading)]
    if block.code.startswith('{"input": …'):
        params = ast.literal_eval(block.code.replace("…", "..."))
        assert params.keys() <= CreatePredictionParams.__annotations__.keys()
        assert params["webhook"].keys() <= Webhook.__annotations__.keys()
    else:
        assert printed_by(above[-1]) == block.code


@pytest.mark.parametrize("block", as_parameters([block for page in PAGES for block in blocks(page, "json")]))
def test_configuration_of_an_assistant_is_json_that_starts_the_server(block: Block) -> None:
    configuration = json.loads(block.code)
    (server,) = (configuration.get("mcpServers") or configuration["servers"]).values()
    assert "url" in server or (server["command"].rpartition("/")[2], server["args"][0]) == ("wriftai-anyio", "mcp")


def test_there_are_no_blocks_that_no_test_looks_at() -> None:
    languages = {name for page in PAGES for name in re.findall(r"^```(\w+)$", page.read_text("utf-8"), re.MULTILINE)}
    assert languages == {"python", "sh", "text", "json"}


def test_blocks_of_tests_pass(tmp_path: Path) -> None:
    for number, block in enumerate(block for block in PYTHON if block.is_tests):
        (tmp_path / f"test_block_{number}.py").write_text(block.code, encoding="utf-8")
    run_pytest(tmp_path)


def test_every_session_of_nox_is_in_the_table() -> None:
    listed = re.findall(r"^\| `nox -s (\w+)` \|", (DOCS / "contributing.md").read_text(encoding="utf-8"), re.MULTILINE)
    tree = ast.parse((CHECKOUT / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    sessions = [node.name for node in functions if any("session" in ast.unparse(mark) for mark in node.decorator_list)]
    assert sorted(listed) == sorted(sessions)


class TestWebApplications:
    """The applications of the guide answer requests."""

    @pytest.fixture
    def named(self, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
        for name, value in settings_for(sandbox).items():
            monkeypatch.setenv(name, value)

        def names_of(heading: str) -> dict[str, Any]:
            (block,) = (
                block for block in PYTHON if block.page.endswith("web-applications.md") and block.heading == heading
            )
            names: dict[str, Any] = {"__name__": "application"}
            exec(block.code, names)
            return names

        return names_of

    def test_fastapi(self, named: Callable[[str], dict[str, Any]]) -> None:
        with TestClient(named("FastAPI")["app"]) as browser:
            answer = browser.post("/count", params={"text": "to be"})
        assert answer.json() == {"to": 1, "be": 1}

    def test_django(self, named: Callable[[str], dict[str, Any]]) -> None:
        from django.conf import settings  # half a second, which workers of pytest that run other tests need not spend
        from django.test import RequestFactory

        settings.configure(ALLOWED_HOSTS=["testserver"])
        views = named("Django")
        requests = RequestFactory()
        with views["client"]:
            answer = views["count"](requests.get("/", {"text": "to be"}))
            assert json.loads(answer.content) == {"to": 1, "be": 1}
        views = named("Django")
        answer = asyncio.run(views["async_count"](requests.post("/", {"text": "to be"}, "application/json")))
        assert json.loads(answer.content) == {"to": 1, "be": 1}

    def test_flask(self, named: Callable[[str], dict[str, Any]]) -> None:
        names = named("Flask")
        with names["client"]:
            answer = names["app"].test_client().post("/count", json={"text": "to be"})
        assert answer.get_json() == {"to": 1, "be": 1}

    def test_celery(self, named: Callable[[str], dict[str, Any]]) -> None:
        names = named("Celery")
        names["app"].conf.update(task_always_eager=True, task_store_eager_result=False)
        with names["client"]:
            assert names["job"].delay().get() == {"to": 2, "be": 2, "or": 1, "not": 1}
