"""The shape of the package: how long its files and functions are, how many modules share a folder, what is reached."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.subprocesses import CHECKOUT

PACKAGE = CHECKOUT / "wriftai_anyio"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted(
    path for path in PACKAGE.iterdir() if path.is_dir() and path.name.startswith("_") and "__" not in path.name
)
LONGEST_FILE = 500
LONGEST_FUNCTION = 50
MOST_MODULES = 12


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def docstring_lines(node: ast.AST) -> int:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
        return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
    return 0


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    spelled_twice = {each.name.removeprefix("async_") for each in functions(tree) if each.name.startswith("async_")}
    generated = sum(
        docstring_lines(function)
        for function in functions(tree)
        if isinstance(function, ast.FunctionDef) and function.name in spelled_twice
    )
    assert source.count("\n") - generated <= LONGEST_FILE
    too_long = {
        function.name: length
        for function in functions(tree)
        if (length := (function.end_lineno or 0) - function.lineno + 1 - docstring_lines(function)) > LONGEST_FUNCTION
    }
    assert too_long == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_of_internals_has_few_modules_and_an_empty_front(folder: Path) -> None:
    modules = list(folder.glob("*.py"))
    assert len([module for module in modules if module.name != "__init__.py"]) <= MOST_MODULES
    assert (folder / "__init__.py").read_text(encoding="utf-8") == ""


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_reaches_for_the_private_names_of_another(path: Path) -> None:
    imports = (
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    )
    reached = [
        f"{node.module}.{alias.name}"
        for node in imports
        for alias in node.names
        if node.module and alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert reached == []
