"""Digests of inputs: equal for equal inputs, whatever they are given as, and different for different ones."""

import json
import random
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import fuzzed
from wriftai_anyio import File
from wriftai_anyio._batch.digest import digest
from wriftai_anyio._predictions.json_input import as_json

MODEL = "owner/name"

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
CONTENTS = st.binary(max_size=3)
FILES = st.builds(File, CONTENTS, st.sampled_from(["image/png", "text/plain"])) | st.builds(
    File, st.builds(Path, st.sampled_from(["a.png", "b/a.png", "a.txt"]))
)
GIVEN = st.recursive(
    LEAVES | FILES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


def digest_of(value: object) -> bytes:
    return digest(as_json({"input": value}).value, MODEL)


def copied(value: Any, chance: random.Random) -> Any:
    """Makes an equal input: other objects, tuples for lists, keys in another order, files made anew."""
    if isinstance(value, dict):
        keys = list(value)
        chance.shuffle(keys)
        return {key: copied(value[key], chance) for key in keys}
    if isinstance(value, list):
        entries = [copied(entry, chance) for entry in value]
        return tuple(entries) if chance.random() < 0.5 else entries
    if isinstance(value, File):
        content = value.content
        return File(bytes(content) if isinstance(content, bytes) else Path(content), value.mime_type)  # type: ignore[arg-type]
    return value


def identity(value: Any) -> Any:
    """Writes down what an input is, in other words than the digest does."""
    if isinstance(value, dict):
        return ["object", sorted([key, identity(entry)] for key, entry in value.items())]
    if isinstance(value, (list, tuple)):
        return ["list", [identity(entry) for entry in value]]
    if isinstance(value, File):
        return ["file", repr(value.content), value.mime_type]
    return [type(value).__name__, json.dumps(value)]


@fuzzed(150)
@given(GIVEN, st.randoms(use_true_random=False))
def test_equal_inputs_have_equal_digests(value: Any, chance: random.Random) -> None:
    assert digest_of(value) == digest_of(copied(value, chance)) == digest_of(value)


@fuzzed(150)
@given(GIVEN, GIVEN)
def test_different_inputs_have_different_digests(one: Any, other: Any) -> None:
    assert (digest_of(one) == digest_of(other)) == (repr(identity(one)) == repr(identity(other)))


@fuzzed(150)
@given(st.dictionaries(st.text(max_size=4), GIVEN, min_size=1, max_size=3), st.data())
def test_a_change_anywhere_changes_it(value: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(value)))
    before = digest_of(value)
    assert digest_of({**value, name: [value[name]]}) != before
    assert digest_of({key: entry for key, entry in value.items() if key != name}) != before
    assert digest(as_json({"input": value}).value, "owner/other") != before


def test_long_integers_are_told_apart() -> None:
    one = digest_of({"n": 10**5000, "a": [-(10**5000)]})
    assert one == digest_of({"a": (-(10**5000),), "n": 10**5000})
    assert len({one, digest_of({"n": 10**5000 + 1, "a": [-(10**5000)]}), digest_of({"n": 10**5000, "a": []})}) == 3


def test_a_file_in_a_path_is_known_by_its_path_and_its_type() -> None:
    assert digest_of(Path("a.png")) == digest_of(File(Path("a.png"))) == digest_of(File(Path("a.png"), "image/png"))
    assert len({digest_of(each) for each in (Path("a.png"), Path("b.png"), File(Path("a.png"), "image/gif"))}) == 3
