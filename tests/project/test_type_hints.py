"""What is public can be read at run time, and refers to public types alone."""

import importlib
import inspect
import types
import typing
from collections.abc import Iterator

import pytest

from tests.support.public_modules import PACKAGE, public_modules

MODULES = {name: importlib.import_module(name) for name in public_modules()}
PUBLIC = {id(getattr(module, name)) for module in MODULES.values() for name in module.__all__}


def public_things() -> Iterator[tuple[str, object]]:
    for module_name, module in MODULES.items():
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, type) and not isinstance(value, types.GenericAlias):
                yield f"{module_name}.{name}", value
                for method_name, method in inspect.getmembers(value):
                    function = method.fget if isinstance(method, property) else inspect.unwrap(method)
                    named = not method_name.startswith("_") or method_name in {"__init__", "__call__"}
                    if (
                        named
                        and inspect.isroutine(function)
                        and (getattr(function, "__module__", None) or "").startswith(PACKAGE)
                    ):
                        yield f"{module_name}.{name}.{method_name}", getattr(function, "__func__", function)
            elif inspect.isfunction(value):
                yield f"{module_name}.{name}", value


THINGS = dict(public_things())


def named(annotation: object) -> Iterator[object]:
    """The classes and aliases that an annotation is made of."""
    parts = annotation if isinstance(annotation, list) else typing.get_args(annotation)
    for part in parts:
        yield from named(part)
    yield typing.get_origin(annotation) or annotation


@pytest.mark.parametrize("name", THINGS)
def test_hints_resolve(name: str) -> None:
    typing.get_type_hints(THINGS[name])


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
INTERNAL = {"API.ask", "API.open"} | {f"{kind}.__init__" for kind in MADE_BY_THE_CLIENT}


def private_types(thing: object) -> set[str]:
    hints = typing.get_type_hints(thing)
    return {
        f"{each.__module__}.{each.__qualname__}"
        for hint in hints.values()
        for each in named(hint)
        if isinstance(each, type) and each.__module__.startswith(PACKAGE) and id(each) not in PUBLIC
    }


@pytest.mark.parametrize("name", [name for name in THINGS if ".".join(name.split(".")[-2:]) not in INTERNAL])
def test_signatures_name_public_types(name: str) -> None:
    assert private_types(THINGS[name]) == set()
