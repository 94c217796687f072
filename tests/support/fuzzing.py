"""How often a fuzzer runs, and many examples at once: a little in the suite, far more in `nox -s fuzz`."""

import math
import os
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

TestT = TypeVar("TestT", bound=Callable[..., Any])
T = TypeVar("T")

EXAMPLES = "FUZZ_EXAMPLES"
"""The environment variable that says how many examples each fuzzer runs."""

BATCH = 50
"""How many examples a batch holds: hypothesis takes 3 ms for what it draws, most fuzzers 0.05 ms to check it."""

LONG_RUN = (Phase.explicit, Phase.generate)
"""The long run says what it found and goes on: to look for a smaller example is for a run of its seed alone."""


def fuzzed(examples: int, *, each: int = 1) -> Callable[[TestT], TestT]:
    """Marks a test that hypothesis generates the input of as a fuzzer.

    Args:
        examples: How many examples it runs in the suite.
        each: How many examples the test checks for one input that hypothesis draws: `BATCH` for `batches`.
    """
    longer = os.environ.get(EXAMPLES)
    chosen = settings(
        max_examples=math.ceil(int(longer or examples) / each),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    if longer:
        chosen = settings(chosen, phases=LONG_RUN, database=None)

    def mark(test: TestT) -> TestT:
        marked: TestT = pytest.mark.fuzz(chosen(test))
        return marked

    return mark


class Chance(random.Random):
    """Makes one example: all that is arbitrary about it follows from one seed."""

    def any_of(self, *makers: Callable[["Chance"], T]) -> T:
        """Returns what one of several functions makes."""
        return self.choice(makers)(self)

    def joined(self, pieces: Sequence[str], most: int) -> str:
        """Returns a string of up to this many of the pieces."""
        return "".join(self.choices(pieces, k=self.randint(0, most)))

    def text(self, most: int = 20) -> str:
        """Returns a string of any characters, rare and dangerous ones among them."""
        return "".join(self.choice(ALPHABETS)(self) for _ in range(self.randint(0, most)))

    def bytes(self, most: int = 40) -> bytes:
        """Returns any bytes."""
        return self.randbytes(self.randint(0, most))

    def integer(self) -> int:
        """Returns an integer of any size, and often one at an edge."""
        return self.choice([self.choice(EDGES) + self.randint(-1, 1), self.randint(-99, 99), self.getrandbits(80)])

    def float(self) -> float:
        """Returns any float: of any bits, at an edge, or a plain one."""
        bits: float = struct.unpack("<d", self.randbytes(8))[0]
        return self.choice([bits, self.choice(FLOATS), self.uniform(-1e3, 1e3), float(self.randint(-9, 9))])


EDGES = (0, 2**31, 2**32, 2**53, 2**63, 2**64, -(2**31), -(2**63), 10**18, 10**400)
FLOATS = (0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 5e-324, 2.2e-308, 1.7976931348623157e308, 1e16, -1e16, 1e-9)
CHARACTERS = (
    "\0\t\n\r\x0b\x0c\x1b\x1f\x7f\x80\x85\x9b\x9f\xa0\xad\xff\u0130\u0131\u0663\u2028\u2029\u202e\u200b\u2044\u3002"
    "\ufeff\ufffd\uffff\ud800\udcff\udfff\U0001f600\U0010ffff <>&\"'`\\/:;,.=%#?@+-[]{}()*|~$!^_"
)
ALPHABETS: tuple[Callable[[Chance], str], ...] = (
    lambda chance: chance.choice("abcxyzABZ0189"),
    lambda chance: chr(chance.randint(32, 126)),
    lambda chance: chance.choice(CHARACTERS),
    lambda chance: chr(chance.randrange(0x3000)),
    lambda chance: chr(chance.randrange(0x110000)),
)


class Batch:
    """Examples that are independent of each other: each comes from a seed of its own, and says all of it.

    So a test that checks each of them has checked as many examples, at the cost of drawing one from hypothesis.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __repr__(self) -> str:
        return f"Batch({self._seed})"

    def __iter__(self) -> Iterator[Chance]:
        return (Chance(self._seed * BATCH + index) for index in range(BATCH))


batches = st.integers(0, 2**64 - 1).map(Batch)
