"""What must never be: looked at when a world has ended."""

import logging
import traceback
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import anyio

from wriftai_anyio.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    BatchJournalError,
    CreateOutcomeUnknown,
    WaitTimeoutError,
    WriftAIError,
)

from .batches import BatchCaller, RunOutcome
from .callers import CONTENT, CallbackError, Caller, Outcome, Process, inputs_of, value_of
from .plan import Call
from .server import FILE_SIZE, TERMINAL, Stored, canonical, content_of
from .world import TOKEN, World

LONGEST_GOODBYE: Final = 5.5
"""Seconds that leaving may take where something is cancelled on the server or a create is under way: five, as
promised, and the way there."""
AT_ONCE: Final = 1.1
"""Seconds that leaving may take otherwise: closing connections may take one."""
MOST_REFUSED_ALONE: Final = 0.2
MOST_REFUSED_TOGETHER: Final = 0.6
"""The parts of the requests that may be refused by 429 beyond the first eight, or twenty."""
MOST_REFUSED_IN_PEACE: Final = 0.05
WEBHOOK_PATIENCE: Final = 31.0
_WAITS: Final = frozenset({"create-and-wait", "wait"})


def look(world: World, processes: list[Process], callers: list[Caller]) -> None:
    """Notes all that should not be."""
    for caller in callers:
        name = f"call {caller.call.number} ({caller.call.kind})"
        for problem in _problems(world, caller):
            world.violated(f"{name}: {problem}")
    for problem in (*_leaks(world, processes), *_secrets(world, callers), *_refusals(world)):
        world.violated(problem)


def _problems(world: World, caller: Caller) -> Iterator[str]:
    call, outcome = caller.call, caller.outcome
    if outcome.ended is None:
        yield "never ended"
        return
    yield from _error_is_known(caller)
    yield from _in_time(world, call, outcome, caller.process)
    if isinstance(caller, BatchCaller):
        yield from _of_batch(world, caller)
        return
    made = _made(world, call)
    if len(made) > 1:
        yield f"{len(made)} predictions were created: {' '.join(stored.id for stored in made)}"
    if outcome.error is None:
        yield from _result_is_right(world, call, outcome, made)
    else:
        yield from _error_is_true(call, outcome, made)
    if call.kind in {"upload", "download"}:
        yield from _files_are_whole(world, call, outcome)
    if call.kind in {"stream", "create-stream"}:
        yield from _events_are_right(world, call, outcome, made)
    if call.kind == "wait" and isinstance(outcome.error, (APIConnectionError, APIStatusError, APIResponseError)):
        yield from _outlived_faults(world, caller)
    if call.cancel_on_exit and call.kind in _WAITS and outcome.error is not None:
        yield from _none_left_behind(world, call, outcome, made)


def _outlived_faults(world: World, caller: Caller) -> Iterator[str]:
    around = world.plan.surroundings
    if around.fault_rate <= 0.1 and around.latency < 1 and caller.process.plan.closed_at is None:
        yield f"it did not outlive passing faults: {caller.outcome.error}"


def _made(world: World, call: Call) -> list[Stored]:
    return [
        stored
        for stored in world.server.created
        if not stored.by_others and stored.input["call"] == call.number and "existing" not in stored.input
    ]


def _error_is_known(caller: Caller) -> Iterator[str]:
    call, outcome, error = caller.call, caller.outcome, caller.outcome.error
    if error is None or isinstance(error, WriftAIError):
        return
    if isinstance(error, CallbackError) and call.on_poll == "raises":
        return
    if isinstance(error, RuntimeError) and "closed" in str(error) and caller.process.plan.closed_at is not None:
        return
    if isinstance(error, _cancelled()) and outcome.left is not None:
        return
    yield f"it ended with {error!r}: {''.join(traceback.format_exception(error))}"


def _cancelled() -> type[BaseException]:
    return anyio.get_cancelled_exc_class()


def _in_time(world: World, call: Call, outcome: Outcome, process: Process) -> Iterator[str]:
    assert outcome.ended is not None
    careful = call.cancel_on_exit or call.kind == "batch"
    goodbye = LONGEST_GOODBYE if careful else AT_ONCE
    if outcome.left is not None and outcome.ended > outcome.left + goodbye:
        yield f"it took {outcome.ended - outcome.left:.2f} s to leave"
    if call.kind in _WAITS and call.timeout is not None:
        took = outcome.ended - outcome.began
        if took > call.timeout + goodbye:
            yield f"it took {took:.2f} s, with a timeout of {call.timeout:g} s"
    if call.kind in _WAITS and outcome.error is None and _is_calm(world) and call.poll:
        over_at = _returned(world, outcome).over_at if _returned(world, outcome) else 0.0
        late = outcome.ended - max(over_at, outcome.began)
        patience = WEBHOOK_PATIENCE if call.webhook and process.plan.receives_webhooks else 0.0
        if late > call.poll_interval + patience + 3.0 + 10 * world.plan.surroundings.latency:
            yield f"it ended {late:.2f} s after its prediction"


def _is_calm(world: World) -> bool:
    around = world.plan.surroundings
    return (
        not world.faults
        and not around.tail
        and around.creates is around.others is None
        and not around.list_lag
        and len(world.plan.calls) < 50
    )


def _can_be_cancelled(world: World) -> bool:
    around = world.plan.surroundings
    quick = not around.tail and around.latency < 1 and (around.others is None or len(world.plan.calls) < 4)
    return quick and not world.faults and not any(client.closed_at for client in world.plan.clients)


def _returned(world: World, outcome: Outcome) -> Any:
    value = outcome.value
    return world.server.predictions.get(value["id"]) if isinstance(value, dict) and "id" in value else None


def _result_is_right(world: World, call: Call, outcome: Outcome, made: list[Stored]) -> Iterator[str]:
    value = outcome.value
    if call.kind in {"get", "wait", "create", "create-and-wait", "create-with-file"}:
        expected = outcome.existing or (made[0] if made else None)
        if expected is None or value["id"] != expected.id:
            yield f"it returned {value['id']} and not {expected.id if expected else 'any, for none was created'}"
        elif call.kind != "create-with-file" and canonical(value["input"]) != canonical(expected.input):
            yield f"it returned another's input: {value['input']}"
        if call.kind in _WAITS and call.poll:
            yield from _is_ended(world, value)
    if call.kind == "create-with-file" and made and not str(made[0].input["file"]).startswith("https://store"):
        yield f"the file became {made[0].input['file']}"
    if call.kind in {"upload", "create-with-file"} and CONTENT not in world.server.uploaded.values():
        yield "the file did not arrive whole"
    polled = [each["id"] for each in outcome.polled]
    if len(set(polled)) > 1:
        yield f"its callback saw {set(polled)}"


def _files_are_whole(world: World, call: Call, outcome: Outcome) -> Iterator[str]:
    size = len(CONTENT) if call.kind == "upload" else FILE_SIZE
    if outcome.error is None and outcome.progress != size:
        yield f"its callback was told of {outcome.progress} of {size} bytes"
    if outcome.folder is None:
        return
    contents = [path.read_bytes() for path in outcome.folder.iterdir()]
    versions = [content_of(f"/file/{call.number}", number) for number in range(world.server.version(world.now()) + 1)]
    if not all(content in versions for content in contents):
        yield f"a file has {[len(content) for content in contents]} bytes, of several versions maybe"
    # Whoever leaves in the last moment finds the file whole.
    if len(contents) > 1 or not (contents or outcome.error):
        yield f"{len(contents)} files are in its folder"


def _is_ended(world: World, value: Any) -> Iterator[str]:
    stored = world.server.predictions.get(value["id"])
    if value["status"] not in TERMINAL:
        yield f"it returned a prediction that is {value['status']}"
    elif stored is not None and value["status"] != stored.status(world.now()):
        yield f"it returned {value['status']}, but the prediction is {stored.status(world.now())}"
    elif value["status"] == "succeeded" and stored is not None and value["output"] != stored.output:
        yield f"it returned the output {value['output']!r}"


def _error_is_true(call: Call, outcome: Outcome, made: list[Stored]) -> Iterator[str]:
    error = outcome.error
    creates = call.kind.startswith("create")
    if not creates or not made or isinstance(error, WaitTimeoutError):
        return
    untold = isinstance(error, (APIStatusError, APIConnectionError, APIResponseError))
    if call.kind in {"create", "create-with-file"} and untold:
        yield f"it did not say that the outcome is unknown: {error!r}"
    refused = isinstance(error, APIStatusError) and error.status_code < 500
    unsent = isinstance(error, APIConnectionError) and not error.request_sent
    followed = call.kind in {"create-and-wait", "create-stream"} and not refused
    if (refused or unsent) and not followed and not _was_named(error, made[0]):
        yield f"it said that nothing was created: {error}"


def _was_named(error: BaseException | None, stored: Stored) -> bool:
    return stored.id in str(error)


def _events_are_right(world: World, call: Call, outcome: Outcome, made: list[Stored]) -> Iterator[str]:
    if not isinstance(outcome.value, list):
        return
    names = [event["id"] for event in outcome.value]
    stored = outcome.existing or (made[0] if made else None)
    expected = [event[1] for event in world.server.events(stored)] if stored else []
    if names != expected[: len(names)]:
        yield f"its events were {names}"
    elif outcome.error is None and names != expected:
        yield f"its events ended early: {names}"


def _none_left_behind(world: World, call: Call, outcome: Outcome, made: list[Stored]) -> Iterator[str]:
    assert outcome.ended is not None
    if isinstance(outcome.error, CreateOutcomeUnknown):
        return
    if isinstance(outcome.error, WaitTimeoutError) and outcome.error.prediction_id is None:
        return
    warned = [line for level, line in world.lines if level >= logging.WARNING]
    for stored in [outcome.existing] if outcome.existing else made:
        ended = stored.over_at <= outcome.ended
        # Where nothing went wrong, to name it is not enough.
        named = not _can_be_cancelled(world) and any(stored.id in line or "create" in line for line in warned)
        if not (ended or stored.cancels_asked or named):
            yield f"{stored.id} was neither cancelled nor named in the log"


def _of_batch(world: World, caller: BatchCaller) -> Iterator[str]:
    call = caller.call
    inputs = [canonical(given) for given in inputs_of(call)]
    created = Counter(canonical(stored.input) for stored in _made(world, call))
    runs = call.batch.runs
    if not any(run.recreate_unknown for run in runs):
        for given, count in created.items():
            if count > inputs.count(given):
                yield f"{count} predictions were created for {inputs.count(given)} inputs {given}"
    ids: dict[int, str] = {}
    for number, run in enumerate(caller.runs):
        yield from (f"run {number}: {problem}" for problem in _of_run(world, call, run, inputs))
        for result in run.results:
            if result.prediction is None:
                continue
            known = ids.setdefault(result.index, result.prediction["id"])
            if known != result.prediction["id"] and call.batch.journal:
                yield f"input {result.index} had the result {known}, and then {result.prediction['id']}"
    if len(set(ids.values())) != len(ids):
        yield f"a prediction is claimed by two inputs: {ids}"


def _of_run(world: World, call: Call, run: RunOutcome, inputs: list[str]) -> Iterator[str]:
    if isinstance(run.error, BatchJournalError) or (run.error and not isinstance(run.error, WriftAIError)):
        yield f"it ended with {run.error!r}"
    if run.left is not None and run.ended is not None and run.ended > run.left + LONGEST_GOODBYE:
        yield f"it took {run.ended - run.left:.2f} s to leave"
    indexes = Counter(result.index for result in run.results)
    if any(count > 1 for count in indexes.values()):
        yield f"an input has several results: {indexes}"
    if run.complete and sorted(indexes) != list(range(len(inputs))):
        yield f"there are results of {sorted(indexes)} only"
    for result in run.results:
        if result.error is not None and not isinstance(result.error, WriftAIError):
            yield f"input {result.index} ended with {result.error!r}"
        if result.prediction is not None:
            if canonical(result.prediction["input"]) != value_of(result.params):
                yield f"input {result.index} has another's result: {result.prediction['id']}"
            yield from _is_ended(world, result.prediction)


def _leaks(world: World, processes: list[Process]) -> Iterator[str]:
    if world.open_answers:
        yield f"{world.open_answers} answers were left open"
    for number, process in enumerate(processes):
        limits = process.client.rate_limits
        if limits.creates.queued or limits.others.queued:
            yield f"requests of client {number} still wait for the rate limit"


def _secrets(world: World, callers: list[Caller]) -> Iterator[str]:
    shown = [line for _, line in world.lines]
    for caller in callers:
        for error in _chain(caller.outcome.error):
            shown.append(f"{error!r} {error} {vars(error)!r}")
            for carrier in (getattr(error, "request", None), getattr(error, "response", None)):
                shown.append(repr(getattr(getattr(carrier, "request", carrier), "headers", None)))
                shown.append(repr(dict(getattr(carrier, "headers", {}))))
    if any(TOKEN in text for text in shown):
        yield "the token is shown: " + next(text for text in shown if TOKEN in text)[:300]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refusals(world: World) -> Iterator[str]:
    server, around = world.server, world.plan.surroundings
    limits = [limit for limit in (around.creates, around.others) if limit]
    if any(limit.headers != "right" or 1.0 < limit.seconds < 3.0 for limit in limits) or abs(around.clock) % 1:
        return
    batches = any(call.kind == "batch" for call in world.plan.calls)
    # Each dropped client is a process of its own, whose first request is sent before it knows of any limit.
    blind = sum(call.kind == "drop-client" for call in world.plan.calls)
    alone = len({plan.process for plan in world.plan.clients}) == 1 and not batches and not blind
    most = MOST_REFUSED_ALONE if alone else MOST_REFUSED_TOGETHER
    if server.refused > (8 if alone else 20 + blind) + most * server.requests:
        yield f"{server.refused} of {server.requests} requests were refused"
    elif alone and _is_plain(world) and server.refused > 3 + MOST_REFUSED_IN_PEACE * server.requests:
        yield f"{server.refused} of {server.requests} requests were refused, though nothing else went wrong"


def _is_plain(world: World) -> bool:
    around = world.plan.surroundings
    quick = not (world.faults or around.tail) and around.latency <= 0.05
    return quick and all(limit.seconds <= 1.0 for limit in (around.creates, around.others) if limit)
