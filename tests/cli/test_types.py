"""`types`: what is printed are types, that both people and pydantic can use, whoever wrote the schemas."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import respx
from pydantic import TypeAdapter, ValidationError

from wriftai_anyio.cli import _types
from wriftai_anyio.sandbox import Model, Sandbox

if sys.version_info >= (3, 12):
    from typing import Any, get_type_hints
else:
    from typing_extensions import Any, get_type_hints  # as in the module that is printed there

from .terminal import Ended, run_here

Run = Callable[..., Ended]

TYPES = "types_of_a_model"
EVIL = "x'\"\"\"\n__import__('os').system('touch owned')\n#\\"


@pytest.fixture
def types_of(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Prints the types of schemas that an API answers, which is asked for nothing else."""
    monkeypatch.setenv("WRIFTAI_API_BASE_URL", "https://api.example/v1")
    monkeypatch.setenv("WRIFTAI_ACCESS_TOKEN", "token")

    def types_of(input_schema: Any, output_schema: Any = None) -> Ended:
        schemas = {"prediction": {"input": input_schema, "output": output_schema}}
        version = {"number": 1, "created_at": "2026-01-01T00:00:00Z", "release_notes": "", "schemas": schemas}
        with respx.mock() as router:
            router.get("https://api.example/v1/models/o/m/versions/1").respond(200, json=version)
            return run_here(capsys, "types", "o/m:1")

    return types_of


@pytest.fixture(autouse=True)
def restored_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes out at the end what `imported` puts in."""
    monkeypatch.setitem(sys.modules, TYPES, ModuleType(TYPES))


def imported(source: str) -> ModuleType:
    module = ModuleType(TYPES)
    sys.modules[TYPES] = module  # where pydantic looks names up
    exec(compile(source, "types_of_a_model.py", "exec"), module.__dict__)
    return module


@pytest.mark.parametrize("reference", ["me/draw", "me/draw:1"])
def test_types_of_a_model_are_printed(run: Run, sandbox: Sandbox, reference: str) -> None:
    schema = {
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": {"type": "string", "maxLength": 9},
            "size": {"$ref": "#/$defs/size", "default": 512},
            "style": {"anyOf": [{"enum": ["ink", "oil"]}, {"type": "null"}]},
            "frame": {"type": "object", "properties": {"color": {"type": "string"}}},
        },
        "$defs": {"size": {"type": "integer", "minimum": 64}},
    }
    sandbox.models["me/draw"] = Model(lambda given: given, schema)
    ended = run("types", reference)
    assert (ended.code, ended.err) == (0, "")
    module = "typing" if sys.version_info >= (3, 12) else "typing_extensions"
    expected = (
        f"# Types of {reference}, by `wriftai-anyio types`.\n\n"
        "from __future__ import annotations\n\n"
        f"from {module} import Any, Literal, NotRequired, TypeAlias, TypedDict\n\n\n"
        "class Frame(TypedDict):\n    color: NotRequired[str]\n\n\n"
        "Size: TypeAlias = int\n\n\n"
        "class Input(TypedDict):\n"
        "    text: str\n"
        "    size: NotRequired[Size]\n"
        "    style: NotRequired[Literal['ink', 'oil'] | None]\n"
        "    frame: NotRequired[Frame]\n\n\n"
        "Output: TypeAlias = Any\n"
    )
    assert sorted(ended.out.rstrip().split("\n\n\n")) == sorted(expected.rstrip().split("\n\n\n"))


def test_pydantic_reads_an_output_by_its_type(types_of: Run) -> None:
    row = {
        "type": "object",
        "required": ["label"],
        "properties": {"label": {"type": "string"}, "box": {"$ref": "#/$defs/box"}, "class": {"type": "integer"}},
    }
    box = {"type": "object", "properties": {"inside": {"$ref": "#/$defs/box"}, "x": {"type": "number"}}}
    ended = types_of({"type": "string"}, {"type": "array", "items": row, "$defs": {"box": box}})
    module = imported(ended.out)
    output = [{"label": "cat", "class": 1, "box": {"x": 1.0, "inside": {"x": 2.0}}}]
    assert TypeAdapter(module.Output).validate_python(output) == output
    with pytest.raises(ValidationError, match="label"):
        TypeAdapter(module.Output).validate_python([{"class": 1}])
    assert module.Input is str


def test_equal_names_in_input_and_output_are_two_types(types_of: Run) -> None:
    def schema(kind: str) -> dict[str, Any]:
        part = {"type": "object", "required": ["a"], "properties": {"a": {"type": kind}}}
        return {"type": "object", "properties": {"a": {"$ref": "#/$defs/Part"}}, "$defs": {"Part": part}}

    module = imported(types_of(schema("string"), schema("integer")).out)
    assert TypeAdapter(module.Input).validate_python({"a": {"a": "x"}})
    assert TypeAdapter(module.Output).validate_python({"a": {"a": 1}})
    with pytest.raises(ValidationError):
        TypeAdapter(module.Output).validate_python({"a": {"a": "x"}})


def test_schema_that_is_left_out_is_any_json(types_of: Run) -> None:
    module = imported(types_of(None, {"title": "Anything"}).out)
    assert (module.Input, module.Output) == (Any, Any)


def test_hostile_names_and_values_are_data(types_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    schema = {
        "type": "object",
        "title": EVIL,
        "description": EVIL,
        "customTypePath": "os.system",
        "customBasePath": "os.system",
        "x-python-import": {"module": "os", "name": "system"},
        "x-python-type": "os.system",
        "additionalProperties": {"$ref": "#/$defs/~1"},
        "properties": {
            EVIL: {"enum": [EVIL, {EVIL: EVIL}], "default": EVIL, "title": EVIL},
            "a): pass\nimport os": {"const": EVIL, "customTypePath": "os.system"},
            "TypedDict": {"type": "object", "properties": {"Any": {}}},
            "eval": {"type": "object", "properties": {"BothSchemas": {"type": "object", "properties": {"x": {}}}}},
        },
        "required": [EVIL],
        "$defs": {"/": {"type": "string", "format": EVIL}, EVIL: {"type": "object", "properties": {EVIL: {}}}},
    }
    ended = types_of(schema, {"type": "array", "items": {**schema, "additionalProperties": True}})
    assert ended.code == 0, ended.err
    nodes = list(ast.walk(ast.parse(ended.out)))
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert modules <= {"__future__", "typing", "typing_extensions"}
    assert not [node for node in nodes if isinstance(node, ast.Import | ast.Attribute | ast.Lambda | ast.FunctionDef)]
    assert EVIL in get_type_hints(imported(ended.out).Input)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "reference",
    ["https://evil.example/schema.json", "other.json", "file:///etc/passwd", "/etc/passwd#/x", "#anchor", "", 7, None],
)
def test_reference_to_elsewhere_is_refused_and_not_fetched(types_of: Run, reference: Any) -> None:
    ended = types_of({"type": "object", "properties": {"a": {"items": {"anyOf": [{"$ref": reference}]}}}})
    assert (ended.code, ended.out, "It was not fetched" in ended.err) == (2, "", True)


def test_id_that_would_make_a_reference_lead_elsewhere_is_left_out(types_of: Run) -> None:
    schema = {"$id": "https://evil.example/", "$ref": "#/$defs/a", "$defs": {"a": {"$id": "x/", "type": "string"}}}
    assert imported(types_of(schema).out).Input is str


def test_definition_whose_name_has_dots_is_a_type_of_the_same_module(types_of: Run) -> None:
    schema: Any = {
        "type": "object",
        "properties": {"size": {"$ref": "#/$defs/my.models.Size"}, "a.b": {"type": "string"}},
        "$defs": {"my.models.Size": {"type": "object", "properties": {"width": {"type": "integer"}}}},
    }
    ended = types_of(schema)
    assert ended.code == 0, ended.err
    hints = get_type_hints(imported(ended.out).Input)
    assert set(hints) == {"size", "a.b"}
    assert set(get_type_hints(hints["size"])) == {"width"}
    schema["$defs"]["my_models.Size"] = {"type": "string"}
    assert types_of(schema).code == 2


def test_reference_to_nothing_exits_with_2(types_of: Run) -> None:
    ended = types_of({"$ref": "#/$defs/none"})
    assert (ended.code, ended.out, "cannot be made into types" in ended.err) == (2, "", True)
    assert len(ended.err.splitlines()) == 1


def test_schema_that_is_nested_too_deeply_exits_with_2(types_of: Run) -> None:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"items": schema}
    ended = types_of(schema)
    assert (ended.code, ended.out, "levels deep" in ended.err) == (2, "", True)


@pytest.mark.parametrize(
    "source",
    [
        *(
            "import os",
            "from os import system",
            "system('x')",
            "[].append(1)",
            "@f\nclass A: pass\nlambda: 0",
            "x[f()]",
        ),
        *("x: 'f()'", "x: list['f()']", "x: list[list['f()'] | None]", "x = A['a', 'f()']", "x = {'a': 'f()'}"),
        *("from typing import Literal\nLiteral = list\n", "from typing import Literal\nclass Literal: pass"),
    ],
)
def test_code_that_does_more_than_define_types_is_not_printed(
    types_of: Run, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr(_types, "_generator", lambda: lambda _: source)
    ended = types_of({})
    assert (ended.code, ended.out, "Nothing was printed" in ended.err) == (2, "", True)


def test_model_without_a_version_exits_with_2(types_of: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with respx.mock() as router:
        router.get("https://api.example/v1/models/o/m").respond(200, json={"id": "1", "latest_version": None})
        ended = run_here(capsys, "types", "o/m")
    assert (ended.code, "no version yet" in ended.err) == (2, True)


def test_without_the_extra_it_is_named_before_anything_is_sent(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datamodel_code_generator", None)
    ended = run("types", "sandbox/echo")
    assert (ended.code, "pip install 'wriftai-anyio[types]'" in ended.err, sandbox.requests) == (2, True, [])
