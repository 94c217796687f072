"""What an object leads to: everything that somebody who has it can print, pickle or send elsewhere."""

from collections.abc import Iterator, Mapping
from types import FrameType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any, Final

_NOT_DATA: Final = (type, ModuleType, FunctionType, MethodType, TracebackType, FrameType)


def strings_in(root: object) -> Iterator[str]:
    """Yields all strings that an object leads to, by its attributes, its entries, its causes and its state."""
    seen: dict[int, object] = {}
    pending = [root]
    while pending:
        value = pending.pop()
        if id(value) in seen or isinstance(value, _NOT_DATA):
            continue
        seen[id(value)] = value  # kept, or its id could become another's
        if isinstance(value, (bytes, bytearray)):
            yield value.decode("latin-1")
        elif isinstance(value, str):
            yield value
        else:
            pending.extend(_links(value))


def _links(value: Any) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    yield from getattr(value, "__dict__", {}).values()
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            yield getattr(value, name, None)
    if isinstance(value, BaseException):
        yield from (value.args, value.__cause__, value.__context__, getattr(value, "exceptions", None))
