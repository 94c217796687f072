"""Values that are made late, by one thread, while others wait."""

import threading

import pytest

from tests.support.patience import PATIENCE
from wriftai_anyio._concurrency.forks import Late


def test_one_thread_makes_the_value_while_others_wait() -> None:
    begun, go_on = threading.Event(), threading.Event()
    made: list[object] = []

    def make() -> object:
        begun.set()
        assert go_on.wait(PATIENCE)
        made.append(object())
        return made[-1]

    late, taken = Late(make), list[object]()
    threads = [threading.Thread(target=lambda: taken.append(late.get())) for _ in range(4)]
    threads[0].start()
    assert begun.wait(PATIENCE)
    for thread in threads[1:]:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(made) == 1
    assert taken == made * 4


def test_a_value_whose_making_was_interrupted_is_made_by_the_next_to_ask() -> None:
    values: list[KeyboardInterrupt | str] = [KeyboardInterrupt(), "made"]

    def make() -> str:
        value = values.pop(0)
        if isinstance(value, KeyboardInterrupt):
            raise value
        return value

    late = Late(make)
    with pytest.raises(KeyboardInterrupt):
        late.get()
    assert late.get() == late.get() == "made"


def test_what_waits_for_the_value_is_called_when_it_is_made_or_at_once() -> None:
    told: list[str] = []
    late = Late(lambda: "made")
    late.when_made(lambda value: told.append(f"{value}, before"))
    assert told == []
    late.get()
    late.when_made(lambda value: told.append(f"{value}, after"))
    assert told == ["made, before", "made, after"]
