"""JSON as text, also where Python's own module gives up: integers of thousands of digits, and deep nesting.

Python refuses to turn more than 4,300 digits into an integer or back, since the time for it grows with the square of
their number, and its decoder and encoder recurse. Both are valid JSON: an output may have them, and it is paid for.
"""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias, cast

from ._types.json import JsonValue

__all__ = ["JSONTextError", "decode_json", "encode_json"]

MOST_DIGITS: Final = 100_000
"""Digits of an integer that is read: 3 ms of work."""
LARGEST_DEEP: Final = 4 * 2**20
"""Characters of deeply nested JSON that are read, which takes Python a second."""
_DIGITS_AT_ONCE: Final = 4000

# A string that does not end is taken to the end: from each quotation mark in it, it would be looked through again.
_STRING_OR_MARK: Final = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class JSONTextError(ValueError):
    """A string is not JSON, or not JSON that is read; the message says which."""


def decode_json(text: str | bytes) -> JsonValue:
    """Decode JSON.

    Args:
        text: The JSON; bytes are UTF-8, UTF-16 or UTF-32, as JSON has it.

    Returns:
        The value. What is nested more deeply than Python's own decoder can read stays the JSON text that it is.

    Raises:
        JSONTextError: If it is not JSON, or has more digits or levels than are read.
    """
    try:
        value: JsonValue = json.loads(text)
    except RecursionError:
        return _decode_deep(_as_str(text))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise JSONTextError("it is not JSON") from None
    except ValueError:  # more digits than Python reads
        return _decode_with(text, parse_int=_integer)
    return value


def _decode_with(text: str | bytes, parse_int: Callable[[str], int]) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_int=parse_int)
    except RecursionError:
        return _decode_deep(_as_str(text))
    return value


def _as_str(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")


def _integer(digits: str) -> int:
    """Turns digits into an integer: halves of them, which are multiplied in less than the square of the time."""
    if len(digits.lstrip("-")) > MOST_DIGITS:
        raise JSONTextError(f"it has an integer of {len(digits):,} digits, and {MOST_DIGITS:,} are read")
    return -_natural(digits[1:]) if digits.startswith("-") else _natural(digits)


def _natural(digits: str) -> int:
    if len(digits) <= _DIGITS_AT_ONCE:
        return int(digits)
    half = len(digits) // 2
    scale: int = 10**half
    return _natural(digits[:-half]) * scale + _natural(digits[-half:])


def _decode_deep(text: str) -> JsonValue:
    """Decodes what Python's decoder runs out of stack for: what is too deep stays the JSON text that it is.

    As nested lists it could be neither printed nor pickled nor written as JSON.
    """
    if len(text) > LARGEST_DEEP:
        raise JSONTextError(f"it is nested too deeply for its size of {len(text):,} characters")
    begin = _after_space(text, 0)
    try:
        value, end = _shallow_object(text, begin + 1) if text[begin : begin + 1] == "{" else _shallow(text, begin)
    except JSONTextError:
        raise
    except (ValueError, LookupError):
        raise JSONTextError("it is not JSON") from None
    if _after_space(text, end) != len(text):
        raise JSONTextError("it is not JSON")
    return value


_DECODER: Final = json.JSONDecoder(parse_int=_integer)


def _shallow_object(text: str, place: int) -> tuple[JsonValue, int]:
    """Returns an object whose fields, if they are too deep, are text; and where it ends."""
    fields: dict[str, JsonValue] = {}
    mark = ","
    while mark == ",":
        key, place = _DECODER.raw_decode(text, _after_space(text, place))
        place = _after_space(text, place)
        if not isinstance(key, str) or text[place] != ":":
            raise JSONTextError("it is not JSON")
        fields[key], place = _shallow(text, _after_space(text, place + 1))
        place = _after_space(text, place)
        mark, place = text[place], place + 1
    if mark != "}":
        raise JSONTextError("it is not JSON")
    return fields, place


def _shallow(text: str, place: int) -> tuple[JsonValue, int]:
    """Returns a value, or the text of one that is too deep; and where it ends."""
    try:
        value: JsonValue
        value, end = _DECODER.raw_decode(text, place)
    except RecursionError:
        value = text[place : (end := _end_of_container(text, place))]
    return value, end


def _end_of_container(text: str, begin: int) -> int:
    depth = 0
    for token in _STRING_OR_MARK.finditer(text, begin):
        depth += (token[0] in "[{") - (token[0] in "]}")
        if not depth:
            return token.end()
    raise JSONTextError("it is not JSON")


def _after_space(text: str, place: int) -> int:
    space = _SPACE.match(text, place)
    return place if space is None else space.end()


def encode_json(
    value: object,
    *,
    indent: int | None = None,
    ensure_ascii: bool = True,
    default: Callable[[object], object] | None = None,
) -> str:
    """Encode JSON, whatever its integers and its nesting; else as `json.dumps` does.

    Args:
        value: What `decode_json` returned, or something like it.
        indent: By how many blanks each level is indented; by default it is one line.
        ensure_ascii: Whether what is not ASCII is escaped.
        default: Returns what stands for a value that is not JSON, such as a path.

    Returns:
        The JSON.

    Raises:
        TypeError: If a value is not JSON.
        ValueError: If a value contains itself.
    """
    write = partial(json.dumps, ensure_ascii=ensure_ascii, default=default)
    try:
        return write(value, indent=indent)
    except RecursionError:
        pass
    except ValueError as error:
        if "digits" not in str(error):  # a value that contains itself is refused in the same way
            raise
    return "".join(_pieces(value, write, indent))


Container: TypeAlias = dict[str, object] | list[object] | tuple[object, ...]


def _pieces(root: object, write: Callable[[object], str], indent: int | None) -> Iterator[str]:
    # What is still to be written, last first: strings of JSON, and values with their level.
    pending: list[str | tuple[object, int]] = [(root, 0)]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            yield item
            continue
        value, level = item
        if isinstance(value, int) and not isinstance(value, bool):
            yield _digits(value)
        elif not value or not isinstance(value, (dict, list, tuple)):
            yield write(value)
        else:
            pending.extend(reversed([*_entries(cast("Container", value), level, write, indent)]))


def _entries(
    container: Container,
    level: int,
    write: Callable[[object], str],
    indent: int | None,
) -> Iterator[str | tuple[object, int]]:
    """Yields what a container is made of: strings of JSON, and its values with their level."""
    new_line, separator = ("", ", ") if indent is None else ("\n" + " " * (indent * (level + 1)), ",")
    yield "{" if isinstance(container, dict) else "["
    keyed = container.items() if isinstance(container, dict) else ((None, entry) for entry in container)
    for number, (key, entry) in enumerate(keyed):
        yield (separator if number else "") + new_line
        if key is not None:
            yield f"{write(key)}: "
        yield entry, level + 1
    yield "" if indent is None else "\n" + " " * (indent * level)
    yield "}" if isinstance(container, dict) else "]"


def _digits(value: int) -> str:
    if value < 0:
        return f"-{_digits(-value)}"
    if value < 10**_DIGITS_AT_ONCE:
        return int.__repr__(value)
    half = value.bit_length() * 30103 // 200_000  # a bit is 0.30103 digits
    high, low = divmod(value, 10**half)
    return _digits(high) + _digits(low).rjust(half, "0")


_ID: Final = re.compile(r'[ \t\n\r]*:[ \t\n\r]*"([^"\\]*)"')


def id_in_json(text: str) -> str | None:
    """Returns the `id` of an object whose JSON cannot be read as a whole, if it is found.

    Args:
        text: The JSON, or the beginning of it.
    """
    depth = 0
    for token in _STRING_OR_MARK.finditer(text):
        mark = token[0]
        if mark in "{[":
            depth += 1
        elif mark in "}]":
            depth -= 1
        elif depth == 1 and token[1] == "id" and (found := _ID.match(text, token.end())):
            return found[1]
    return None
