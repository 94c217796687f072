"""What is public can be read at run time, and refers to public types alone."""

import importlib
import inspect
import types
import typing
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.public_modules import PACKAGE, public_modules


def exported(module_name: str) -> dict[str, object]:
    module = importlib.import_module(module_name)
    return {name: getattr(module, name) for name in module.__all__}


@cache
def public_ids() -> set[int]:
    return {id(value) for module in public_modules() for value in exported(module).values()}


def public_things(module: str) -> Iterator[tuple[str, object]]:
    for name, value in exported(module).items():
        if isinstance(value, type) and not isinstance(value, types.GenericAlias):
            yield name, value
            yield from public_methods(name, value)
        elif inspect.isfunction(value):
            yield name, value


def public_methods(name: str, kind: type) -> Iterator[tuple[str, object]]:
    for method_name, method in inspect.getmembers(kind):
        function = method.fget if isinstance(method, property) else inspect.unwrap(method)
        named = not method_name.startswith("_") or method_name in {"__init__", "__call__"}
        if named and inspect.isroutine(function) and (getattr(function, "__module__", None) or "").startswith(PACKAGE):
            yield f"{name}.{method_name}", getattr(function, "__func__", function)


def named(annotation: object) -> Iterator[object]:
    """The classes and aliases that an annotation is made of."""
    parts = annotation if isinstance(annotation, list) else typing.get_args(annotation)
    for part in parts:
        yield from named(part)
    yield typing.get_origin(annotation) or annotation


def test_public_things_are_found() -> None:
    found = dict(public_things(f"{PACKAGE}.predictions"))
    assert {"Predictions", "Predictions.async_create", "Predictions.create", "PredictionWithIO"} <= set(found)
    assert sum(1 for module in public_modules() for _ in public_things(module)) > 400


@pytest.mark.parametrize("module", public_modules())
def test_hints_resolve(module: str) -> None:
    for _, thing in public_things(module):
        typing.get_type_hints(thing)


MADE_BY_THE_CLIENT = {
    "API",
    "AsyncBatch",
    "AsyncItems",
    "AsyncOutputStream",
    "AsyncPredictionStream",
    "Batch",
    "Items",
    "OutputStream",
    "PredictionStream",
}
"""Classes whose instances users are given: their constructors are the package's own."""
INTERNAL = {f"{kind}.__init__" for kind in MADE_BY_THE_CLIENT}


def private_types(thing: object) -> set[str]:
    """Names the types that only the package knows; of private attributes too, Sphinx adds annotations to classes."""
    return {
        f"{each.__module__}.{each.__qualname__}"
        for name, hint in typing.get_type_hints(thing).items()
        if not name.startswith("_")
        for each in named(hint)
        if isinstance(each, type) and each.__module__.startswith(PACKAGE) and id(each) not in public_ids()
    }


@pytest.mark.parametrize("module", public_modules())
def test_signatures_name_public_types(module: str) -> None:
    named_privately = {name: private_types(thing) for name, thing in public_things(module) if name not in INTERNAL}
    assert {name: private for name, private in named_privately.items() if private} == {}
