"""An input as its caller has it, turned into JSON with files in it: one snapshot, from which all else is made."""

import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from enum import Enum
from math import isfinite
from os import PathLike, fspath
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, cast
from uuid import UUID

from wriftai_anyio._parsing.arguments import shown
from wriftai_anyio._types.file import File, FileContent
from wriftai_anyio.json_codec import MOST_BITS, MOST_DIGITS

Given: TypeAlias = Any
"""What a caller passes, of whatever type."""

DEEPEST: Final = 200
"""Levels of lists and objects inside each other: at three frames each, three fifths of Python's own limit."""


class JsonInput(NamedTuple):
    """A snapshot of an input. What the caller does with the original afterwards does not change it.

    Attributes:
        value: A new dictionary of what JSON can express, with a `File` in place of each file.
        files: The files in it, each once.
    """

    value: dict[str, object]
    files: tuple[File, ...]


def as_json(fields: Mapping[str, object]) -> JsonInput:
    """Turns fields into JSON with files in it.

    Args:
        fields: What is to be sent, by name.

    Raises:
        ValueError: If there is something in it that has no JSON. It names the place, such as `input.images[2]`, and
            says what to do.
    """
    converter = _Converter()
    try:
        converted = converter.convert_fields(fields.items())
    except _RefusedError as refused:
        raise ValueError(f"{refused.place} {refused.problem} Nothing was sent.") from refused.__cause__
    except RecursionError:
        raise ValueError("The input is nested too deeply, or this call is. Nothing was sent.") from None
    return JsonInput(converted, converter.files)


class _RefusedError(Exception):
    """Something that has no JSON, on its way up to the root, where its whole place is known."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.steps: list[str] = []

    @property
    def place(self) -> str:
        steps = self.steps[::-1]
        return "".join(steps if len(steps) <= 12 else [*steps[:8], "…", *steps[-3:]]).lstrip(".")


def _refuse(problem: str, cause: Exception | None = None) -> NoReturn:
    raise _RefusedError(problem) from cause


class _Converter:
    """Converts one input, and collects the files in it."""

    def __init__(self) -> None:
        # With what the caller has it as, which keeps an id from being given away to another object.
        self._files: dict[object, tuple[object, File]] = {}
        self._inside: set[int] = set()

    @property
    def files(self) -> tuple[File, ...]:
        return tuple(file for _, file in self._files.values())

    def convert(self, value: object) -> object:
        if type(value) is str:
            return value if value.isascii() else _text(value)
        if value is None or type(value) is bool:
            return value
        if type(value) is int:
            return _integer(value)
        if type(value) is float:
            return value if isfinite(value) else _number(value)
        if type(value) is dict:
            return self._within(cast("object", value), self._object)
        if type(value) is list or type(value) is tuple:
            return self._within(cast("object", value), self._array)
        return self._convert_other(value)

    def _convert_other(self, value: Given) -> object:
        if isinstance(value, Enum):
            return self.convert(value.value)
        for kind, plain in _PLAIN:
            if isinstance(value, kind):
                return plain(value)
        if isinstance(value, (File, PathLike)):
            return self._file(value)
        if isinstance(value, Mapping):
            return self._within(value, self._object)
        if isinstance(value, (list, tuple)):
            return self._within(value, self._array)
        return self._convert_object(value)

    def _convert_object(self, value: Given) -> object:
        if isinstance(value, getattr(sys.modules.get("numpy"), "generic", ())):
            return self.convert(_numpy_scalar(value))
        if isinstance(value, type):
            _refuse(f"is the class {value.__name__}: give an instance of it.")
        if callable(getattr(value, "model_dump", None)):
            return self._within(value, self._model)
        if is_dataclass(value):
            return self._within(value, self._dataclass)
        if hasattr(value, "read"):
            return self._file(value)
        return _refuse(f"is {_kind(value)}: {_what_to_do(value)}")

    def _within(self, value: Given, convert: Callable[[Any], object]) -> object:
        identity = id(value)
        if identity in self._inside:
            _refuse("contains itself.")
        if len(self._inside) == DEEPEST:
            _refuse(f"is nested more than {DEEPEST} levels deep.")
        self._inside.add(identity)
        converted = convert(value)
        self._inside.discard(identity)
        return converted

    def _object(self, value: Mapping[object, object]) -> dict[str, object]:
        return self.convert_fields(value.items())

    def _dataclass(self, value: Given) -> dict[str, object]:
        return self.convert_fields((field.name, getattr(value, field.name)) for field in fields(value))

    def convert_fields(self, items: Iterable[tuple[object, object]]) -> dict[str, object]:
        converted: dict[str, object] = {}
        for key, entry in items:
            name = key if type(key) is str and key.isascii() else _name(key)
            if name in converted:
                _refuse(f"has the key {shown(name)} twice.")
            try:
                converted[name] = self.convert(entry)
            except _RefusedError as refused:
                refused.steps.append(f".{name}" if name.isidentifier() else f"[{shown(name)}]")
                raise
        return converted

    def _array(self, value: Iterable[object]) -> list[object]:
        converted: list[object] = []
        try:
            for entry in value:
                converted.append(self.convert(entry))  # noqa: PERF401 -- its length is the place of what is refused
        except _RefusedError as refused:
            refused.steps.append(f"[{len(converted)}]")
            raise
        return converted

    def _model(self, value: Given) -> object:
        """Converts a pydantic model by its own rules, but for the files in it, which pydantic does not know."""
        try:
            python = value.model_dump()
            if not _has_files(python):
                return self.convert(value.model_dump(mode="json"))
            dumped = value.model_dump(mode="json", fallback=_none)
        except (TypeError, ValueError, RecursionError) as error:
            _refuse(f"is {_kind(value)}, of which pydantic makes no JSON: {error}.", error)
        return self.convert(_with_files(dumped, python))

    def _file(self, value: Given) -> File:
        key: object = fspath(cast("PathLike[str]", value)) if isinstance(value, PathLike) else id(value)
        known = self._files.get(key)
        if known is not None:
            return known[1]
        try:
            file = copy(value) if isinstance(value, File) else File(cast("FileContent", value))
        except ValueError as error:
            _refuse(f"is not a file that can be uploaded: {error}", error)
        self._files[key] = (value, file)
        return file


def _text(value: str) -> str:
    plain = str.__str__(value)
    try:
        plain.encode()
    except UnicodeEncodeError:
        _refuse("has half of a surrogate pair in it, which is not valid Unicode.")
    return plain


def _name(key: object) -> str:
    if isinstance(key, Enum):
        key = key.value
    if not isinstance(key, str):
        _refuse(f"has the key {shown(key)}, which is {_kind(key)}: keys must be strings.")
    return _text(key)


def _integer(value: int) -> int:
    plain = int(value)
    if plain.bit_length() > MOST_BITS:  # it could not be read back, either
        _refuse(f"is an integer of more than {MOST_DIGITS:,} digits: give a string.")
    return plain


def _number(value: float) -> float:
    plain = float(value)
    if not isfinite(plain):
        _refuse(f"is {plain}, which JSON cannot express: give None, or leave it out.")
    return plain


def _point_in_time(value: date | time) -> str:
    if value != value:  # pandas' NaT is a datetime
        _refuse("is not a time (NaT): give None, or leave it out.")
    return value.isoformat()


_PLAIN: Final[tuple[tuple[type, Callable[[Any], object]], ...]] = (
    (str, _text),
    (int, _integer),
    (float, _number),
    (date, _point_in_time),
    (time, _point_in_time),
    (UUID, str),
)


def _numpy_scalar(value: Given) -> object:
    # `item()` makes integers of moments and durations counted in nanoseconds.
    if value.dtype.kind == "m":
        _refuse("is a duration: give a number of seconds.")
    if value.dtype.kind == "M":
        return _point_in_time(value) if value != value else str(value)
    plain: object = value.item()
    if type(plain) is type(value):
        _refuse(f"is {_kind(value)}, which no Python number holds: give a float or a string.")
    return plain


def _none(_: object) -> None:
    pass


def _is_file(value: object) -> bool:
    return isinstance(value, (File, PathLike)) or hasattr(value, "read")


def _has_files(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_files, cast("Mapping[object, object]", value).values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_files, cast("Iterable[object]", value)))
    return _is_file(value)


def _with_files(dumped: object, python: object) -> object:
    """Returns the JSON that pydantic made, with the files of the same value in place of what it made of them."""
    kept = dumped
    if _is_file(python):
        return python
    if isinstance(dumped, dict) and isinstance(python, Mapping):
        entries = cast("dict[object, object]", dumped)
        originals = cast("Mapping[object, object]", python)
        return {name: _with_files(entry, originals.get(name)) for name, entry in entries.items()}
    if isinstance(dumped, list) and isinstance(python, (list, tuple)):
        return list(map(_with_files, cast("list[object]", dumped), cast("Iterable[object]", python)))
    return kept


_WHAT_TO_DO: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    ((bytes, bytearray, memoryview), "wrap it in File(…), so that it is uploaded."),
    ((set, frozenset), "it has no order; give a list, such as sorted(…)."),
    (timedelta, "give a number of seconds, such as total_seconds()."),
    (Awaitable, "await it, and give its result."),
    (Iterable, "give a list, such as list(…)."),
)


def _what_to_do(value: object) -> str:
    if hasattr(value, "tolist"):  # arrays of numpy, of pandas, of PyTorch
        return "give a list, such as its tolist()."
    if isinstance(value, getattr(sys.modules.get("decimal"), "Decimal", ())):  # which takes 2 ms to import
        return "give a float or a string."
    for kind, advice in _WHAT_TO_DO:
        if isinstance(value, kind):
            return advice
    return "give a dict, list, string, number, bool or None, or a File."


def _kind(value: object) -> str:
    name = type(value).__name__
    if isinstance(value, (bytes, memoryview)):
        return name
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
