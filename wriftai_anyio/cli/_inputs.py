"""A prediction's input out of what is on the command line."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wriftai_anyio.common_types import JsonValueWithFile


def given_input(
    source: str | None, fields: Iterable[str], files: Iterable[str]
) -> "tuple[JsonValueWithFile, dict[str, Path]]":
    """Puts the input together.

    Args:
        source: A JSON file, or `-` for standard input; `None` if there is none.
        fields: `key=value` each; they go over those of the source.
        files: `key=PATH` each.

    Returns:
        The input, which is an object unless the source is something else and there are no fields; and the files to
        upload, by the fields that get their addresses.

    Raises:
        ValueError: If they cannot be put together, or there is no such file.
        OSError: If the source cannot be read.
    """
    base: JsonValueWithFile = {} if source is None else _read(source)
    values = {key: _value(text) for key, text in _pairs(fields, "key=value").items()}
    paths = {key: Path(path) for key, path in _pairs(files, "--file key=PATH").items()}
    for key, path in paths.items():
        if key in values:
            raise ValueError(f"{key} is given as a value and as a file.")
        if not path.is_file():
            raise ValueError(f"There is no file {path}.")
    if not values and not paths:
        return base, paths
    if not isinstance(base, dict):
        raise ValueError(  # noqa: TRY004 -- it is what was given that is wrong
            f"{_name(source)} holds no JSON object, which {' and '.join([*values, *paths])} could be added to."
        )
    return {**base, **values}, paths


def _pairs(items: Iterable[str], form: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        key, separator, text = item.partition("=")
        if not separator or not key:
            raise ValueError(f"Write {form}, not {item!r}.")
        if key in found:
            raise ValueError(f"{key} is given twice.")
        found[key] = text
    return found


def parse_json(text: str) -> "JsonValueWithFile":
    """Decodes JSON proper, without Python's `NaN` and `Infinity`.

    Raises:
        ValueError: If it is none.
    """
    try:
        value: JsonValueWithFile = json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _read(source: str) -> "JsonValueWithFile":
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig")
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"{_name(source)} is not JSON: {error}.") from None


def _name(source: str | None) -> str:
    return "Standard input" if source == "-" else str(source)


def _value(text: str) -> "JsonValueWithFile":
    try:
        return parse_json(text)
    except ValueError:
        return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
