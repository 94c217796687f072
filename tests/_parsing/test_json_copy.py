"""Copies of decoded JSON, however deeply it is nested."""

from typing import Any

import pytest

from wriftai_anyio._parsing.json_copy import copy_json, size_of_json


def containers(value: Any) -> list[int]:
    if isinstance(value, dict):
        return [id(value), *(each for entry in value.values() for each in containers(entry))]
    if isinstance(value, list):
        return [id(value), *(each for entry in value for each in containers(entry))]
    return []


@pytest.mark.parametrize("value", [None, 1, "a", [], {}, {"a": [{"b": [1, "c", None, 2.5]}], "d": {"e": {}}}])
def test_a_copy_is_equal_and_shares_nothing(value: Any) -> None:
    copied = copy_json(value)
    assert copied == value
    assert not set(containers(copied)) & set(containers(value))


def test_it_copies_what_is_nested_more_deeply_than_python_calls() -> None:
    value: Any = "core"
    for _ in range(5000):
        value = [{"a": value}]
    copied = copy_json(value)
    for _ in range(5000):
        copied = copied[0]["a"]
    assert copied == "core"
    assert size_of_json(value) > 5000


def test_the_size_counts_what_is_inside() -> None:
    assert size_of_json({"output": ["x" * 1_000_000] * 3}) == pytest.approx(3_000_000, rel=0.01)
