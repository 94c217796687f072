"""Writes the blocking twins of coroutine methods into the source of the package.

`nox -s twins` brings all of them up to date; `python -m tests.support.twins --check` only names the stale ones.

A method `async_name` of a class has its twin `name` in the same class, or, if the class is an `AsyncKind`, in `Kind` of
the same module (where `aclose` has the twin `close`). The tool writes

- the docstring of every twin: that of the coroutine method, in blocking terms;
- the signature and the body of those twins that only call it (`return self._api.blocking.call(…)`), and the whole twin
  where there is none yet. What takes callbacks, or returns iterators, streams or batches, has a signature and a body of
  its own, written by hand.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

PACKAGE: Final = Path(__file__).parents[2] / "wriftai_anyio"
LINE_LENGTH: Final = 120

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_PHRASES: Final = {
    "A coroutine function is awaited.": "It is called in the calling thread.",
    "An iterable that blocks also blocks the event loop.": "They are read in the calling thread.",
}
"""What differs in more than the words below. A phrase may be broken over lines."""

_WORDS: Final = (
    (re.compile(r"\b([Aa])n async (?=context manager)"), r"\1 "),
    (re.compile(r"\basync (?=for\b|with\b|def\b|context manager|iterator|iterable)"), ""),
    (re.compile(r"\bawait "), ""),
    (re.compile(r"\b(async_|Async|ASYNC_)(?=\w)"), ""),
    (re.compile(r"\ba(?=(close|next|iter)\()"), ""),
)
_FENCE: Final = "```"
_HEADING: Final = re.compile(r"\w+:")
_ENTRY: Final = re.compile(r" +\**[\w.]+: ")


class TwinError(Exception):
    """The source is such that a twin cannot be written."""


@dataclass(frozen=True)
class Pair:
    """A coroutine method, or one that returns an iterator for coroutines, and its blocking twin."""

    kind: ast.ClassDef
    coroutine: Function
    twin: ast.FunctionDef | None

    @property
    def label(self) -> str:
        return f"{self.kind.name}.{self.twin.name if self.twin else self.coroutine.name.removeprefix('async_')}"


@dataclass(frozen=True)
class Edit:
    """Lines that take the place of those from `first` (from 0) up to `end`."""

    first: int
    end: int
    lines: Sequence[str]


def main(arguments: Sequence[str]) -> int:
    checks = list(arguments) == ["--check"]
    stale = [name for path in sources() for name in brought_up_to_date(path, write=not checks)]
    for name in stale:
        print(f"{'stale' if checks else 'written'}: {name}")
    return 1 if checks and stale else 0


def sources() -> Iterator[Path]:
    """The modules that have twins: those that users import, and the bases of the resources."""
    yield from sorted(PACKAGE.glob("*.py"))
    yield from sorted((PACKAGE / "_resources").glob("*.py"))


def brought_up_to_date(path: Path, *, write: bool) -> list[str]:
    """Names the twins of a module that are stale, and writes them if asked to."""
    source = path.read_text(encoding="utf-8")
    stale, renewed = with_twins(source)
    if write and stale:
        path.write_text(renewed, encoding="utf-8")
    return [f"{path.name}: {label}" for label in stale]


def with_twins(source: str) -> tuple[list[str], str]:
    """Returns the names of the stale twins of a module, and its source with all of them up to date."""
    lines = source.splitlines()
    stale: list[str] = []
    edits: list[Edit] = []
    for pair in pairs(ast.parse(source)):
        edit = renewal(pair, lines)
        if lines[edit.first : edit.end] != edit.lines:
            stale.append(pair.label)
            edits.append(edit)
    for edit in sorted(edits, key=lambda each: each.first, reverse=True):
        lines[edit.first : edit.end] = edit.lines
    return stale, "\n".join(lines) + "\n"


def generated_lines(source: str) -> int:
    """Counts the lines of the twins' docstrings, which the limit of a file's size leaves out."""
    docstrings = (docstring_of(pair.twin) for pair in pairs(ast.parse(source)) if pair.twin)
    return sum(each.end_lineno - each.lineno + 1 for each in docstrings if each and each.end_lineno)


def pairs(module: ast.Module) -> Iterator[Pair]:
    """Finds each method that has a twin, or must have one."""
    classes = {each.name: each for each in module.body if isinstance(each, ast.ClassDef)}
    for kind in classes.values():
        blocking = classes.get(kind.name.removeprefix("Async"), kind)
        twins = {each.name: each for each in blocking.body if isinstance(each, ast.FunctionDef)}
        for method in kind.body:
            if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_overload(method):
                name = twin_name(method.name, of_async_kind=blocking is not kind)
                if name:
                    yield Pair(blocking, method, twins.get(name))


def is_overload(function: Function) -> bool:
    """Whether it is a signature for type checkers alone; the method with the docstring comes after those."""
    return any(ast.unparse(each) == "overload" for each in function.decorator_list)


def twin_name(name: str, *, of_async_kind: bool) -> str | None:
    if name.startswith("async_"):
        return name.removeprefix("async_")
    return "close" if of_async_kind and name == "aclose" else None


def renewal(pair: Pair, lines: Sequence[str]) -> Edit:
    """The twin as it must be: the whole of it, or only its docstring if it is written by hand."""
    docstring = docstring_of(pair.coroutine)
    if docstring is None:
        raise TwinError(f"{pair.kind.name}.{pair.coroutine.name} has no docstring.")
    text = blocking_docstring(lines[docstring.lineno - 1 : docstring.end_lineno], docstring.col_offset)
    if pair.twin is None:
        end = pair.coroutine.end_lineno or 0
        return Edit(end, end, ["", *generated(pair, text)])
    if follows_by_rule(pair.twin):
        return Edit(pair.twin.lineno - 1, pair.twin.end_lineno or 0, generated(pair, text))
    present = docstring_of(pair.twin)
    if present:
        return Edit(present.lineno - 1, present.end_lineno or 0, text)
    end = signature_end(pair.twin, lines)
    return Edit(end, end, text)


def docstring_of(function: Function) -> ast.Expr | None:
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return first
    return None


def follows_by_rule(twin: ast.FunctionDef) -> bool:
    """Whether a twin does nothing but call its coroutine method through `blocking.call`."""
    body = twin.body[1:] if docstring_of(twin) else twin.body
    statement = body[0] if len(body) == 1 else None
    call = statement.value if isinstance(statement, (ast.Return, ast.Expr)) else None
    return isinstance(call, ast.Call) and ast.unparse(call.func) in {"self._api.blocking.call", "self.blocking.call"}


def signature_end(function: Function, lines: Sequence[str]) -> int:
    """The number of the line (from 0) after the signature of a function."""
    number = function.returns.end_lineno if function.returns else function.lineno
    number = number or function.lineno
    while not lines[number - 1].partition("#")[0].rstrip().endswith(":"):
        number += 1
    return number


# The code of a twin


def generated(pair: Pair, docstring: Sequence[str]) -> list[str]:
    coroutine = pair.coroutine
    if not isinstance(coroutine, ast.AsyncFunctionDef) or coroutine.returns is None:
        raise TwinError(f"The twin {pair.label} does not follow by rule: write it by hand.")
    indent = " " * coroutine.col_offset
    returns = ast.unparse(coroutine.returns)
    name = coroutine.name.removeprefix("async_")
    api = "self" if pair.kind.name == "API" else "self._api"
    call = f"{'' if returns == 'None' else 'return '}{api}.blocking.call("
    arguments = [f"self.{coroutine.name}", *passed_on(coroutine.args)]
    return [
        *bracketed(f"{indent}def {name}(", parameters(coroutine.args), f") -> {returns}:"),
        *docstring,
        *bracketed(f"{indent}    {call}", arguments, ")"),
    ]


def parameters(arguments: ast.arguments) -> list[str]:
    """The parameters of a function, each as it is written in its signature."""
    if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
        raise TwinError("The twin of a method with *args, **kwargs or positional-only parameters is written by hand.")
    missing: list[None] = [None] * (len(arguments.args) - len(arguments.defaults))
    found = [parameter(*each) for each in zip(arguments.args, [*missing, *arguments.defaults], strict=True)]
    if arguments.kwonlyargs:
        keywords = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        found += ["*", *(parameter(*each) for each in keywords)]
    return found


def parameter(argument: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(argument.annotation)}" if argument.annotation else ""
    return f"{argument.arg}{annotation}" + (f" = {ast.unparse(default)}" if default else "")


def passed_on(arguments: ast.arguments) -> list[str]:
    names = [each.arg for each in arguments.args[1:]]
    return names + [f"{each.arg}={each.arg}" for each in arguments.kwonlyargs]


def bracketed(opening: str, parts: Sequence[str], closing: str) -> list[str]:
    """What stands in brackets, on as few lines as ruff's format takes for it."""
    indent = " " * (len(opening) - len(opening.lstrip()))
    inside = f"{indent}    {', '.join(parts)}"
    if len(opening + inside.lstrip() + closing) <= LINE_LENGTH:
        return [opening + inside.lstrip() + closing]
    if len(inside) <= LINE_LENGTH:
        return [opening, inside, indent + closing]
    return [opening, *(f"{indent}    {each}," for each in parts), indent + closing]


# Its docstring


def blocking_docstring(lines: Sequence[str], indentation: int) -> list[str]:
    """Turns the lines of a coroutine method's docstring into those of its twin's."""
    dedented = [line[indentation:] for line in lines]
    converted = [line for item in items(dedented) for line in in_blocking_terms(item, LINE_LENGTH - indentation)]
    return [f"{' ' * indentation}{line}".rstrip() for line in converted]


def items(lines: Iterable[str]) -> Iterator[list[str]]:
    """Cuts a docstring into what is filled with words apart: paragraphs, entries of sections; and lines of code."""
    item: list[str] = []
    is_code = False
    for line in lines:
        begins = not line.strip() or is_code or _HEADING.fullmatch(line) or _ENTRY.match(line)
        is_fence = line.lstrip().startswith(_FENCE)
        if item and (begins or is_fence or not item[0].strip() or _HEADING.fullmatch(item[0]) or line == '"""'):
            yield item
            item = []
        item.append(line)
        if is_fence:
            is_code = not is_code
        if is_fence or is_code:
            yield item
            item = []
    if item:
        yield item


def in_blocking_terms(item: Sequence[str], width: int) -> list[str]:
    """Puts a paragraph, or a line of code, into blocking terms; its lines stay as they are if no word changes."""
    first = item[0]
    before = " ".join(line.strip() for line in item)
    after = before
    for phrase, replacement in _PHRASES.items():
        after = after.replace(phrase, replacement)
    for pattern, replacement in _WORDS:
        after = pattern.sub(replacement, after)
    if after == before:
        return list(item)
    indent = first[: len(first) - len(first.lstrip())]
    hanging = f"{indent}    " if _ENTRY.match(first) else indent
    return textwrap.wrap(
        after,
        width,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
