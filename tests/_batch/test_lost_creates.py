"""What a run of a batch created without learning of it is found again by the next."""

import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta, timezone
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import fail_after

from tests.support.batches import MODEL, client_of, collected, texts, upper
from tests.support.patience import PATIENCE
from wriftai_anyio import CreateOutcomeUnknown
from wriftai_anyio._batch import lost_creates
from wriftai_anyio._batch.lost_creates import find_lost_creates
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import CreatePredictionParams
from wriftai_anyio.sandbox import FaultKind, Sandbox

pytestmark = pytest.mark.anyio


@pytest.fixture
def sandbox(sandbox: Sandbox) -> Sandbox:
    sandbox.models["me/other"] = upper
    return sandbox


def outcomes(results: list[BatchResult]) -> list[object]:
    """The output of each input, or what its error is."""
    by_index = sorted(results, key=lambda result: result.index)
    return [result.prediction["output"] if result.prediction else type(result.error) for result in by_index]


async def lose(sandbox: Sandbox, journal: Path, fault: FaultKind, inputs: list[CreatePredictionParams]) -> None:
    """Runs a batch, and loses the answer of each create."""
    sandbox.fail_next(fault, method="POST", times=len(inputs))
    async with client_of(sandbox) as client:
        lost = await collected(client, inputs, journal=journal)
    assert outcomes(lost) == [CreateOutcomeUnknown] * len(inputs)


async def resume(
    sandbox: Sandbox, journal: Path, inputs: list[CreatePredictionParams], *, again: bool = False, **options: Any
) -> list[object]:
    async with client_of(sandbox, **options) as client:
        return outcomes(await collected(client, inputs, journal=journal, recreate_unknown=again, find_unknown=True))


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_created_is_found_and_not_created_again(sandbox: Sandbox, journal: Path, again: bool) -> None:
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop_after", texts(3))
        for _ in range(2):
            assert await resume(sandbox, journal, texts(3), again=again) == ["T0", "T1", "T2"]
    assert len(sandbox.predictions) == 3


class Dated(httpx.AsyncHTTPTransport):
    """Answers that state the server's time, as those of the API do."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.headers["date"] = formatdate(time.time(), usegmt=True)
        return response


@pytest.fixture(params=[7200.0, -7200.0])
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How many seconds this machine's clock is ahead, which is wrong."""
    ahead: list[float] = [request.param]
    monkeypatch.setattr("wriftai_anyio._concurrency.system.wall_time", lambda: time.time() + ahead[0])
    return ahead


@pytest.mark.usefixtures("clock")
async def test_it_is_found_where_the_clock_is_wrong(sandbox: Sandbox, journal: Path) -> None:
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop_after", texts(2))
        assert await resume(sandbox, journal, texts(2), again=True, transport=Dated()) == ["T0", "T1"]
    assert len(sandbox.predictions) == 2


async def test_it_is_found_where_the_clock_was_wrong_and_is_corrected(
    sandbox: Sandbox, journal: Path, clock: list[float]
) -> None:
    with fail_after(PATIENCE):
        async with client_of(sandbox, transport=Dated()) as client:
            await client.predictions.async_list()
            sandbox.fail_next("drop_after", method="POST")
            await collected(client, texts(1), journal=journal)
        clock[0] = 0.0
        assert await resume(sandbox, journal, texts(1), again=True) == ["T0"]
    assert len(sandbox.predictions) == 1


async def test_it_is_found_where_the_clock_is_corrected_before_any_answer_told_that_it_was_ahead(
    sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fail_after(PATIENCE):
        with monkeypatch.context() as wrong:
            wrong.setattr("wriftai_anyio._concurrency.system.wall_time", lambda: time.time() + 7200)
            await lose(sandbox, journal, "drop_after", texts(1))
        assert await resume(sandbox, journal, texts(1), again=True) == ["T0"]
    assert len(sandbox.predictions) == 1


async def test_an_input_with_a_long_integer_is_found_too(sandbox: Sandbox, journal: Path) -> None:
    inputs: list[CreatePredictionParams] = [
        {"input": {"text": f"t{number}", "n": 10**5000 + number}} for number in (0, 1)
    ]
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop_after", inputs)
        assert await resume(sandbox, journal, inputs) == ["T0", "T1"]
    assert len(sandbox.predictions) == 2


async def test_what_was_not_created_stays_unknown_unless_it_may_be_created(sandbox: Sandbox, journal: Path) -> None:
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop", texts(1))
        assert await resume(sandbox, journal, texts(1)) == [CreateOutcomeUnknown]
        assert await resume(sandbox, journal, texts(1), again=True) == ["T0"]
    assert len(sandbox.predictions) == 1


async def test_equal_inputs_find_a_prediction_each(sandbox: Sandbox, journal: Path) -> None:
    twins = [*texts(1), *texts(1)]
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop_after", twins)
        assert await resume(sandbox, journal, twins) == ["T0", "T0"]
    assert len(sandbox.predictions) == 2
    with closing(sqlite3.connect(journal)) as database:
        assert database.execute("SELECT count(DISTINCT prediction_id) FROM entries").fetchone() == (2,)


async def test_the_prediction_of_an_equal_input_is_not_taken_for_it(sandbox: Sandbox, journal: Path) -> None:
    twins = [*texts(1), *texts(1)]
    with fail_after(PATIENCE):
        async with client_of(sandbox) as client:
            await collected(client, twins[:1], journal=journal)
            sandbox.fail_next("drop", method="POST")
            await collected(client, twins, journal=journal)
        assert await resume(sandbox, journal, twins) == ["T0", CreateOutcomeUnknown]
    assert len(sandbox.predictions) == 1


async def test_what_cannot_be_it_is_not_taken_for_it(sandbox: Sandbox, journal: Path) -> None:
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop", texts(1))
        async with client_of(sandbox) as client:
            await client.predictions.async_create(texts(1)[0], "me/other")
            await client.predictions.async_create(texts(2)[1], MODEL)
        assert await resume(sandbox, journal, texts(1)) == [CreateOutcomeUnknown]


@pytest.mark.parametrize("told", ["", f', "model": {{"owner": "me", "name": "{MODEL[3:]}", "version_number": 1}}'])
async def test_what_a_server_tells_too_little_of_is_not_taken_for_it(
    sandbox: Sandbox, journal: Path, told: str
) -> None:
    bare = f'{{"id": "bare", "status": "succeeded"{told}}}'
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop_after", texts(1))
        sandbox.fail_next(200, method="GET", path="/predictions", body=f'{{"items": [{bare}]}}')
        sandbox.fail_next(200, method="GET", path="/predictions/bare", body=bare)
        assert await resume(sandbox, journal, texts(1)) == [CreateOutcomeUnknown]


async def test_what_is_older_than_the_create_is_not_looked_at(sandbox: Sandbox, journal: Path) -> None:
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop_after", texts(1))
        with closing(sqlite3.connect(journal)) as database, database:
            database.execute("UPDATE entries SET sent_at = '2999-01-01T00:00:00+00:00'")
        assert await resume(sandbox, journal, texts(1)) == [CreateOutcomeUnknown]
    assert [request.path for request in sandbox.requests].count("/v1/predictions") == 2


async def test_nothing_is_asked_where_nothing_is_unknown(sandbox: Sandbox, journal: Path) -> None:
    with fail_after(PATIENCE):
        assert await resume(sandbox, journal, texts(2)) == ["T0", "T1"]
        requests = len(sandbox.requests)
        assert await resume(sandbox, journal, texts(2)) == ["T0", "T1"]
    assert len(sandbox.requests) == requests


async def test_api_that_refuses_to_tell_leaves_it_unknown(
    sandbox: Sandbox, journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with fail_after(PATIENCE):
        await lose(sandbox, journal, "drop_after", texts(1))
        sandbox.fail_next(403, method="GET", path="/predictions")
        assert await resume(sandbox, journal, texts(1)) == [CreateOutcomeUnknown]
        said = (
            "could not search for predictions that an earlier run of this batch may have created: GET "
            "/v1/predictions was answered "
        )
        assert caplog.records[-1].getMessage().startswith(said + "403")
        assert await resume(sandbox, journal, texts(1)) == ["T0"]


class Listed:
    """A list of predictions of another model, each created a second before the one above it."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read = 0
        self.asked: object = None

    def items(self, options: object) -> "Listed":
        self.asked = options
        return self

    def __aiter__(self) -> "Listed":
        return self

    async def __anext__(self) -> dict[str, Any]:
        if self.read == self.count:
            raise StopAsyncIteration
        self.read += 1
        created_at = (NOW - timedelta(seconds=self.read - 1)).isoformat()
        return {"id": str(self.read), "created_at": created_at, "model": None}


NOW = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def in_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wriftai_anyio._concurrency.system.wall_time", NOW.timestamp)


async def searched(listed: Listed, since: datetime) -> None:
    async def never(_: str) -> Any:
        raise AssertionError

    listing: Any = listed
    await find_lost_creates(listing, never, never, MODEL, since)


@pytest.mark.usefixtures("in_may")
async def test_what_comes_twice_is_looked_at_once_and_does_not_end_the_search() -> None:
    class Shifted(Listed):
        async def __anext__(self) -> dict[str, Any]:
            item = await super().__anext__()
            owner, name = MODEL.split("/")
            shown = {"owner": owner, "name": name, "version_number": 1}
            return {**item, "id": "twice" if self.read < 3 else f"once {self.read}", "model": shown}

    async def look(prediction_id: str) -> Any:
        looked.append(prediction_id)
        return {"id": prediction_id}

    async def is_known(prediction_id: str) -> bool:
        return prediction_id == "once 3"

    looked: list[str] = []
    listing: Any = Shifted(4)
    found = await find_lost_creates(listing, look, is_known, MODEL, NOW)
    assert looked == [each["id"] for each in found.predictions] == ["twice", "once 4"]


@pytest.mark.usefixtures("in_may")
async def test_the_search_reads_the_newest_thousands_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_creates, "MOST_LISTED", 10)
    listed = Listed(30)
    await searched(listed, NOW - timedelta(days=1))
    assert listed.read == 11
    assert listed.asked == {"page_size": 50}


@pytest.mark.usefixtures("in_may")
async def test_the_search_ends_before_the_first_unknown_create_and_the_difference_of_clocks() -> None:
    listed = Listed(1000)
    await searched(listed, NOW - timedelta(seconds=5))
    assert listed.read == 5 + lost_creates.CLOCKS_APART.total_seconds() + 2
