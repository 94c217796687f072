"""Inputs as people have them become JSON with files in it, once; what has no JSON is refused by its place."""

import io
import json
import uuid
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any

import numpy as np
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import fuzzed
from wriftai_anyio import File
from wriftai_anyio._predictions.json_input import DEEPEST, JsonInput, as_json
from wriftai_anyio._types.prediction import Status


class Mode(Enum):
    FAST = "fast"


class Level(IntEnum):
    HIGH = 3


@dataclass
class Point:
    x: int
    y: Any = None
    hidden: list[int] = field(default_factory=list, repr=False)


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    name: str
    when: datetime | None = None
    price: Decimal = Decimal("1.50")
    tags: set[str] = {"a"}
    file: Any = None


class Numbers(pydantic.RootModel[list[int]]):
    pass


MOMENT = datetime(2026, 5, 1, 12, 30, tzinfo=timezone.utc)
ID = uuid.UUID("5b6f1c3e-0000-4000-8000-000000000001")


def converted(value: object) -> object:
    return as_json({"input": value}).value["input"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (Status.failed, "failed"),
        (Mode.FAST, "fast"),
        (Level.HIGH, 3),
        (MOMENT, "2026-05-01T12:30:00+00:00"),
        (date(2026, 5, 1), "2026-05-01"),
        (time(1, 2), "01:02:00"),
        (ID, str(ID)),
        ((1, (2,)), [1, [2]]),
        (OrderedDict(a=1), {"a": 1}),
        (MappingProxyType({"a": (None,)}), {"a": [None]}),
        ({Mode.FAST: 1}, {"fast": 1}),
        (Point(1, Point(2)), {"x": 1, "y": {"x": 2, "y": None, "hidden": []}, "hidden": []}),
        (
            Model(name="n", when=MOMENT),
            {"name": "n", "when": "2026-05-01T12:30:00Z", "price": "1.50", "tags": ["a"], "file": None},
        ),
        (Numbers([1, 2]), [1, 2]),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(1), True),
        (np.str_("text"), "text"),
        (np.datetime64("2026-05-01T12:30:00.000000001"), "2026-05-01T12:30:00.000000001"),
        pytest.param(10**3000, 10**3000, id="integer"),
    ],
)
def test_what_has_json_becomes_it(value: object, expected: object) -> None:
    result: Any = converted({"deep": [value]})
    (entry,) = result["deep"]
    assert entry == converted(value) == expected
    assert type(entry) is type(expected)
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (b"bytes", r"is bytes: wrap it in File\("),
        (bytearray(b"x"), r"is a bytearray: wrap it in File\("),
        ({1, 2}, "is a set: it has no order"),
        (float("nan"), "is nan, which JSON cannot express: give None"),
        (float("-inf"), "is -inf"),
        (np.float32("nan"), "is nan"),
        (np.datetime64("NaT", "s"), r"not a time \(NaT\)"),
        (np.timedelta64(1, "s"), "is a duration"),
        (np.longdouble("0.1"), "which no Python number holds"),
        (np.zeros(2), r"is a ndarray: give a list, such as its tolist\(\)"),
        ({1: 2}, "has the key 1, which is an int: keys must be strings"),
        ({None: 2}, "has the key None"),
        ({"fast": 1, Mode.FAST: 2}, "has the key 'fast' twice"),
        (timedelta(1), "is a timedelta: give a number of seconds"),
        (Decimal(1), "is a Decimal: give a float or a string"),
        (1j, "is a complex: give a dict, list"),
        (deque([1]), "is a deque: give a list"),
        (iter([1]), "is a list_iterator: give a list"),
        (object(), "is an object: give a dict, list, string, number, bool or None, or a File"),
        (Point, "is the class Point: give an instance"),
        pytest.param(10**100_000, "an integer of more than 100,000 digits: give a string", id="integer"),
        ("\ud800", "half of a surrogate pair"),
        ({"\ud800": 1}, "half of a surrogate pair"),
        (io.StringIO("text"), "is not a file that can be uploaded"),
        (Model(name="n", file=object()), "is a Model, of which pydantic makes no JSON"),
    ],
)
def test_what_has_none_is_refused_by_its_place_with_what_to_do(value: object, advice: str) -> None:
    with pytest.raises(ValueError, match=rf"^input\.images\[2\] .*{advice}.*\. Nothing was sent\.$"):
        as_json({"input": {"images": ["a", None, value]}})


@pytest.mark.parametrize(
    ("build", "place"),
    [
        (lambda value: {"a": (1, {"b": value})}, r"input\.a\[1\]\.b"),
        (lambda value: {"not a name": value}, r"input\['not a name'\]"),
        (lambda value: Point(1, [value]), r"input\.y\[0\]"),
        (lambda value: value, "input"),
    ],
)
def test_a_place_is_written_as_in_python(build: Any, place: str) -> None:
    with pytest.raises(ValueError, match=f"^{place} is a set"):
        as_json({"input": build({1})})


@pytest.mark.parametrize("container", [list, dict, Point])
def test_what_contains_itself_is_refused(container: Any) -> None:
    circle: Any = Point(1) if container is Point else container()
    if isinstance(circle, list):
        circle.append([circle])
    elif isinstance(circle, dict):
        circle["again"] = [circle]
    else:
        circle.y = [circle]
    with pytest.raises(ValueError, match=r"^input\S+ contains itself"):
        as_json({"input": circle})


def test_what_occurs_twice_does_not_contain_itself() -> None:
    shared = [1]
    assert converted({"a": shared, "b": [shared, shared]}) == {"a": [1], "b": [[1], [1]]}


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_what_is_too_deep_is_refused_by_a_short_message() -> None:
    json.dumps(converted(nested(DEEPEST)))
    with pytest.raises(ValueError, match=rf"more than {DEEPEST} levels deep") as refused:
        converted(nested(DEEPEST + 1))
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("levels", [0, 600, 700])
def test_a_deep_stack_of_the_caller_is_no_recursion_error(levels: int) -> None:
    def deeper(levels: int) -> object:
        return deeper(levels - 1) if levels else converted(nested(199))

    try:
        deeper(levels)
    except ValueError as refused:
        assert "nested too deeply" in str(refused)  # noqa: PT017
    else:
        assert levels == 0


class TestFiles:
    def test_paths_and_open_files_become_files_wherever_they_are(self, tmp_path: Path) -> None:
        path = tmp_path / "cat.png"
        path.write_bytes(b"png")
        with path.open("rb") as stream, NamedTemporaryFile(suffix=".txt") as temporary:
            given = {"a": path, "b": [stream], "c": Point(1, File(b"x", "text/plain")), "d": temporary}
            result = as_json({"input": given})
            value: Any = result.value["input"]
            assert [type(file) for file in result.files] == [File] * 4
            assert value["a"].content == path
            assert value["a"].mime_type == value["b"][0].mime_type == "image/png"
            assert value["b"][0].content is stream
            assert value["c"]["y"].content == b"x"

    def test_they_are_kept_in_pydantic_models(self, tmp_path: Path) -> None:
        file = File(b"x", "text/plain")
        model = Model(name="n", when=MOMENT, file={"deep": [tmp_path / "cat.png", file, 1]})
        result = as_json({"input": model})
        value: Any = result.value["input"]
        assert value["when"] == "2026-05-01T12:30:00Z"
        assert [type(each) for each in value["file"]["deep"]] == [File, File, int]
        assert [each.content for each in result.files] == [tmp_path / "cat.png", b"x"]

    def test_one_that_occurs_twice_is_uploaded_once(self, tmp_path: Path) -> None:
        file, path = File(b"x"), tmp_path / "cat.png"
        assert len(as_json({"input": [file, [file], path, Path(path)]}).files) == 2

    def test_a_file_that_is_changed_later_stays_as_it_was(self) -> None:
        file = File(b"before")
        result = as_json({"input": file})
        file.content = b"after"
        assert result.files[0].content == b"before"


def test_a_snapshot_shares_nothing_that_can_change(tmp_path: Path) -> None:
    given: Any = {"a": [1, {"b": [2]}], "c": Point(1, [3])}
    result = as_json({"input": given})
    given["a"][1]["b"].append(4)
    given["c"].y.append(5)
    given.clear()
    assert result == JsonInput({"input": {"a": [1, {"b": [2]}], "c": {"x": 1, "y": [3], "hidden": []}}}, ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@fuzzed(50)
@given(JSON)
def test_plain_json_stays_as_it_is(value: object) -> None:
    assert repr(converted(value)) == repr(value)


def disguise(value: object) -> object:
    """Makes of JSON what becomes the same JSON."""
    if isinstance(value, Mapping):
        return MappingProxyType({name: disguise(entry) for name, entry in value.items()})
    if isinstance(value, list):
        return tuple(map(disguise, value))
    if isinstance(value, float):
        return np.float64(value)
    return np.str_(value) if isinstance(value, str) and "\0" not in value else value


@fuzzed(50)
@given(JSON)
def test_disguises_become_the_same_json(value: object) -> None:
    assert repr(converted(disguise(value))) == repr(value)


ANYTHING = st.recursive(
    st.none()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.dates()
    | st.times()
    | st.uuids()
    | st.decimals()
    | st.timedeltas()
    | st.complex_numbers()
    | st.sampled_from([Mode.FAST, Level.HIGH, object(), Point, np.int8(1), np.float32("inf"), File(b""), Path("a")]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
        | st.tuples(inner)
        | st.builds(Point, inner, inner)
        | st.frozensets(st.integers(), max_size=2)
        | st.iterables(st.integers(), max_size=2)
    ),
    max_leaves=10,
)


@fuzzed(50)
@given(ANYTHING)
def test_anything_becomes_json_or_is_refused(value: object) -> None:
    try:
        result = as_json({"input": value})
    except ValueError as refused:
        assert str(refused).startswith("input")  # noqa: PT017
        assert str(refused).endswith("Nothing was sent.")  # noqa: PT017
    else:
        json.dumps(result.value, allow_nan=False, default=lambda file: file.mime_type)
