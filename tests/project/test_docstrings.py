"""What is public says what it takes and what it gives, in Google's style."""

import ast
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import NoReturn, TypeGuard

import pytest

from tests.support.public_modules import PACKAGE, public_modules
from tests.support.twins import is_overload
from wriftai_anyio.predictions import Predictions


def exported(module_name: str) -> dict[str, object]:
    module = importlib.import_module(module_name)
    return {name: getattr(module, name) for name in module.__all__}


def is_class(value: object) -> TypeGuard[type]:
    """Before Python 3.11 `inspect.isclass` also says so of a generic alias."""
    return inspect.isclass(value) and not isinstance(value, GenericAlias)


def public_functions(module_name: str) -> Iterator[tuple[str, Callable[..., object]]]:
    for name, value in exported(module_name).items():
        if is_class(value):
            for method_name, method in inspect.getmembers(value, inspect.isfunction):
                if not method_name.startswith("_") and method.__module__.startswith(PACKAGE):
                    yield f"{name}.{method_name}", method
        elif inspect.isfunction(value):
            yield name, value


def unsaid(function: Callable[..., object]) -> Iterator[str]:
    """What a function's docstring leaves out."""
    text = inspect.getdoc(function) or ""
    signature = inspect.signature(function)
    if not text:
        yield "anything"
    for name in signature.parameters:
        if name != "self" and not re.search(rf"^ +\**{name}: ", text, re.MULTILINE):
            yield name
    if signature.return_annotation not in {None, NoReturn} and not re.search("^(Returns|Yields):$", text, re.MULTILINE):
        yield "what it returns"


@pytest.mark.parametrize("module", public_modules())
def test_functions_say_what_they_take_and_give(module: str) -> None:
    complaints = {name: list(unsaid(function)) for name, function in public_functions(module)}
    assert {name: left_out for name, left_out in complaints.items() if left_out} == {}


@pytest.mark.parametrize("module", public_modules())
def test_classes_say_what_they_are_for(module: str) -> None:
    classes = {name: value for name, value in exported(module).items() if is_class(value)}
    assert [name for name, value in classes.items() if not value.__dict__["__doc__"]] == []


@pytest.mark.parametrize("module", public_modules())
def test_examples_are_python(module: str) -> None:
    documented = [function for _, function in public_functions(module)]
    texts = [inspect.getdoc(value) or "" for value in [*documented, *exported(module).values()]]
    for code in re.findall(r"^ *```python\n(.*?)^ *```$", "\n".join(texts), re.MULTILINE | re.DOTALL):
        compile(textwrap.dedent(code), module, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_blocking_twin_is_documented_in_blocking_terms() -> None:
    text = inspect.getdoc(Predictions.create)
    assert text is not None
    assert "async" not in text
    assert "client.predictions.create(" in text


def literal_docstrings(kind: type) -> dict[str, str | None]:
    """The docstrings that stand in the source of a class and its public methods."""
    module = ast.parse(inspect.getsource(importlib.import_module(kind.__module__)))
    (found,) = [each for each in ast.walk(module) if isinstance(each, ast.ClassDef) and each.name == kind.__name__]
    functions = [each for each in found.body if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))]
    public = [each for each in functions if not each.name.startswith("_") and not is_overload(each)]
    # Of a property that can be set, the getter is documented.
    methods = {each.name: ast.get_docstring(each) for each in reversed(public)}
    return {"": ast.get_docstring(found), **methods}


@pytest.mark.parametrize("module", public_modules())
def test_docstrings_stand_in_the_source_as_help_shows_them(module: str) -> None:
    classes = [value for value in exported(module).values() if is_class(value) and value.__module__.startswith(PACKAGE)]
    for kind in (each for value in classes for each in value.__mro__ if each.__module__.startswith(PACKAGE)):
        for name, docstring in literal_docstrings(kind).items():
            assert docstring or kind.__name__.startswith("_"), f"{kind.__name__}.{name}"
            shown = inspect.getdoc(getattr(kind, name) if name else kind)
            assert shown == docstring or not docstring, f"{kind.__name__}.{name}"
