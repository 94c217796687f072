"""The callers: what each call of a plan does, and how its caller leaves."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import anyio
import anyio.lowlevel
from anyio import CancelScope, get_cancelled_exc_class, sleep
from anyio.abc import TaskGroup

from wriftai_anyio import Client, File
from wriftai_anyio.predictions import AsyncWaitOptions
from wriftai_anyio.webhooks import WebhookReceiver

from .network import Network, stored_changes
from .plan import Call, ClientPlan
from .server import STORE, Stored, canonical
from .world import TOKEN, World

MODEL: Final = "o/n"
SECRET: Final = "webhook secret"
CONTENT: Final = bytes(range(256)) * 2
OUTLIVED: Final = 4 * 3600.0
"""Seconds after which no call may be under way any more."""


class CallbackError(Exception):
    """What the callbacks of callers raise."""


@dataclass
class Outcome:
    """What came of a call.

    Attributes:
        began: When it began.
        ended: When it ended; `None` if it never did.
        left: When its caller left.
        value: What it returned.
        error: What it raised.
        existing: The prediction that it was called for.
        polled: The states that its callback saw.
        closed: Whether its client was closed.
        progress: The sum of what its callback was told, in bytes.
        folder: Where it downloads to.
    """

    began: float
    ended: float | None = None
    left: float | None = None
    value: Any = None
    error: BaseException | None = None
    existing: Stored | None = None
    polled: list[Any] = field(default_factory=list)
    closed: bool = False
    progress: int = 0
    folder: Path | None = None


class Process:
    """A client, and the process that it is in.

    Args:
        world: The world.
        plan: The client.
        name: Its name, for the trace.
    """

    def __init__(self, world: World, plan: ClientPlan, name: str) -> None:
        self.world = world
        self.plan = plan
        self.network = Network(world, name)
        # Processes share nothing but the server: a base URL of its own gives each a pace of its own.
        base_url = f"https://api{plan.process}-{world.plan.seed}.example/v1"
        self.client = Client(
            f"{TOKEN}-{world.serial}",
            base_url,
            transport=self.network,
            max_retries=plan.max_retries,
            timeout=plan.timeout,
        )
        self.receiver = WebhookReceiver(SECRET, None, self.client) if plan.receives_webhooks else None
        self.closed_at: float | None = None

    async def close(self) -> None:
        """Closes the client."""
        self.closed_at = self.world.now()
        await self.client.aclose()


class Caller:
    """Makes one call.

    Args:
        world: The world.
        process: Whose client is called.
        call: The call.
        folder: Where its files are.
    """

    def __init__(self, world: World, process: Process, call: Call, folder: Path) -> None:
        self._world = world
        self.process = process
        self._client = process.client
        self.call = call
        self._folder = folder
        self.outcome = Outcome(call.at)

    async def run(self) -> None:
        """Makes the call at its time, leaves it as planned, and notes its outcome."""
        world, call, outcome = self._world, self.call, self.outcome
        await sleep(call.at)
        outcome.began = world.now()
        if call.kind in {"get", "wait", "cancel", "stream"}:
            given = {"call": call.number, "seconds": call.seconds, "ends": call.ends, "existing": True}
            outcome.existing = world.server.prepare(
                call.number, given, world.now(), call.seconds, call.ends, streams=call.kind == "stream"
            )
        world.note(f"call {call.number} {call.kind} begins")
        await self._leaving()
        if outcome.ended is not None:
            shown = str(outcome.error)[:160] if isinstance(outcome.error, Exception) else ""
            result = type(outcome.error).__name__ if outcome.error else "fine"
            world.note(f"call {call.number} {call.kind} ended: {result} {shown}")

    async def _leaving(self) -> None:
        leave = self.call.leave
        if leave.kind == "stay":
            await self._noted()
        elif leave.kind == "scope":
            with CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._leave_scope, scope)
                    await self._noted()
                    tasks.cancel_scope.cancel()
        else:
            await self._leave_natively()

    async def _leave_scope(self, scope: CancelScope) -> None:
        await sleep(self.call.leave.after)
        self._left("by a scope")
        scope.cancel()

    async def _leave_natively(self) -> None:
        leave = self.call.leave
        task = asyncio.ensure_future(self._noted())
        done, _ = await asyncio.wait({task}, timeout=leave.after)
        if not done:
            self._left("natively")
            task.cancel()
        if not done and leave.kind == "native-twice":
            done, _ = await asyncio.wait({task}, timeout=leave.again_after)
            if not done:
                self._left("natively again")
                task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def _left(self, how: str) -> None:
        self._world.cancels += 1
        self._world.note(f"call {self.call.number} is left {how}")
        if self.outcome.left is None:
            self.outcome.left = self._world.now()

    async def _noted(self) -> None:
        outcome = self.outcome
        try:
            outcome.value = await getattr(self, f"_{self.call.kind.replace('-', '_')}")()
        except get_cancelled_exc_class() as error:
            outcome.error = error
            raise
        except BaseException as error:
            outcome.error = error
        finally:
            if not self._world.now() >= OUTLIVED:
                outcome.ended = self._world.now()

    @property
    def _options(self) -> AsyncWaitOptions:
        call = self.call
        return AsyncWaitOptions(
            call.poll_interval,
            None if call.on_poll == "none" else self._on_poll,
            timeout=call.timeout,
            cancel_on_exit=call.cancel_on_exit,
            duration=call.duration,
            poll=call.poll,
        )

    async def _on_poll(self, prediction: Any) -> None:
        self.outcome.polled.append(prediction)
        await anyio.lowlevel.checkpoint()
        if self.call.on_poll == "raises":
            raise CallbackError

    @property
    def input(self) -> dict[str, Any]:
        """What the call creates a prediction of."""
        return {"call": self.call.number, "seconds": self.call.seconds, "ends": self.call.ends}

    @property
    def _params(self) -> Any:
        webhook = {"webhook": {"url": f"https://me.example/{self.call.client}", "secret": SECRET}}
        return {"input": self.input, **(webhook if self.call.webhook else {})}

    @property
    def _existing(self) -> str:
        assert self.outcome.existing is not None
        return self.outcome.existing.id

    async def _get(self) -> object:
        return await self._client.predictions.async_get(self._existing)

    async def _list(self) -> object:
        return await self._client.predictions.async_list({"page_size": 25})

    async def _iterate(self) -> object:
        return [each async for each in self._client.predictions.async_iterate({"page_size": 50})]

    async def _create(self) -> object:
        return await self._client.predictions.async_create(self._params, MODEL)

    async def _create_and_wait(self) -> object:
        return await self._client.predictions.async_create(self._params, MODEL, wait=True, wait_options=self._options)

    async def _create_with_file(self) -> object:
        params: Any = {"input": {**self.input, "file": File(CONTENT)}}
        return await self._client.predictions.async_create(params, MODEL)

    async def _wait(self) -> object:
        return await self._client.predictions.async_wait(self._existing, self._options)

    async def _cancel(self) -> object:
        await self._client.predictions.async_cancel(self._existing)
        return None

    async def _stream(self) -> object:
        return await self._read(self._client.predictions.async_stream(self._existing))

    async def _create_stream(self) -> object:
        return await self._read(self._client.predictions.async_create_stream(self._params, MODEL))

    async def _read(self, stream: Any) -> object:
        self.outcome.value = events = []
        async with stream:
            async for event in stream:
                events.append(event)  # noqa: PERF401 -- what was read before an error counts
        return events

    async def _upload(self) -> object:
        path = self._folder / "source"
        if self.call.on_disk:
            path.write_bytes(CONTENT)
        return await self._client.files.async_upload(File(path if self.call.on_disk else CONTENT), self._on_progress)

    def _on_progress(self, done: int, _: int | None) -> None:
        self.outcome.progress += done

    async def _download(self) -> object:
        folder = self.outcome.folder = self._folder / f"download {self.call.number}"
        folder.mkdir()
        url = f"https://{STORE}/file/{self.call.number}?secret"
        to = folder / "name" if self.call.on_disk else folder
        return await self._client.files.async_download(url, to, on_progress=self._on_progress)

    async def _drop_client(self) -> object:
        plan = replace(self.process.plan, process=1000 + self.call.number, closed_at=None)
        process = Process(self._world, plan, f"dropped {self.call.number}")
        answer = await process.client.predictions.async_list()
        self._world.dropped.append(process.network)
        return answer

    async def _resources(self) -> object:
        await self._client.hardware.async_list()
        return await self._client.users.async_list()


def webhooks_of(world: World, processes: list[Process], tasks: TaskGroup) -> Callable[[Stored], None]:
    """Makes what posts the states of each prediction that has a webhook, as the world's service does."""

    def post_states(stored: Stored) -> None:
        receiver = processes[int(stored.webhook["url"].rpartition("/")[2])].receiver if stored.webhook else None
        if receiver is not None and world.plan.surroundings.webhooks != "never":
            tasks.start_soon(_post_states, world, receiver, stored)

    return post_states


async def _post_states(world: World, receiver: WebhookReceiver, stored: Stored) -> None:
    kind = world.plan.surroundings.webhooks
    bodies: list[bytes] = []
    for part in (0.0, 0.1, 0.5, 1.0):
        while (pause := _moment(stored, part) - world.now()) > 0:
            await stored_changes(stored, pause)
        bodies.append(json.dumps(world.server.shown(stored, world.now())).encode())
        if kind != "shuffled":
            await sleep({"late": world.chance.uniform(1, 90)}.get(kind, 0.05))
            for _ in range(2 if kind == "twice" else 1):
                await _post(world, receiver, bodies[-1])
    if kind == "shuffled":
        world.chance.shuffle(bodies)
        for body in bodies:
            await _post(world, receiver, body)


def _moment(stored: Stored, part: float) -> float:
    return stored.created_at + (stored.over_at - stored.created_at) * part


async def _post(world: World, receiver: WebhookReceiver, body: bytes) -> None:
    sent_at = int(world.server.epoch + world.now())
    signature = hmac.new(SECRET.encode(), b"%d." % sent_at + body, hashlib.sha256).hexdigest()
    headers = [
        (b"wriftai-webhook-signature", f"t={sent_at},v1={signature}".encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    scope: MutableMapping[str, Any] = {"type": "http", "method": "POST", "headers": headers}
    statuses: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    await receiver(scope, receive, send)
    world.note(f"webhook {json.loads(body)['id']} {json.loads(body)['status']} answered {statuses[0]}")
    clocks_agree = abs(world.plan.surroundings.clock) < 290
    if (statuses[0] == 204) is not clocks_agree:
        world.violated(f"a webhook was answered {statuses[0]}")


def inputs_of(call: Call) -> list[dict[str, Any]]:
    """Returns the inputs of a batch."""
    return [
        {
            "call": call.number,
            "seconds": min(call.seconds, 60.0),
            "ends": call.ends,
            "number": index if call.batch.distinct else 0,
        }
        for index in range(call.batch.inputs)
    ]


def value_of(params: Any) -> str:
    """Makes the inputs of predictions comparable."""
    return canonical(params.get("input", params))
