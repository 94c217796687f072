import importlib
from types import ModuleType

import pytest

import wriftai_anyio
from tests.support.public_modules import PACKAGE, public_modules
from wriftai_anyio import errors


def visible_names(module: ModuleType) -> set[str]:
    values = vars(module).items()
    return {name for name, value in values if not name.startswith("_") and not isinstance(value, ModuleType)}


def own_classes(module: ModuleType) -> set[str]:
    """The public classes that a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    }


@pytest.mark.parametrize("name", sorted(set(public_modules()) - {PACKAGE}))
def test_public_module_has_an_all_whose_names_exist(name: str) -> None:
    module = importlib.import_module(name)
    exported = module.__all__
    assert len(set(exported)) == len(exported)
    assert [entry for entry in exported if not hasattr(module, entry)] == []


def test_package_exports_every_name_that_it_shows() -> None:
    assert visible_names(wriftai_anyio) <= set(wriftai_anyio.__all__)


def test_package_exports_every_error() -> None:
    assert set(errors.__all__) <= set(wriftai_anyio.__all__)


def test_errors_all_holds_every_error() -> None:
    assert own_classes(errors) == set(errors.__all__)


def test_star_import_gives_what_is_exported() -> None:
    namespace: dict[str, object] = {}
    exec("from wriftai_anyio import *", namespace)
    assert set(wriftai_anyio.__all__) <= set(namespace)
