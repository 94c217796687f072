"""Makes a prediction's input from the arguments on the command line."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from wriftai_anyio.json_codec import parse_integer

from ._texts import STANDARD_INPUT, argument_text, decoded, read_text, source_name

if TYPE_CHECKING:
    from wriftai_anyio.common_types import JsonValueWithFile


def given_input(
    source: str | None, fields: Iterable[str], files: Iterable[str]
) -> "tuple[JsonValueWithFile, dict[str, Path]]":
    """Builds the input.

    Args:
        source: A JSON file, or `-` for standard input; `None` if there is none.
        fields: Each is `key=value`; they override fields of the source.
        files: Each is `key=PATH`.

    Returns:
        The input, which is an object unless there are no fields and the source is something else; and the files to
        upload, by the fields that get their addresses.

    Raises:
        ValueError: If they cannot be combined, or a file does not exist.
        OSError: If the source, or the file of a field, cannot be read.
    """
    texts, paths = _pairs(fields, "key=value"), _paths(files)
    if [source, *texts.values()].count(STANDARD_INPUT) > 1:
        raise ValueError("Standard input can be read once: only one of --input and the fields can be `-`.")
    for key in paths:
        if key in texts:
            raise ValueError(f"{key} is given as a value and as a file.")
    base: JsonValueWithFile = {} if source is None else _read_json(source)
    if not texts and not paths:
        return base, paths
    if not isinstance(base, dict):
        raise ValueError(  # noqa: TRY004 -- the argument is wrong
            f"{source_name(source or '')} is not a JSON object, which "
            f"{' and '.join([*texts, *paths])} could be added to."
        )
    return {**base, **{key: _field(key, text) for key, text in texts.items()}}, paths


def _pairs(items: Iterable[str], form: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        key, separator, text = item.partition("=")
        if not separator or not key:
            raise ValueError(f"Write {form}, not {item!r}.")
        if key in found:
            raise ValueError(f"{argument_text(key)} is given twice.")
        found[argument_text(key)] = text
    return found


def _paths(files: Iterable[str]) -> dict[str, Path]:
    paths = {key: Path(path) for key, path in _pairs(files, "--file key=PATH").items()}
    for path in paths.values():
        if not path.is_file():
            raise ValueError(f"There is no file {path}.")
    return paths


def _field(key: str, text: str) -> "JsonValueWithFile":
    """Returns the value of a field: the content of a file or of standard input, or the argument's own text."""
    if text == STANDARD_INPUT:
        return json_or_text(read_text(text))
    if text.startswith("@@"):
        return argument_text(text[1:])
    if not text.startswith("@"):
        return json_or_text(argument_text(text))
    path = text[1:]
    if not Path(path).is_file():
        raise ValueError(f"There is no file {path}. If the text itself begins with @, write two: {key}=@{text}")
    content = Path(path).read_bytes()
    try:
        return json_or_text(decoded(content, path))
    except ValueError:
        raise ValueError(f"{path} is not text in UTF-8. To upload it as a file, write --file {key}={path}") from None


def parse_json(text: str) -> "JsonValueWithFile":
    """Decodes strict JSON, without Python's `NaN` and `Infinity`.

    Raises:
        ValueError: If it is not JSON.
    """
    value: JsonValueWithFile
    try:
        try:
            value = json.loads(text, parse_constant=_refuse)
        except json.JSONDecodeError:
            raise
        except ValueError:  # more digits than Python parses
            value = json.loads(text, parse_constant=_refuse, parse_int=parse_integer)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return value


def _read_json(source: str) -> "JsonValueWithFile":
    text = read_text(source)
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"{source_name(source)} is not JSON: {error}.") from None


def json_or_text(text: str) -> "JsonValueWithFile":
    """Returns the decoded value of JSON, or the text itself if it is not JSON."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
