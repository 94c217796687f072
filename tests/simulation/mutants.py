"""Faults put into the library one at a time, a line each: if the simulation does not find one, it is not worth much."""

import importlib
import inspect
import sys
import textwrap
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from .runner import run_seed
from .shrink import kind_of


@dataclass(frozen=True)
class Mutant:
    """A fault: what in the source of one function is replaced by what.

    Args:
        name: What it does wrong.
        target: The qualified name of the function, which only one module of the package has.
        old: What is there once.
        new: What is put in its place.
    """

    name: str
    target: str
    old: str
    new: str

    @contextmanager
    def applied(self) -> Generator[None]:
        """Has the fault in the library while the block lasts.

        Raises:
            LookupError: If the source is not what it was any more: change the mutant with it.
        """
        module, *path, name = _defining(self.target)
        owner: Any = reduce(getattr, path, module)
        original = inspect.getattr_static(owner, name)
        source = textwrap.dedent(inspect.getsource(original))
        if source.count(self.old) != 1:
            raise LookupError(f"{self.name}: {self.old!r} is not once in {self.target}")
        scope: dict[str, Any] = {}
        exec(compile(source.replace(self.old, self.new), f"<{self.name}>", "exec"), vars(module), scope)
        everywhere = [(owner, name), *_imported(original, name)]
        for place, attribute in everywhere:
            setattr(place, attribute, scope[name])
        try:
            yield
        finally:
            for place, attribute in everywhere:
                setattr(place, attribute, original)


def _defining(qualified: str) -> tuple[Any, ...]:
    """Finds the module that defines a function, and returns it and the parts of the function's name."""
    parts = qualified.split(".")
    # They are imported only when they are used.
    for late in ("_batch.journaled_job", "_files.transfers", "_pipeline.engine"):
        importlib.import_module(f"wriftai_anyio.{late}")
    for path, module in list(sys.modules.items()):
        if path.startswith("wriftai_anyio") and getattr(vars(module).get(parts[0]), "__module__", None) == path:
            return module, *parts
    raise LookupError(f"no module defines {parts[0]}")


def _imported(original: object, name: str) -> Iterable[tuple[Any, str]]:
    """Finds where a function was imported by its name."""
    modules = [module for path, module in sys.modules.items() if path.startswith("wriftai_anyio")]
    return [(module, name) for module in modules if vars(module).get(name) is original]


MUTANTS: Final = (
    Mutant(
        "a create is sent again after a lost answer",
        "retry_delay",
        "if repeatable or not failure.request_sent",
        "if True",
    ),
    Mutant(
        "a create is sent again after a 5xx",
        "retry_delay",
        "not in PASSING_STATUSES or not repeatable",
        "not in PASSING_STATUSES",
    ),
    Mutant(
        "a create that failed with 5xx counts as not done",
        "outcome_told",
        "error.status_code < 500",
        "error.status_code < 600",
    ),
    Mutant(
        "the next in the queue is not woken",
        "Bucket._wake_next",
        "next(iter(queue)).wake()",
        "pass",
    ),
    Mutant(
        "a slot is not given back when nothing came",
        "Bucket.unanswered",
        "self._budget.ended(slot)",
        "pass",
    ),
    Mutant(
        "a limit is not kept",
        "Budget.take",
        "self._free_at(now)",
        "now",
    ),
    Mutant(
        "who leads next is not woken",
        "SharedPolls._hand_over",
        "self._leader.signal()",
        "pass",
    ),
    Mutant(
        "a wait is not forgotten",
        "SharedPolls.leave",
        "waits.remove(wait)",
        "pass",
    ),
    Mutant(
        "a wait returns what has not ended",
        "Poller._follow",
        "if is_terminal(prediction)",
        "if True",
    ),
    Mutant(
        "a wait does not outlive a fault",
        "Wait.outlives",
        "return is_passing(error) and",
        "return False and",
    ),
    Mutant(
        "an event comes again after a cut",
        "EventReader._take",
        "self._last_id = event.id",
        "self._last_id = self._last_id or event.id",
    ),
    Mutant(
        "a stream ends where its connection does",
        "EventReader._recover",
        "if self.ended:",
        "self.ended = True\n    if self.ended:",
    ),
    Mutant(
        "an intent is not written",
        "JournaledJob._create",
        "AttemptHooks(partial(self._intend, number),",
        "AttemptHooks(checkpoint,",
    ),
    Mutant(
        "a create of unknown outcome is taken back",
        "JournaledJob._send",
        "await self._note(created(number, error.prediction_id))",
        "pass\n        await self._note(not_created(number))",
    ),
    Mutant(
        "a found create is claimed twice",
        "LostCreates.claim",
        "self.predictions.remove(prediction)",
        "pass",
    ),
    Mutant(
        "a create under way is not let finish",
        "SendShield.__aenter__",
        "self.scope.shield = True",
        "self.scope.shield = False",
    ),
    Mutant(
        "what is left is not cancelled",
        "Operations._bounded",
        "await self.cancel_left_behind(followed, error)",
        "pass",
    ),
    Mutant(
        "a timeout is not kept",
        "Operations._bounded",
        "if options.timeout is None:",
        "if True:",
    ),
    Mutant(
        "an answer is not closed",
        "read_whole",
        "await stream.aclose()",
        "pass",
    ),
    Mutant(
        "an error carries the token",
        "shown_request",
        "not in _SECRET_REQUEST_HEADERS",
        "not in ()",
    ),
    Mutant(
        "a part of a file is read from the wrong place",
        "cut",
        "number * part_size",
        "number * (part_size - 1)",
    ),
    Mutant(
        "a webhook tells the wrong waits",
        "SharedPolls.deliver",
        'self._joined.get(prediction["id"], ())',
        "[each for waits in self._joined.values() for each in waits]",
    ),
)


def hunt(mutant: Mutant, seeds: Iterable[int], backend: str) -> str | None:
    """Looks for a world that shows a fault, and not without it; returns what is wrong there, `None` if none does."""
    for seed in seeds:
        with mutant.applied():
            violations = run_seed(seed, backend).violations
        if violations:
            without = {kind_of(violation) for violation in run_seed(seed, backend).violations}
            new = [violation for violation in violations if kind_of(violation) not in without]
            if new:
                return f"{backend} seed {seed}: {new[0][:200]}"
    return None
