"""What happens in a world, as plain data: drawn from a seed, printed, shrunk, run again."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, Literal, TypeAlias

FAULTS: Final = (
    "refused",
    "connect-timeout",
    "dropped-before",
    "dropped-after",
    "half-answer",
    "stalled-before",
    "stalled-after",
    "late",
    "408",
    "gateway-429",
    "500-before",
    "500-after",
    "502-html",
    "503",
    "504-after",
    "200-html",
)
"""What the network and what stands before the API do to a request; "after" it was processed, or before."""

Kind: TypeAlias = Literal[
    "get",
    "list",
    "iterate",
    "create",
    "create-and-wait",
    "create-with-file",
    "wait",
    "cancel",
    "stream",
    "create-stream",
    "upload",
    "download",
    "drop-client",
    "resources",
    "batch",
]
KINDS: Final[tuple[tuple[Kind, int], ...]] = (
    ("get", 2),
    ("list", 1),
    ("iterate", 1),
    ("create", 3),
    ("create-and-wait", 8),
    ("create-with-file", 1),
    ("wait", 8),
    ("cancel", 2),
    ("stream", 2),
    ("create-stream", 2),
    ("upload", 1),
    ("download", 2),
    ("drop-client", 1),
    ("resources", 1),
    ("batch", 3),
)
"""The calls, and how often each is drawn."""


Stated: TypeAlias = Literal["right", "absent", "skewed"]
Leaving: TypeAlias = Literal["stay", "scope", "native", "native-twice"]


@dataclass(frozen=True)
class Limit:
    """How many requests of one kind the account may send.

    Args:
        count: How many in each window, or in a bucket that is refilled once in that time.
        seconds: The window's length.
        bucket: Whether it is a bucket.
        headers: What the answers say of it.
    """

    count: int
    seconds: float = 1.0
    bucket: bool = True
    headers: Stated = "right"


@dataclass(frozen=True)
class Surroundings:
    """The server and the network; the defaults are harmless.

    Args:
        creates: The limit of creates.
        others: The limit of all else.
        hold: What the server makes of the wish to be answered late.
        list_lag: Seconds by which lists are behind.
        doubled_entries: The chance of each page to tell its last entry again.
        largest_page: Above it the server refuses a page's size.
        clock: Seconds by which the server's clock is ahead of the callers'.
        latency: Seconds of a round trip, about.
        tail: The chance of a request to take up to a hundred times as long.
        fault_rate: The chance of a request to meet a fault.
        faults: Which there are.
        stream_cuts: The chance of each event to be the last of its connection.
        webhooks: How they come.
        others_create: When another program of the account creates a prediction.
        cancel_delay: Seconds until a cancel takes effect.
        disk: Seconds that a function takes on a worker thread, about.
        etags: How the store names the state of a file.
        ranges: Whether the store answers with a part of a file where that is asked for.
        file_changes: Seconds after which a file on the store is another.
    """

    creates: Limit | None = None
    others: Limit | None = None
    hold: Literal["honoured", "shortened", "ignored"] = "honoured"
    list_lag: float = 0.0
    doubled_entries: float = 0.0
    largest_page: int = 50
    clock: float = 0.0
    latency: float = 0.05
    tail: float = 0.0
    fault_rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    stream_cuts: float = 0.0
    webhooks: Literal["once", "late", "twice", "shuffled", "never"] = "once"
    others_create: tuple[float, ...] = ()
    cancel_delay: float = 0.0
    disk: float = 0.0
    etags: Literal["strong", "weak", "absent"] = "strong"
    ranges: bool = True
    file_changes: float = 1e9


@dataclass(frozen=True)
class Leave:
    """How the caller leaves early: not, by a cancel scope, or by asyncio's own cancellation, maybe twice."""

    kind: Leaving = "stay"
    after: float = 0.0
    again_after: float = 0.0


@dataclass(frozen=True)
class Run:
    """One run of a batch.

    Args:
        killed_after: Seconds until its process is killed.
        left_after: Seconds until its caller leaves it.
        recreate_unknown: The batch's option.
        find_unknown: The batch's option.
    """

    killed_after: float | None = None
    left_after: float | None = None
    recreate_unknown: bool = False
    find_unknown: bool = False


@dataclass(frozen=True)
class BatchPlan:
    """What a batch is called with, and its runs."""

    inputs: int = 3
    distinct: bool = True
    max_in_flight: int = 100
    journal: bool = False
    runs: tuple[Run, ...] = (Run(),)


@dataclass(frozen=True)
class Call:
    """One call of a client."""

    number: int
    kind: Kind
    client: int = 0
    at: float = 0.0
    seconds: float = 1.0
    ends: str = "succeeded"
    leave: Leave = Leave()
    timeout: float | None = None
    cancel_on_exit: bool = False
    poll_interval: float = 1.0
    duration: float | None = None
    poll: bool = True
    on_poll: Literal["none", "fine", "raises"] = "none"
    webhook: bool = False
    on_disk: bool = False
    batch: BatchPlan = BatchPlan()


@dataclass(frozen=True)
class ClientPlan:
    """One client: of which process, and when it is closed in mid-flight."""

    process: int = 0
    max_retries: int = 2
    timeout: float = 30.0
    closed_at: float | None = None
    receives_webhooks: bool = False


@dataclass(frozen=True)
class Plan:
    """A world.

    Args:
        seed: What all chance in it comes from.
        surroundings: The server and the network.
        clients: The clients.
        calls: What they do.
        faults: Which request meets which fault; `None` to draw them.
    """

    seed: int
    surroundings: Surroundings
    clients: tuple[ClientPlan, ...]
    calls: tuple[Call, ...]
    faults: Mapping[int, str] | None = field(default=None)


def draw(seed: int, *, native: bool) -> Plan:
    """Draws a world; the same seed brings the same world.

    Args:
        seed: The seed.
        native: Whether tasks can be cancelled natively, as asyncio's.
    """
    chance = Random(seed)
    clients = tuple(_client(chance) for _ in range(chance.choice((1, 1, 1, 2, 3))))
    crowd = chance.random() < 0.03
    calls = chance.randint(40, 120) if crowd else chance.choice((1, 1, 2, 3, 4, 6, 10))
    kinds, weights = zip(*KINDS, strict=True)
    alike = chance.choices(kinds, weights)[0] if crowd else None
    around = _surroundings(chance)
    drawn = [
        _call(chance, around.latency, number, alike or chance.choices(kinds, weights)[0], len(clients), native=native)
        for number in range(calls)
        if not (alike == "batch" and number > 2)
    ]
    plan = Plan(seed, around, clients, tuple(drawn))
    return chance.choice(THEMES)(chance, plan) if chance.random() < THEMED else plan


def _client(chance: Random) -> ClientPlan:
    return ClientPlan(
        process=chance.choice((0, 0, 1, 2)),
        max_retries=chance.choice((0, 1, 2, 2, 2, 5)),
        timeout=chance.choice((5.0, 30.0, 30.0)),
        closed_at=chance.uniform(0.0, 20.0) if chance.random() < 0.08 else None,
        receives_webhooks=chance.random() < 0.4,
    )


def _limit(chance: Random, rate: float) -> Limit | None:
    if chance.random() < 0.3:
        return None
    seconds = chance.choice((1.0, 1.0, 1.0, 2.0, 10.0, 60.0))
    stated: tuple[Stated, ...] = ("right", "right", "right", "absent", "skewed")
    return Limit(max(1, int(rate * seconds)), seconds, bucket=chance.random() < 0.5, headers=chance.choice(stated))


def _surroundings(chance: Random) -> Surroundings:
    calm = chance.random() < 0.2
    return Surroundings(
        creates=_limit(chance, chance.choice((2, 15, 15, 100))),
        others=_limit(chance, chance.choice((3, 3, 15, 100))),
        hold=chance.choice(("honoured", "shortened", "ignored")),
        list_lag=chance.choice((0.0, 0.0, 0.5, 3.0)),
        doubled_entries=chance.choice((0.0, 0.0, 0.3)),
        largest_page=chance.choice((50, 50, 25)),
        clock=chance.choice((0.0, 0.0, 0.4, -0.7, 30.0, -3600.0, 7200.0)),
        latency=chance.choice((0.002, 0.05, 0.05, 0.3, 1.0)),
        tail=chance.choice((0.0, 0.02, 0.1)),
        fault_rate=0.0 if calm else chance.choice((0.02, 0.1, 0.1, 0.3)),
        faults=FAULTS if chance.random() < 0.5 else tuple(chance.sample(FAULTS, chance.randint(1, 5))),
        stream_cuts=0.0 if calm else chance.choice((0.0, 0.05, 0.3)),
        webhooks=chance.choice(("once", "late", "twice", "shuffled", "never")),
        others_create=tuple(sorted(chance.uniform(0, 60) for _ in range(chance.choice((0, 0, 3, 30))))),
        cancel_delay=chance.choice((0.0, 0.2, 2.0)),
        disk=chance.choice((0.0, 0.001, 0.05)),
        etags=chance.choice(("strong", "strong", "weak", "absent")),
        ranges=chance.random() < 0.7,
        file_changes=chance.choice((1e9, 1e9, 1.0, 20.0)),
    )


def _seconds(chance: Random) -> float:
    return chance.choice((0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 5.0, 20.0, 60.0, 600.0, 1790.0))


def _leave(chance: Random, latency: float, *, native: bool) -> Leave:
    if chance.random() < 0.6:
        return Leave()
    ways: tuple[Leaving, ...] = ("scope", "native", "native-twice") if native else ("scope",)
    after = chance.choice((0.0, latency / 2, latency / 2, 0.1, 1.0, 5.0, 30.0)) * chance.uniform(0.5, 2.0)
    return Leave(chance.choice(ways), after, chance.choice((0.0, 0.01, 0.2, 2.0)) * chance.random())


def _poll_interval(chance: Random, seconds: float) -> float:
    """Draws an interval that leads to no more than some hundred polls."""
    return max(seconds / 60 if seconds > 1 else 0.0, chance.choice((0.0, 0.1, 1.0, 1.0, 1.0, 5.0)))


def _call(chance: Random, latency: float, number: int, kind: Kind, clients: int, *, native: bool) -> Call:
    seconds = _seconds(chance)
    batch = _batch(chance, latency)
    # Where a scope of anyio's (4.16) and a native cancellation meet in one task, anyio may lose the native one.
    native = native and not (kind == "batch" and len(batch.runs) > 1)
    return Call(
        number,
        kind,
        client=chance.randrange(clients),
        at=chance.choice((0.0, 0.0, chance.uniform(0, 2), chance.uniform(0, 30))),
        seconds=seconds,
        ends=chance.choice(("succeeded", "succeeded", "succeeded", "failed", "abandoned")),
        leave=_leave(chance, latency, native=native),
        timeout=chance.choice((None, None, 0.0, 0.05, 1.0, 3.0, 20.0, 100.0)),
        cancel_on_exit=chance.random() < 0.5,
        poll_interval=_poll_interval(chance, seconds),
        duration=chance.choice((None, None, None, 0.5, 5.0, 60.0)),
        poll=chance.random() < 0.9,
        on_poll=chance.choice(("none", "none", "none", "none", "fine", "raises")),
        webhook=chance.random() < 0.4,
        on_disk=chance.random() < 0.5,
        batch=batch,
    )


def _batch(chance: Random, latency: float) -> BatchPlan:
    journal = chance.random() < 0.75
    runs = [_run(chance, latency) for _ in range(chance.choice((0, 1, 1, 2, 3)))] if journal else []
    last = Run(recreate_unknown=chance.random() < 0.2, find_unknown=chance.random() < 0.6)
    return BatchPlan(
        inputs=chance.choice((1, 2, 3, 5, 8, 15)),
        distinct=chance.random() < 0.6,
        max_in_flight=chance.choice((1, 2, 5, 100)),
        journal=journal,
        runs=(*runs, last if journal else Run()),
    )


def _run(chance: Random, latency: float) -> Run:
    after = chance.choice((latency / 2, latency, 0.3, 1.0, 5.0)) * chance.uniform(0.2, 2.0)
    killed = chance.random() < 0.7
    return Run(
        killed_after=after if killed else None,
        left_after=None if killed else after,
        recreate_unknown=chance.random() < 0.1,
        find_unknown=chance.random() < 0.5,
    )


def _creates_that_are_left(chance: Random, plan: Plan) -> Plan:
    """Whoever leaves while a create is under way, and nothing else goes wrong: then it is cancelled, not only named."""
    latency = chance.choice((0.05, 0.3))
    around = replace(plan.surroundings, latency=latency, tail=0.0, fault_rate=0.0, creates=None, others=None)
    clients = tuple(replace(client, closed_at=None) for client in plan.clients)
    calls = tuple(
        replace(
            call,
            kind="create-and-wait",
            seconds=60.0,
            timeout=None,
            cancel_on_exit=True,
            leave=Leave("scope" if call.leave.kind == "stay" else call.leave.kind, latency * chance.uniform(0.1, 0.9)),
        )
        for call in plan.calls[:10]
    )
    return replace(plan, surroundings=around, clients=clients, calls=calls)


def _more_than_the_limit(chance: Random, plan: Plan) -> Plan:
    """One client alone that could keep a limit which its server states, and a crowd of calls: hardly one is refused."""
    limit = Limit(chance.choice((5, 15)), bucket=chance.random() < 0.5)
    around = replace(
        plan.surroundings, creates=limit, others=None, latency=0.05, tail=0.0, fault_rate=0.0, clock=0.0, list_lag=0.0
    )
    clients = (replace(plan.clients[0], closed_at=None),)
    calls = tuple(Call(number, "create", at=chance.uniform(0, 2)) for number in range(chance.randint(30, 60)))
    return replace(plan, surroundings=around, clients=clients, calls=calls)


def _batches_with_lost_answers(chance: Random, plan: Plan) -> Plan:
    """Batches with a journal that are killed or left after the answers of creates were lost, and resumed."""
    faults = ("half-answer", "dropped-after", "500-after", "504-after")
    around = replace(
        plan.surroundings, latency=0.05, tail=0.0, fault_rate=0.3, faults=tuple(chance.sample(faults, 2)), list_lag=0.0
    )
    batch = BatchPlan(
        inputs=chance.choice((5, 8)),
        journal=True,
        runs=(*(Run(killed_after=chance.uniform(0.2, 3.0)) for _ in range(chance.choice((1, 2)))), Run()),
    )
    calls = (Call(0, "batch", seconds=20.0, batch=batch), Call(1, "batch", seconds=2.0, batch=batch))
    return replace(plan, surroundings=around, calls=calls)


THEMED: Final = 0.12
THEMES: Final[tuple[Callable[[Random, Plan], Plan], ...]] = (
    _creates_that_are_left,
    _more_than_the_limit,
    _batches_with_lost_answers,
)
"""Sequences that chance alone seldom brings, and the part of the worlds that are of one of them."""
