"""JSON that Python's own module refuses: it is read, and written, as what it stands for."""

import json
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wriftai_anyio.json_codec import (
    LARGEST_DEEP,
    MOST_DIGITS,
    JSONTextError,
    decode_json,
    encode_json,
    id_in_json,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=12,
)
# Python 3.14 has no limit of its own: the stack holds 50,000 levels, and not 100,000.
DEEP = "[" * 120_000 + "]" * 120_000
DEEP_OBJECT = '{"a":' * 120_000 + "1" + "}" * 120_000


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("digits", [4300, 4301, 5000, 12_345, MOST_DIGITS])
def test_integers_of_many_digits_are_read_and_written(sign: str, digits: int) -> None:
    text = f'{{"a":[{sign}{"1234567890" * 10_000}'[: digits + len(sign) + 6] + "]}"
    assert encode_json(decode_json(text)).replace(" ", "") == text


@pytest.mark.skipif(not hasattr(sys, "set_int_max_str_digits"), reason="this Python has no such limit")
@pytest.mark.parametrize("limit", [0, 640, 4300, 1_000_000])
def test_whatever_limit_python_is_set_to_the_same_integers_are_read_and_written(limit: int) -> None:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        for digits in ("7" * 640, "7" * 641, "7" * 5000):
            assert encode_json(decode_json(f"[{digits}]")) == f"[{digits}]"
        with pytest.raises(JSONTextError, match="100,000 are read"):
            decode_json("7" * 1_000_000)  # Python alone would take seconds
    finally:
        sys.set_int_max_str_digits(before)


def test_zeros_within_a_long_integer_are_kept() -> None:
    assert decode_json("1" + "0" * 5000) == 10**5000
    assert encode_json(10**5000 + 7) == "1" + "0" * 4999 + "7"


def test_integers_beyond_that_are_refused_with_their_length() -> None:
    with pytest.raises(JSONTextError, match=r"integer of 100,001 digits"):
        decode_json("1" * (MOST_DIGITS + 1))


def test_what_is_not_json_beside_a_long_integer_is_refused_like_all_that_is_not() -> None:
    for text in (f"[1{'0' * 5000}, nope]", f"[1{'0' * 5000}".encode()):
        with pytest.raises(JSONTextError, match="it is not JSON"):
            decode_json(text)


@pytest.mark.parametrize("deep", [DEEP, DEEP_OBJECT, f'[{{"]": "}}"}}, {DEEP}]'])
def test_what_is_nested_too_deeply_for_python_stays_its_text(deep: str) -> None:
    text = f'{{"id": "p1" , "output":{deep} ,"n":1, "big": 1{"0" * 5000}}}\n'
    for given_text in (text, text.encode(), text.encode("utf-16")):
        assert decode_json(given_text) == {"id": "p1", "output": deep, "n": 1, "big": 10**5000}
    assert decode_json(f" {DEEP}") == DEEP


def test_deep_text_that_is_large_is_refused() -> None:
    with pytest.raises(JSONTextError, match="too deeply for its size"):
        decode_json("[" * (LARGEST_DEEP + 1))


BESIDE_DEEP = ['{"a":%s', '{"a":%s,}', '{"a":%s]', '{"a":%s]}', '{"a" %s}', '{"a":%s, "b":}', "{%s: 1}", "%s 1", "[%s"]
NOT_JSON = ["", "nope", "[1,]", "[1 2]", '{"a"}', '{"a":1,}', "{1:2}", "[", '"', '{"a":1', "01", "1 2", '"\n"']


@pytest.mark.parametrize("text", [*NOT_JSON, *(text.replace("%s", DEEP) for text in BESIDE_DEEP)], ids=lambda _: "")
def test_what_is_not_json_is_an_error(text: str) -> None:
    with pytest.raises(JSONTextError, match="not JSON"):
        decode_json(text)


def test_nesting_that_python_does_not_write_is_written() -> None:
    inner: list[Any] = [10**6000, "é\n", None, True, 1.5, {}, {"a": [], "b": {"c": -1}}]
    value = inner
    for _ in range(50_000):
        value = [value]
    text = encode_json(value)
    assert text.startswith("[" * 50_001)
    assert decode_json(text[50_000:-50_000]) == inner


@given(values, st.sampled_from([None, 0, 2]))
def test_long_integers_change_nothing_of_the_rest(value: Any, indent: int | None) -> None:
    text = encode_json({"long": 10**5000, "rest": value}, indent=indent)
    assert text.replace("1" + "0" * 5000, "7") == json.dumps({"long": 7, "rest": value}, indent=indent)


def test_what_is_not_json_is_written_as_the_caller_says() -> None:
    assert encode_json([10**5000, 1j], default=str) == f'[1{"0" * 5000}, "1j"]'
    assert encode_json([1j], default=str) == '["1j"]'


@given(values, st.booleans())
def test_options_hold_beside_long_integers(value: Any, sort_keys: bool) -> None:
    options: dict[str, Any] = {"sort_keys": sort_keys, "separators": (",", ":"), "ensure_ascii": False}
    given_value = {"b": 10**5000, "a": [value], "\xe9": {"d": 1, "c": {}}}
    text = encode_json(given_value, **options)
    assert text.replace("1" + "0" * 5000, "7") == json.dumps({**given_value, "b": 7}, **options)


def test_keys_that_are_not_strings_become_the_same_beside_long_integers() -> None:
    keyed = {1: 10**5000, 2.5: "a", None: "b", False: []}
    assert encode_json(keyed).replace("1" + "0" * 5000, "7") == json.dumps({**keyed, 1: 7})


def test_what_is_refused_is_refused_beside_long_integers_too() -> None:
    circle: list[object] = [10**5000]
    circle.append({"a": circle})
    with pytest.raises(ValueError, match="Circular"):
        encode_json(circle)
    with pytest.raises(ValueError, match="Circular"):
        encode_json([10**5000, 1j], default=lambda value: [value])
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json([10**5000, float("nan")], allow_nan=False)
    for wrong in ({1, 2}, {(1, 2): 3}):
        with pytest.raises(TypeError):
            encode_json([10**5000, wrong])


def test_one_value_in_several_places_is_not_a_circle() -> None:
    twice = {"a": [1]}
    assert encode_json([10**5000, twice, [twice], twice]).endswith('{"a": [1]}, [{"a": [1]}], {"a": [1]}]')


@given(values, st.booleans())
def test_plain_values_are_read_and_written_as_python_does(value: Any, ensure_ascii: bool) -> None:
    text = encode_json(value, ensure_ascii=ensure_ascii)
    assert text == json.dumps(value, ensure_ascii=ensure_ascii)
    assert decode_json(text) == json.loads(text)


def test_what_is_no_json_is_refused_as_python_refuses_it() -> None:
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(TypeError):
        encode_json({"a": {1, 2}})
    with pytest.raises(ValueError, match="Circular"):
        encode_json(circle)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"id": "p1", "status": "x"', "p1"),
        ('{"input": {"id": "no"}, "a": [{"id": "no"}], "id" : "p1"', "p1"),
        ('{"a": "\\"id\\": \\"no\\"", "id":"p1"}', "p1"),
        ('[{"id": "no"}]', None),
        ('{"id": 7}', None),
        ('{"id": "half', None),
        ('{"id": "p1", "rest": "unfinished \\', "p1"),
        ('{"a": "\\\n", "id": "p1"', "p1"),
        ("<html>", None),
        ("", None),
    ],
)
def test_the_id_is_found_where_the_rest_cannot_be_read(text: str, found: str | None) -> None:
    assert id_in_json(text) == found


@pytest.mark.parametrize(
    "text", ['{"' + '\\"' * 100_000, "{" + '"\\' * 100_000, '{"id' + "\\" * 100_000, '{"id"' * 50_000]
)
def test_looking_for_the_id_takes_no_time_that_grows_with_the_square_of_the_length(text: str) -> None:
    began = time.process_time()
    assert id_in_json(text) is None
    with pytest.raises(JSONTextError):
        decode_json("[" * 50_000 + text)
    assert time.process_time() - began < 2.0
