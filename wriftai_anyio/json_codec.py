"""JSON as text, even where Python's own module gives up: integers of thousands of digits, and deep nesting.

Python refuses to convert integers of more than 4,300 digits, since the time it takes grows with the square of their
number, and its decoder and encoder recurse. Both are valid JSON, and may occur in an output that has been paid for.
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
"""The most digits that an integer may have to be read: 3 ms of work."""
MOST_BITS: Final = MOST_DIGITS * 33219 // 10_000
"""The bits of such an integer: one digit is 3.3219 bits."""
LARGEST_DEEP: Final = 4 * 2**20
"""The most characters that deeply nested JSON may have to be read, which takes Python a second."""
_DIGITS_AT_ONCE: Final = 640
"""Python's own limit can be set, but not lower than this."""

# An unterminated string matches to the end: otherwise the rest would be searched again from each quotation mark in it.
_STRING_OR_MARK: Final = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)|[{}\[\]]', re.DOTALL)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


class JSONTextError(ValueError):
    """A string is not JSON, or is JSON beyond the limits of this module; the message says which."""


def decode_json(text: str | bytes) -> JsonValue:
    """Decode JSON.

    Args:
        text: The JSON; bytes may be UTF-8, UTF-16 or UTF-32.

    Returns:
        The value. Parts nested more deeply than Python's own decoder can read are returned as strings of JSON.

    Raises:
        JSONTextError: If it is not JSON, has an integer of more than 100,000 digits, or is nested deeply and has more
            than 4,194,304 characters.
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
    """Whether Python's own limit on digits is on, and no higher than ours: it came with 3.10.7, and can be lifted."""
    limit: Callable[[], int] = getattr(sys, "get_int_max_str_digits", int)
    return 0 < limit() <= MOST_DIGITS


def _as_str(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode(json.detect_encoding(text), "surrogatepass")


def parse_integer(digits: str) -> int:
    """Turns the digits of JSON into an integer, also where Python's own limit is exceeded.

    Args:
        digits: The digits.

    Raises:
        JSONTextError: If there are more than 100,000.
    """
    # Converting halves and multiplying them takes less than quadratic time.
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
    """Decodes JSON for which Python's decoder runs out of stack: parts that are too deep stay strings of JSON.

    As nested lists, they could not be printed, pickled or written as JSON.
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
    """Returns an object, with fields that are too deep as strings of JSON; and where it ends."""
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
    """Returns a value, or its JSON if it is too deep; and where it ends."""
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
    """Encode JSON as `json.dumps` does, but with integers and nesting of any size.

    Args:
        value: What `decode_json` returned, or something like it.
        indent: How many spaces to indent each level by; by default the JSON is one line.
        ensure_ascii: Whether to escape characters that are not ASCII.
        allow_nan: Whether to write `NaN` and `Infinity`, which are not JSON, or to refuse them.
        separators: What to write between entries, and between a key and its value; by default with a space.
        sort_keys: Whether to sort keys.
        default: Returns a replacement for a value that JSON cannot express, such as a path.

    Returns:
        The JSON.

    Raises:
        TypeError: If JSON cannot express a value.
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
        # A stack of what is still to be written: strings of JSON, values with their level, and the ids of values that
        # end at this point.
        pending: list[str | tuple[object, int] | int] = [(root, 0)]
        inside: dict[int, object] = {}  # holds the values, so that no new object gets the id of one
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
        """Returns the JSON of a value without parts; `None` for others."""
        if isinstance(value, int) and not isinstance(value, bool):
            return _digits(value)
        has_parts = bool(value) if _is_container(value) else self._converts(value)
        return None if has_parts else self.write(value)

    def _converts(self, value: object) -> bool:
        return self.default is not None and not (value is None or isinstance(value, (str, float, bool)))

    def _parts(self, value: object, level: int) -> Iterator[str | tuple[object, int]]:
        """Yields the parts of a value: strings of JSON, and other values with their level."""
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
        # Keys that are numbers become strings, as with Python's own encoder.
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
    """Returns the `id` of an object whose JSON cannot be read as a whole; `None` if it is not found.

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
