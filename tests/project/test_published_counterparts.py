"""Whoever uses the published client finds every capability here, under the same names."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import wriftai_anyio
from tests.support.clients import Script, client_of

published = pytest.importorskip("wriftai")

RENAMED = {
    "predictions.AsyncCreateWaitOptions": "predictions.AsyncWaitOptions",
    "predictions.CreateWaitOptions": "predictions.WaitOptions",
    "predictions.PredictionStreamEvent": "streams.PredictionStreamEvent",
    "predictions.PredictionStreamEventType": "streams.PredictionStreamEventType",
    "predictions.PredictionWithDetails": "predictions.PredictionWithIO",
}
HANDED_ON = {"common_types.NotRequired", "common_types.Unpack"}
"""What the published client has from `typing_extensions` on old Pythons."""


ELSEWHERE = {"predictions.CreatePredictionParams": {"model"}}
"""Fields that are not here, since `create` has an argument for them, as the reference of predictions says."""


def has_a_contract_of_its_own(dotted: str) -> bool:
    """Whether arguments and members are named otherwise, as the reference of predictions says."""
    return dotted.startswith("predictions.")


@cache
def published_client() -> Any:
    return published.Client("token")


@cache
def our_client() -> wriftai_anyio.Client:
    return client_of(Script())


def public(owner: object) -> Iterator[str]:
    return (name for name in dir(owner) if not name.startswith("_"))


def published_methods() -> list[str]:
    """All methods of the published client, such as "models.async_list"."""
    client = published_client()
    return [
        f"{resource}.{name}"
        for resource in public(client)
        for name in public(getattr(client, resource))
        if callable(getattr(getattr(client, resource), name))
    ]


def published_types() -> list[str]:
    """All public classes and enumerations of the published client, such as "models.ModelsSortBy"."""
    modules = [importlib.import_module(f"wriftai.{each.name}") for each in pkgutil.iter_modules(published.__path__)]
    return sorted(
        f"{module.__name__.removeprefix('wriftai.')}.{name}"
        for module in modules
        if "._" not in module.__name__
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
        if f"{module.__name__.removeprefix('wriftai.')}.{name}" not in HANDED_ON
    )


def ours(dotted: str) -> Any:
    module, _, name = RENAMED.get(dotted, dotted).partition(".")
    return getattr(importlib.import_module(f"wriftai_anyio.{module}"), name)


def theirs(dotted: str) -> Any:
    module, _, name = dotted.partition(".")
    return getattr(importlib.import_module(f"wriftai.{module}"), name)


def method_of(client: object, dotted: str) -> Any:
    resource, _, name = dotted.partition(".")
    return getattr(getattr(client, resource), name)


def parameters(method: Any) -> list[inspect.Parameter]:
    return list(inspect.signature(method).parameters.values())


def test_the_published_client_was_found_whole() -> None:
    found = published_methods()
    assert {"predictions.async_create", "model_versions.get_configuration", "files.upload"} <= set(found)
    assert len(found) > 60


def test_all_methods_are_here() -> None:
    assert [dotted for dotted in published_methods() if not callable(method_of(our_client(), dotted))] == []


def test_methods_take_the_same_arguments_in_the_same_order() -> None:
    for dotted in (each for each in published_methods() if not has_a_contract_of_its_own(each)):
        mine = {each.name: each for each in parameters(method_of(our_client(), dotted))}
        their = parameters(method_of(published_client(), dotted))
        assert list(mine)[: len(their)] == [each.name for each in their], dotted
        may_be_left_out = {each.name for each in their if each.default is not each.empty}
        assert may_be_left_out <= {each.name for each in mine.values() if each.default is not each.empty}, dotted


def test_all_types_are_here() -> None:
    assert [dotted for dotted in published_types() if not isinstance(ours(dotted), type)] == []


def published_types_of(kind: str) -> list[str]:
    return [dotted for dotted in published_types() if kind_of(theirs(dotted)) == kind]


def kind_of(type_: Any) -> str:
    if issubclass(type_, Enum):
        return "enumeration"
    if hasattr(type_, "__required_keys__"):
        return "dictionary"
    return "dataclass" if is_dataclass(type_) else "class"


def test_types_of_all_kinds_are_compared() -> None:
    assert len(published_types_of("dictionary")) > 30
    assert len(published_types_of("enumeration")) > 6
    assert "predictions.CreateWaitOptions" in published_types_of("dataclass")


def test_dictionaries_have_the_same_fields() -> None:
    for dotted in published_types_of("dictionary"):
        their, mine, elsewhere = theirs(dotted), ours(dotted), ELSEWHERE.get(dotted, set())
        assert set(get_type_hints(their)) - elsewhere <= set(get_type_hints(mine)), dotted
        if sys.version_info >= (3, 11):  # before, the published client's `NotRequired` keys count as required
            assert their.__required_keys__ - elsewhere <= mine.__required_keys__, dotted
            assert their.__optional_keys__ <= mine.__optional_keys__, dotted


def test_enumerations_have_the_same_members() -> None:
    for dotted in published_types_of("enumeration"):
        named = not has_a_contract_of_its_own(dotted)
        their, mine = ({(each.name if named else "", each.value) for each in kind(dotted)} for kind in (theirs, ours))
        assert their <= mine, dotted


def test_dataclasses_have_the_same_fields_and_defaults() -> None:
    for dotted in published_types_of("dataclass"):
        their, mine = ({(each.name, each.default) for each in fields(kind(dotted))} for kind in (theirs, ours))
        assert their <= mine, dotted


def test_all_names_of_the_package_are_here() -> None:
    assert set(published.__all__) <= set(wriftai_anyio.__all__)


def test_the_client_is_made_with_the_same_first_arguments() -> None:
    assert [each.name for each in parameters(wriftai_anyio.Client)][:3] == [
        each.name for each in parameters(published.Client)
    ][:3]


def test_the_package_has_the_published_modules() -> None:
    def modules(package: ModuleType) -> set[str]:
        return {each.name for each in pkgutil.iter_modules(package.__path__) if not each.name.startswith("_")}

    assert modules(published) <= modules(wriftai_anyio)
