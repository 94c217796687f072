"""The API in memory: what it keeps, and how it answers a request at the moment at which it is processed."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from random import Random
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import anyio

from .plan import Limit, Surroundings

Json: TypeAlias = Any

TERMINAL: Final = frozenset({"succeeded", "failed", "cancelled", "abandoned"})
LONGEST_HOLD: Final = 1800.0
SHORTENED_HOLD: Final = 3.0
PAGE: Final = 25
PART_SIZE: Final = 100
STORE: Final = "store.example"
FILE_SIZE: Final = 600
FILE_PIECE: Final = 50
"""Bytes that come at once of a file."""


def canonical(value: Json) -> str:
    """Makes equal inputs comparable."""
    return json.dumps(value, sort_keys=True)


@dataclass
class Stored:
    """A prediction on the server.

    Attributes:
        id: Its id.
        input: Its input.
        created_at: When it was created.
        ends_at: When it ends unless it is cancelled.
        ends: How.
        streams: Whether its events can be read.
        cancelled_at: When a cancel takes effect.
        webhook: Where its states are posted.
        by_others: Whether another program of the account created it.
        cancels_asked: How often it was to be cancelled.
        changed: Set when the time of its end changes; replaced then.
    """

    id: str
    input: Json
    created_at: float
    ends_at: float
    ends: str
    streams: bool = False
    cancelled_at: float = math.inf
    webhook: Json = None
    by_others: bool = False
    cancels_asked: int = 0
    changed: anyio.Event = field(default_factory=anyio.Event)

    @property
    def over_at(self) -> float:
        """When it has ended."""
        return min(self.ends_at, self.cancelled_at)

    def status(self, now: float) -> str:
        """Returns its status at a time."""
        if now >= self.over_at:
            return self.ends if self.ends_at <= self.cancelled_at else "cancelled"
        part = (now - self.created_at) / max(self.ends_at - self.created_at, 1e-9)
        return "pending" if part < 0.05 else "starting" if part < 0.2 else "started"

    @property
    def output(self) -> str:
        return f"output of {self.id}"


@dataclass
class Reply:
    """An answer, or what it will be when its hold is over."""

    status: int
    body: Json = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    held: tuple[Stored, float] | None = None
    events_of: Stored | None = None
    after_id: str | None = None
    idle: float = 30.0


class _Counter:
    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._level = float(limit.count)
        self._at = 0.0
        self._window = -1

    def take(self, now: float) -> tuple[bool, int, float]:
        """Counts a request: whether it is granted, how many remain, and when the window ends."""
        limit = self.limit
        if limit.bucket:
            self._level = min(limit.count, self._level + (now - self._at) * limit.count / limit.seconds)
            self._at = now
        elif int(now // limit.seconds) != self._window:
            self._window, self._level = int(now // limit.seconds), float(limit.count)
        granted = self._level >= 1
        self._level -= granted
        if limit.bucket:
            return granted, int(self._level), now + (limit.count - self._level) * limit.seconds / limit.count
        return granted, int(self._level), (self._window + 1) * limit.seconds


class Server:
    """One account on the API.

    Args:
        surroundings: How it behaves.
        chance: What is by chance.
        epoch: The Unix time at which the world's time is 0, by the server's clock.
    """

    def __init__(self, surroundings: Surroundings, chance: Random, epoch: float) -> None:
        self.surroundings = surroundings
        self.epoch = epoch
        self.predictions: dict[str, Stored] = {}
        self.created: list[Stored] = []
        self.on_created: Callable[[Stored], None] = lambda _: None
        self.requests = 0
        self.refused = 0
        self.granted = 0
        self._chance = chance
        self._counters = {
            True: _Counter(surroundings.creates) if surroundings.creates else None,
            False: _Counter(surroundings.others) if surroundings.others else None,
        }
        self._uploads: dict[str, dict[int, bytes]] = {}
        self._parts: dict[str, int] = {}
        self.uploaded: dict[str, bytes] = {}

    def prepare(self, number: int, given: Json, now: float, seconds: float, ends: str, **fields: Any) -> Stored:
        """Creates a prediction without a request."""
        stored = Stored(
            f"{number:08x}-0000-4000-8000-{len(self.created):012x}", given, now, now + seconds, ends, **fields
        )
        self.predictions[stored.id] = stored
        self.created.append(stored)
        self.on_created(stored)
        return stored

    def process(
        self, method: str, host: str, path: str, params: Mapping[str, list[str]], headers: Mapping[str, str],
        body: bytes, now: float,
    ) -> Reply:  # fmt: skip
        """Does what a request asks for, and says how it is answered."""
        self.requests += 1
        if host == STORE:
            return self._file(path, headers, now) if method == "GET" else self._store(method, path, body)
        path = path.removeprefix("/v1")
        granted, stated = self._count((method, path) == ("POST", "/predictions"), now)
        if not granted:
            self.refused += 1
            return Reply(429, {"detail": "too many requests"}, stated)
        self.granted += 1
        reply = self._answer(method, path, params, headers, json.loads(body) if body else None, now)
        reply.headers.update(stated)
        return reply

    def _count(self, create: bool, now: float) -> tuple[bool, dict[str, str]]:
        unix = self.epoch + now
        headers = {"date": formatdate(unix, usegmt=True)}
        counter = self._counters[create]
        if counter is None:
            return True, headers
        granted, remaining, reset = counter.take(unix)
        stated = counter.limit.headers
        if stated != "absent":
            if stated == "skewed":
                reset += self._chance.uniform(-3, 3)
            headers["x-ratelimit-limit"] = str(counter.limit.count)
            headers["x-ratelimit-remaining"] = str(remaining)
            headers["x-ratelimit-reset"] = str(math.ceil(reset))
        return granted, headers

    def _answer(
        self, method: str, path: str, params: Mapping[str, list[str]], headers: Mapping[str, str], body: Json,
        now: float,
    ) -> Reply:  # fmt: skip
        _, *parts = path.split("/")
        if parts[0] == "predictions":
            return self._of_predictions(method, [unquote(part) for part in parts[1:]], params, headers, body, now)
        if parts[0] == "uploads":
            return self._of_uploads(parts[1:], body)
        if method == "GET" and len(parts) == 1 and parts[0] in {"hardware", "users", "models"}:
            return Reply(200, {"items": [], "next_cursor": None, "previous_cursor": None})
        return Reply(404, {"detail": "there is no such thing"})

    def _of_predictions(
        self, method: str, parts: list[str], params: Mapping[str, list[str]], headers: Mapping[str, str], body: Json,
        now: float,
    ) -> Reply:  # fmt: skip
        if not parts:
            return self._create(headers, body, now) if method == "POST" else self._list(params, now)
        stored = self.predictions.get(parts[0])
        if stored is None:
            return Reply(404, {"detail": "there is no such prediction"})
        if parts[1:] == ["cancel"]:
            return self._cancel(stored, now)
        if parts[1:] == ["stream"]:
            if not stored.streams:
                return Reply(404, {"detail": "it has no stream"})
            return Reply(200, events_of=stored, after_id="".join(params.get("after_id", [])) or None)
        return Reply(200, self.shown(stored, now))

    def _create(self, headers: Mapping[str, str], body: Json, now: float) -> Reply:
        given = body["input"]
        seconds, ends = float(given["seconds"]), str(given["ends"])
        stored = self.prepare(
            given["call"], given, now, seconds, ends, streams=bool(body.get("stream")), webhook=body.get("webhook")
        )
        hold = self._hold(headers.get("prefer"))
        if stored.streams and hold is not None and "event-stream" in headers.get("accept", ""):
            return Reply(201, events_of=stored)
        location = {"location": f"/v1/predictions/{stored.id}"}
        if hold is not None and not stored.streams and hold > 0:
            return Reply(201, None, location, held=(stored, now + hold))
        return Reply(201, self.shown(stored, now), location)

    def _hold(self, prefer: str | None) -> float | None:
        if prefer is None or not prefer.startswith("wait"):
            return None
        asked = float(prefer.partition("=")[2] or LONGEST_HOLD)
        kind = self.surroundings.hold
        return 0.0 if kind == "ignored" else min(asked, SHORTENED_HOLD if kind == "shortened" else LONGEST_HOLD)

    def _cancel(self, stored: Stored, now: float) -> Reply:
        if now >= stored.over_at:
            return Reply(409, {"detail": "it has ended"})
        stored.cancels_asked += 1
        stored.cancelled_at = min(stored.cancelled_at, now + self.surroundings.cancel_delay)
        stored.changed.set()
        stored.changed = anyio.Event()
        return Reply(200)

    def _list(self, params: Mapping[str, list[str]], now: float) -> Reply:
        size = int(params.get("page_size", [str(PAGE)])[0])
        if not 5 <= size <= self.surroundings.largest_page:
            return Reply(422, {"detail": [{"loc": ["query", "page_size"], "msg": "out of range", "type": "x"}]})
        then = now - self.surroundings.list_lag
        statuses = params.get("statuses")
        shown = [
            stored
            for stored in sorted(self.created, key=lambda stored: stored.created_at, reverse=True)
            if stored.created_at <= then and (statuses is None or stored.status(then) in statuses)
        ]
        begin = int(params.get("cursor", ["0"])[0])
        items = [self.shown(stored, then, whole=False) for stored in shown[begin : begin + size]]
        if items and self._chance.random() < self.surroundings.doubled_entries:
            items.append(items[-1])
        more = str(begin + size) if begin + size < len(shown) else None
        return Reply(200, {"items": items, "next_cursor": more, "previous_cursor": None})

    def shown(self, stored: Stored, now: float, *, whole: bool = True) -> Json:
        """Returns a prediction as the API sends it."""
        status = stored.status(now)
        shown: dict[str, Json] = {
            "id": stored.id,
            "created_at": self._time(stored.created_at),
            "status": status,
            "updated_at": self._time(min(now, stored.over_at)),
            "setup_time": None,
            "execution_time": None,
            "model": {"owner": "o", "name": "others" if stored.by_others else "n", "version_number": 1},
        }
        if whole:
            failed = status in {"failed", "abandoned"}
            shown["input"] = stored.input
            shown["output"] = stored.output if status == "succeeded" else None
            shown["error"] = {"source": "internal", "message": "it failed", "detail": None} if failed else None
        return shown

    def _time(self, moment: float) -> str:
        return datetime.fromtimestamp(self.epoch + moment, timezone.utc).isoformat().replace("+00:00", "Z")

    def events(self, stored: Stored) -> list[tuple[float, str, str, Json]]:
        """Returns all events of a prediction so far known to come: when, id, type and data."""
        pieces = 4
        step = (stored.over_at - stored.created_at) / (pieces + 1)
        events: list[tuple[float, str, str, Json]] = [
            (stored.created_at, "e0", "init", self.shown(stored, stored.created_at))
        ]
        events += [
            (stored.created_at + step * number, f"e{number}", "output", f"{stored.id} {number}\u2028")
            for number in range(1, pieces + 1)
        ]
        last = self.shown(stored, stored.over_at)
        failed = last["error"] is not None
        kind, data = ("error", last["error"]) if failed else ("done", last)
        return [*events, (stored.over_at, f"e{pieces + 1}", kind, data)]

    def _of_uploads(self, parts: list[str], body: Json) -> Reply:
        if not parts:
            name = f"u{len(self._uploads)}"
            self._uploads[name] = {}
            self._parts[name] = max(1, -(-body["size"] // PART_SIZE))
            urls = [f"https://{STORE}/{name}/{number}?secret" for number in range(self._parts[name])]
            return Reply(200, {"id": name, "urls": urls, "part_size": PART_SIZE})
        kept = self._uploads.get(parts[0])
        if kept is None or body["etags"] != [f'"{number}"' for number in range(self._parts[parts[0]])]:
            return Reply(422, {"detail": "the parts are not right"})
        self.uploaded[parts[0]] = b"".join(kept[number] for number in sorted(kept))
        return Reply(200, {"download_url": f"https://{STORE}/{parts[0]}"})

    def _store(self, method: str, path: str, body: bytes) -> Reply:
        _, name, *number = path.split("/")
        if method != "PUT" or not number:
            return Reply(404)
        self._uploads[name][int(number[0])] = body
        return Reply(200, None, {"etag": f'"{number[0]}"'})

    def _file(self, path: str, headers: Mapping[str, str], now: float) -> Reply:
        content, state = content_of(path, self.version(now)), f'"{self.version(now)}"'
        etags = self.surroundings.etags
        stated = {} if etags == "absent" else {"etag": state if etags == "strong" else f"W/{state}"}
        begin = int(headers.get("range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        asks = "range" in headers and headers.get("if-range", state) == state and etags == "strong"
        if not (asks and self.surroundings.ranges):
            return Reply(200, None, {**stated, "content-length": str(len(content))}, content)
        if begin >= len(content):
            return Reply(416, None, {"content-range": f"bytes */{len(content)}"}, b"")
        shown = f"bytes {begin}-{len(content) - 1}/{len(content)}"
        stated |= {"content-range": shown, "content-length": str(len(content) - begin)}
        return Reply(206, None, stated, content[begin:])

    def version(self, now: float) -> int:
        """Returns which version of its files the store has at a time."""
        return int(now // self.surroundings.file_changes)


def content_of(path: str, version: int) -> bytes:
    """Returns the bytes of one version of a file: all versions are of one size, so that a mixture would look whole."""
    return (hashlib.sha256(f"{path} {version}".encode()).digest() * FILE_SIZE)[:FILE_SIZE]
