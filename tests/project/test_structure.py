"""The shape of the package: how long its files and functions are, how many modules share a folder, what is reached."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.subprocesses import CHECKOUT
from tests.support.twins import docstring_of, generated_lines

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


def docstring_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    docstring = docstring_of(node)
    return (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or 0) - node.lineno + 1 - docstring_lines(node)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_files_are_short() -> None:
    sources = {name(path): path.read_text(encoding="utf-8") for path in MODULES}
    lengths = {module: source.count("\n") - generated_lines(source) for module, source in sources.items()}
    assert {module: lines for module, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    trees = {name(path): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
    lengths = {(module, each.name): length(each) for module, tree in trees.items() for each in functions(tree)}
    assert {function: lines for function, lines in lengths.items() if lines > LONGEST_FUNCTION} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_a_folder_of_internals_has_few_modules_and_an_empty_front(folder: Path) -> None:
    modules = list(folder.glob("*.py"))
    assert len([module for module in modules if module.name != "__init__.py"]) <= MOST_MODULES
    assert (folder / "__init__.py").read_text(encoding="utf-8") == ""


def private_imports(path: Path) -> list[str]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]


def test_no_module_reaches_for_the_private_names_of_another() -> None:
    assert {name(path): reached for path in MODULES if (reached := private_imports(path))} == {}
