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


def test_a_call_that_interrupts_the_making_in_its_thread_is_refused_and_the_making_goes_on() -> None:
    refused: list[str] = []

    def make() -> str:
        with pytest.raises(RuntimeError, match="interrupted, such as by a signal handler") as raised:
            late.get()
        refused.append(str(raised.value))
        return "made"

    late = Late(make)
    assert late.get() == "made"
    assert len(refused) == 1


def test_what_a_value_needs_is_made_before_it() -> None:
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        return name

    needed = Late(lambda: make("needed"))
    assert Late(lambda: make("late") + needed.get(), needed).get() == "lateneeded"
    assert made == ["needed", "late"]


def test_no_other_thread_gets_the_value_before_all_is_imported_and_an_interrupted_import_is_repeated() -> None:
    outcomes: list[type[BaseException] | None] = [KeyboardInterrupt, None]
    seen: list[str] = []

    def import_more() -> None:
        thread = threading.Thread(target=lambda: seen.append(late.get()))
        thread.start()
        thread.join(0.05)  # it waits, or else it is through by now
        seen.append("imports")
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome

    late = Late(lambda: "made")
    late.import_with_it(import_more)
    with pytest.raises(KeyboardInterrupt):
        late.get()
    assert seen[0] == "imports"
    assert late.get() == "made"


def test_what_waits_for_the_value_is_called_when_it_is_made_or_at_once() -> None:
    told: list[str] = []
    late = Late(lambda: "made")
    late.when_made(lambda value: told.append(f"{value}, before"))
    assert told == []
    late.get()
    late.when_made(lambda value: told.append(f"{value}, after"))
    assert told == ["made, before", "made, after"]
