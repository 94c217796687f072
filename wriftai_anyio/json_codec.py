"""JSON as text, also where Python's own module gives up: integers of thousands of digits, and deep nesting.

Python refuses to turn more than 4,300 digits into an integer or back, since the time for it grows with the square of
their number, and its decoder and encoder recurse. Both are valid JSON: an output may have them, and it is paid for.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, cast

from ._types.json import JsonValue

__all__ = ["JSONTextError", "decode_json", "encode_json"]

MOST_DIGITS: Final = 100_000
"""Digits of an integer that is read: 3 ms of work."""
MOST_BITS: Final = MOST_DIGITS * 33219 // 10_000
"""Of an integer that has no more digits: one digit is 3.3219 bits."""
LARGEST_DEEP: Final = 4 * 2**20
"""Characters of deeply nested JSON that are read, which takes Python a second."""
_DIGITS_AT_ONCE: Final = 640
"""Python's own limit can be set, but not lower than this."""

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
    return _decoded(text, None if _python_has_a_limit() else parse_integer)


def _decoded(text: str | bytes, parse_int: Callable[[str], int] | None) -> JsonValue:
    try:
        value: JsonValue = json.loads(text, parse_int=parse_int)
    except RecursionError:
        return _decode_deep(_as_str(text))
    except JSONTextError:
        raise
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise JSONTextError("it is not JSON") from None
    except ValueError:  # more digits than Python reads
        return _decoded(text, parse_integer)
    return value


def _python_has_a_limit() -> bool:
    """Whether Python itself refuses more digits than are read here: the limit can be lifted, and came with 3.10.7."""
    limit: Callable[[], int] = getattr(sys, "get_int_max_str_digits", int)
    return 0 < limit() <= MOST_DIGITS


def _as_str(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")


def parse_integer(digits: str) -> int:
    """Turns the digits of JSON into an integer, however many there are.

    Args:
        digits: The digits.

    Raises:
        JSONTextError: If there are more than are read.
    """
    # Halves of them are multiplied in less than the square of the time.
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


_DECODER: Final = json.JSONDecoder(parse_int=parse_integer)


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
    allow_nan: bool = True,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
    default: Callable[[object], object] | None = None,
) -> str:
    """Encode JSON, whatever its integers and its nesting; else as `json.dumps` does.

    Args:
        value: What `decode_json` returned, or something like it.
        indent: By how many blanks each level is indented; by default it is one line.
        ensure_ascii: Whether what is not ASCII is escaped.
        allow_nan: Whether `NaN` and `Infinity` are written, which are not JSON, or refused.
        separators: What stands between entries, and between a key and its value; by default with a blank.
        sort_keys: Whether keys are sorted.
        default: Returns what stands for a value that is not JSON, such as a path.

    Returns:
        The JSON.

    Raises:
        TypeError: If a value is not JSON.
        ValueError: If a value contains itself, or is a number that is refused.
    """
    write = partial(json.dumps, ensure_ascii=ensure_ascii, allow_nan=allow_nan)
    try:
        return write(value, indent=indent, separators=separators, sort_keys=sort_keys, default=default)
    except RecursionError:
        pass
    except ValueError as error:
        if "digits" not in str(error):  # a value that contains itself is refused in the same way
            raise
    between, colon = separators or (", " if indent is None else ",", ": ")
    return "".join(_Writer(write, indent, between, colon, sort_keys, default).pieces(value))


Container: TypeAlias = dict[object, object] | list[object] | tuple[object, ...]


def _is_container(value: object) -> bool:
    return isinstance(value, (dict, list, tuple))


class _Writer(NamedTuple):
    """Writes JSON without recursion, and integers on its own."""

    write: Callable[[object], str]
    indent: int | None
    between: str
    colon: str
    sort_keys: bool
    default: Callable[[object], object] | None

    def pieces(self, root: object) -> Iterator[str]:
        """Yields the JSON in pieces."""
        # What is still to be written, last first: strings of JSON, values with their level, and the ids of values that
        # end there.
        pending: list[str | tuple[object, int] | int] = [(root, 0)]
        inside: dict[int, object] = {}  # with the values, so that no other gets their ids
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                yield item
            elif isinstance(item, int):
                del inside[item]
            elif (plain := self._plain(item[0])) is not None:
                yield plain
            else:
                value, level = item
                if id(value) in inside:
                    raise ValueError("Circular reference detected")
                inside[id(value)] = value
                pending.append(id(value))
                pending.extend(reversed([*self._parts(value, level)]))

    def _plain(self, value: object) -> str | None:
        """Returns the JSON of what has nothing in it; `None` for the rest."""
        if isinstance(value, int) and not isinstance(value, bool):
            return _digits(value)
        has_parts = bool(value) if _is_container(value) else self._converts(value)
        return None if has_parts else self.write(value)

    def _converts(self, value: object) -> bool:
        return self.default is not None and not (value is None or isinstance(value, (str, float, bool)))

    def _parts(self, value: object, level: int) -> Iterator[str | tuple[object, int]]:
        """Yields what a value is made of: strings of JSON, and other values with their level."""
        if isinstance(value, (dict, list, tuple)):
            yield from self._entries(cast("Container", value), level)
        elif self.default is not None:
            yield self.default(value), level

    def _entries(self, container: Container, level: int) -> Iterator[str | tuple[object, int]]:
        new_line = "" if self.indent is None else "\n" + " " * (self.indent * (level + 1))
        if isinstance(container, dict):
            items = sorted(container.items(), key=_key) if self.sort_keys else container.items()
            keyed = ((self._name(key), entry) for key, entry in items)
        else:
            keyed = (("", entry) for entry in container)
        yield "{" if isinstance(container, dict) else "["
        for number, (name, entry) in enumerate(keyed):
            yield (self.between if number else "") + new_line + name
            yield entry, level + 1
        yield "" if self.indent is None else "\n" + " " * (self.indent * level)
        yield "}" if isinstance(container, dict) else "]"

    def _name(self, key: object) -> str:
        # Keys that are numbers become strings, as Python's own encoder has it.
        name = key if isinstance(key, str) else next(iter(json.loads(self.write({key: None}))))
        return self.write(name) + self.colon


def _key(item: tuple[Any, object]) -> Any:  # noqa: ANN401 -- what is compared is the caller's
    return item[0]


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
