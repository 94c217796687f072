"""The dictionary that forgets its oldest entries."""

from wriftai_anyio._concurrency.bounded_dict import BoundedDict


def test_the_oldest_entry_is_forgotten_beyond_the_capacity() -> None:
    kept: BoundedDict[str, int] = BoundedDict(2)
    kept["a"], kept["b"], kept["c"] = 1, 2, 3
    assert dict(kept) == {"b": 2, "c": 3}


def test_an_entry_that_is_set_again_keeps_its_age_unless_it_is_moved() -> None:
    kept: BoundedDict[str, int] = BoundedDict(2)
    kept["a"], kept["b"] = 1, 2
    kept["a"] = 3
    kept["c"] = 4
    assert dict(kept) == {"b": 2, "c": 4}
    kept.move_to_end("b")
    kept["d"] = 5
    assert dict(kept) == {"b": 2, "d": 5}
