"""The examples in docstrings run against the sandbox, as those of the guides do."""

import ast
import csv
import importlib
import inspect
import io
import os
import re
import textwrap
from collections.abc import Iterator
from functools import partial
from inspect import CO_COROUTINE
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from tests.support.public_modules import public_modules
from tests.support.signing import SECRET, signed
from tests.support.subprocesses import run_pytest, settings_for
from wriftai_anyio import BatchResult, Client
from wriftai_anyio.predictions import CreatePredictionParams
from wriftai_anyio.progress import RichProgress
from wriftai_anyio.sandbox import Sandbox

_EXAMPLE = re.compile(r"^( *)```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def docstrings() -> Iterator[tuple[str, str]]:
    """Finds the docstrings of the public modules, their classes, methods and functions."""
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        yield module_name, inspect.getdoc(module) or ""
        for name in module.__all__:
            value = getattr(module, name)
            yield name, inspect.getdoc(value) or ""
            for method_name, method in vars(value).items() if inspect.isclass(value) else ():
                if not method_name.startswith("_"):
                    yield f"{name}.{method_name}", inspect.getdoc(method) or ""


def examples() -> dict[str, str]:
    """Finds each example once, by where it stands first."""
    found = [(textwrap.dedent(match[2]), name) for name, text in docstrings() for match in _EXAMPLE.finditer(text)]
    places = dict(reversed(found))
    return {f"{name}-{number}": code for number, (code, name) in enumerate(places.items())}


EXAMPLES = examples()


def test_no_example_is_overlooked() -> None:
    package = Path(importlib.import_module("wriftai_anyio").__file__ or "").parent
    sources = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    written = {textwrap.dedent(match[2]) for match in _EXAMPLE.finditer(sources)}
    assert written == set(EXAMPLES.values())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("cat.png", "talk.mp3"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    return tmp_path


@pytest.fixture
def names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the examples take for granted."""
    with Sandbox() as sandbox, RichProgress() as progress:
        for name, value in settings_for(sandbox).items():
            monkeypatch.setenv(name, value)
        picture = sandbox.add_file(b"a picture", "image/png")
        sandbox.models["me/draw"] = lambda _: {"url": picture, "image": picture}
        sandbox.models["o/text"] = lambda given: f"words about {given}"
        client = Client()
        params: CreatePredictionParams = {"input": {"text": "to be"}}
        created = client.predictions.create(params, "sandbox/word-count", stream=True)
        prediction = client.predictions.create({"input": {}}, "me/draw", wait=True)
        shown = BatchResult(0, params, prediction, None)
        modules = map(importlib.import_module, public_modules())
        public = {name: getattr(module, name) for module in modules for name in module.__all__}
        yield public | {
            "Path": Path,
            "os": os,
            "Starlette": Starlette,
            "Route": Route,
            "client": client,
            "prediction_id": created["id"],
            "prediction": prediction,
            "model": "sandbox/echo",
            "inputs": [params],
            "path": Path("cat.png"),
            "progress": progress,
            "folder": folder,
            "body": b"{}",
            "headers": {"wriftai-webhook-signature": signed(b"{}")},
            "secret": SECRET,
            "upload": SimpleNamespace(filename="../cat.png"),
            "result": shown,
            "writer": csv.DictWriter(io.StringIO(), shown.to_row()),
        }
        client.close()


@pytest.mark.parametrize("place", EXAMPLES)
def test_example_runs(place: str, names: dict[str, Any]) -> None:
    code = EXAMPLES[place]
    if "def test_" in code:
        path = Path("test_example.py")
        path.write_text(code, encoding="utf-8")
        run_pytest(path.absolute())
        return
    compiled = compile(code, place, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    run = partial(eval, compiled, names)
    anyio.run(run) if compiled.co_flags & CO_COROUTINE else run()
