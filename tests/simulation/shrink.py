"""Shrinks a world in which something is wrong to the calls, the faults and the surroundings that matter."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import Any, Final, TypeVar

from .plan import Call, ClientPlan, Leave, Plan, Surroundings
from .runner import Report, run

T = TypeVar("T")

MOST_TRIES: Final = 400


def kind_of(violation: str) -> str:
    """Makes the same of violations that differ in numbers alone."""
    return re.sub(r"[0-9a-f-]{36}|[0-9]+(\.[0-9]+)?", "#", violation)[:120]


class Shrinker:
    """Makes a world smaller while the same kind of violation is left in it.

    Args:
        report: What came of the world as it was drawn.
        backend: Where it runs.
    """

    def __init__(self, report: Report, backend: str) -> None:
        self._kinds = {kind_of(violation) for violation in report.violations}
        self._backend = backend
        self._tries = 0
        self.report = report

    def shrunk(self) -> Report:
        """Returns what came of the smallest world that was found."""
        self._try(replace(self.report.plan, faults=dict(self.report.faults)))
        before = -1
        while before != len(self.report.trace) and self._tries < MOST_TRIES:
            before = len(self.report.trace)
            self._drop("calls", self.report.plan.calls, lambda calls: replace(self.report.plan, calls=tuple(calls)))
            if self.report.plan.faults is not None:
                faults = list(self.report.plan.faults.items())
                self._drop("faults", faults, lambda kept: replace(self.report.plan, faults=dict(kept)))
            for plan in self._simpler():
                self._try(plan)
        return self.report

    def _try(self, plan: Plan) -> bool:
        if self._tries >= MOST_TRIES:
            return False
        self._tries += 1
        report = run(plan, self._backend)
        if not self._kinds & {kind_of(violation) for violation in report.violations}:
            return False
        self.report = report
        return True

    def _drop(self, what: str, parts: Sequence[T], plan_of: Callable[[Sequence[T]], Plan]) -> None:
        """Leaves out halves, quarters, and at last single parts."""
        kept, size = list(parts), len(parts)
        while size:
            begin = 0
            while begin < len(kept):
                fewer = kept[:begin] + kept[begin + size :]
                if self._try(plan_of(fewer)):
                    kept = fewer
                else:
                    begin += size
            size //= 2

    def _simpler(self) -> Iterator[Plan]:
        harmless = Surroundings()
        for field in fields(Surroundings):
            around = self.report.plan.surroundings
            if getattr(around, field.name) != getattr(harmless, field.name):
                value: Any = getattr(harmless, field.name)
                yield replace(self.report.plan, surroundings=replace(around, **{field.name: value}))
        for number in range(len(self.report.plan.calls)):
            for simple in _simpler_calls(self.report.plan.calls[number]):
                calls = list(self.report.plan.calls)
                calls[number] = simple
                yield replace(self.report.plan, calls=tuple(calls))
        clients = self.report.plan.clients
        yield replace(self.report.plan, clients=tuple(ClientPlan() for _ in clients))


def _simpler_calls(call: Call) -> Iterator[Call]:
    yield replace(call, leave=Leave())
    yield replace(call, at=0.0)
    yield replace(call, timeout=None, duration=None, poll_interval=1.0, on_poll="none", webhook=False)
    yield replace(call, timeout=None)
    yield replace(call, webhook=False)
    yield replace(call, on_poll="none")
    yield replace(call, cancel_on_exit=False)
    yield replace(call, seconds=1.0, ends="succeeded")
    batch = call.batch
    if call.kind == "batch":
        yield replace(call, batch=replace(batch, inputs=max(1, batch.inputs // 2)))
        for number in range(len(batch.runs) - 1):
            yield replace(call, batch=replace(batch, runs=batch.runs[:number] + batch.runs[number + 1 :]))
