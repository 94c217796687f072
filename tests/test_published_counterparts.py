"""Whoever uses the published client finds every capability here, under the same names."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from enum import Enum
from functools import cache
from types import ModuleType
from typing import Any, get_type_hints

import pytest

import wriftai_anyio
from support import Script, client_of

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


def has_a_contract_of_its_own(dotted: str) -> bool:
    """Whether names alone are compared: the predictions module has arguments and fields as its reference says."""
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


@pytest.mark.parametrize("dotted", published_methods())
def test_a_method_is_here(dotted: str) -> None:
    assert callable(method_of(our_client(), dotted))


@pytest.mark.parametrize("dotted", [each for each in published_methods() if not has_a_contract_of_its_own(each)])
def test_a_method_takes_the_same_arguments_in_the_same_order(dotted: str) -> None:
    mine = {each.name: each for each in parameters(method_of(our_client(), dotted))}
    their = parameters(method_of(published_client(), dotted))
    assert list(mine)[: len(their)] == [each.name for each in their]
    may_be_left_out = {each.name for each in their if each.default is not each.empty}
    assert may_be_left_out <= {each.name for each in mine.values() if each.default is not each.empty}


@pytest.mark.parametrize("dotted", published_types())
def test_a_type_is_here(dotted: str) -> None:
    assert isinstance(ours(dotted), type)


@pytest.mark.parametrize("dotted", [each for each in published_types() if not has_a_contract_of_its_own(each)])
def test_a_type_has_the_same_fields_or_members(dotted: str) -> None:
    their, mine = theirs(dotted), ours(dotted)
    if issubclass(their, Enum):
        assert {each.name: each.value for each in their}.items() <= {each.name: each.value for each in mine}.items()
    elif hasattr(their, "__required_keys__"):
        assert set(get_type_hints(their)) <= set(get_type_hints(mine))
        if sys.version_info >= (3, 11):  # before, the published client's `NotRequired` keys count as required
            assert their.__required_keys__ <= mine.__required_keys__
            assert their.__optional_keys__ <= mine.__optional_keys__


@pytest.mark.parametrize(
    "kind", ["predictions.Status", "predictions.ErrorSource", "predictions.PredictionStreamEventType"]
)
def test_an_enumeration_of_the_predictions_has_the_same_values(kind: str) -> None:
    assert {each.value for each in theirs(kind)} <= {each.value for each in ours(kind)}


@pytest.mark.parametrize("name", published.__all__)
def test_a_name_of_the_package_is_here(name: str) -> None:
    assert name in wriftai_anyio.__all__


def test_the_client_is_made_with_the_same_first_arguments() -> None:
    assert [each.name for each in parameters(wriftai_anyio.Client)][:3] == [
        each.name for each in parameters(published.Client)
    ][:3]


def test_the_package_has_the_published_modules() -> None:
    def modules(package: ModuleType) -> set[str]:
        return {each.name for each in pkgutil.iter_modules(package.__path__) if not each.name.startswith("_")}

    assert modules(published) <= modules(wriftai_anyio)
