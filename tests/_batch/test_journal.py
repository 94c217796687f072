"""Journals of batches: they survive, are true whenever a run ends, and are refused where they do not belong."""

import errno
import hashlib
import json
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio
import httpx
import pytest
from anyio import fail_after
from hypothesis import given
from hypothesis import strategies as st

from tests.support import clients as support
from tests.support.batches import MODEL, QUICK, SLEEPS, client_of, collected, expected, outputs, texts, upper
from tests.support.clients import ID, TOKEN
from tests.support.fuzzing import fuzzed
from tests.support.patience import PATIENCE, until_async
from tests.support.subprocesses import run_python
from wriftai_anyio import APIConnectionError, BatchJournalError, CreateOutcomeUnknown, File
from wriftai_anyio._batch.digest import digest
from wriftai_anyio._batch.journal import Change, Journal, intended, taken_in
from wriftai_anyio._predictions.params import taken
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams
from wriftai_anyio.sandbox import RateLimits, Sandbox


def by_index(result: BatchResult) -> int:
    return result.index


def unknown(journal: Path) -> int:
    """Counts the inputs that the next run would report as unknown."""
    database = sqlite3.connect(journal)
    try:
        query = "SELECT count(*) FROM entries WHERE sent_at IS NOT NULL AND prediction_id IS NULL"
        count: int = database.execute(query).fetchone()[0]
        return count
    finally:
        database.close()


@pytest.mark.anyio
class TestGoingOn:
    async def test_a_run_goes_on_where_one_was_left(self, sandbox: Sandbox, journal: Path) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(
                    texts(40), MODEL, journal=journal, max_in_flight=5, wait_options=QUICK
                )
                async with batch as results:
                    for _ in range(10):
                        await anext(results)
                ended = await collected(client, texts(40), journal=journal)
                requests = len(sandbox.requests)
                again = await collected(client, texts(40), journal=journal)
                assert len(sandbox.requests) == requests
        assert outputs(ended) == expected(40)
        assert sorted(again, key=by_index) == sorted(ended, key=by_index)
        assert len(sandbox.predictions) == 40

    async def test_more_inputs_may_come_after_those_of_the_last_run(self, sandbox: Sandbox, journal: Path) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                for count in (3, 10):
                    assert outputs(await collected(client, texts(count), journal=journal)) == expected(count)
        assert len(sandbox.predictions) == 10

    async def test_what_may_have_been_created_is_reported_or_created_again(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fail_next("drop_after", method="POST")
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                for again, kind in ((False, CreateOutcomeUnknown), (False, CreateOutcomeUnknown), (True, type(None))):
                    results = await collected(client, texts(1), journal=journal, recreate_unknown=again)
                    assert [type(each.error) for each in results] == [kind]
        assert len(sandbox.predictions) == 2

    async def test_what_is_unknown_stays_so_where_creating_it_again_is_refused(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                for fault, again in (("drop_after", False), (403, True)):
                    sandbox.fail_next(fault, method="POST")  # type: ignore[arg-type]
                    await collected(client, texts(1), journal=journal, recreate_unknown=again)
                (result,) = await collected(client, texts(1), journal=journal)
        assert isinstance(result.error, CreateOutcomeUnknown)
        assert len(sandbox.predictions) == 1

    async def test_what_was_refused_is_tried_again_by_the_next_run(self, sandbox: Sandbox, journal: Path) -> None:
        sandbox.fail_next(403, method="POST")
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                for succeeds in (False, True):
                    results = await collected(client, texts(1), journal=journal)
                    assert [each.error is None for each in results] == [succeeds]

    async def test_what_did_not_reach_the_server_is_created_by_the_next_run(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        with fail_after(PATIENCE):
            with Sandbox(access_token=TOKEN) as gone:
                pass
            async with client_of(gone, max_retries=0) as client:
                results = await collected(client, texts(3), journal=journal)
                assert [type(each.error) for each in results] == [APIConnectionError] * 3
            async with client_of(sandbox) as client:
                assert outputs(await collected(client, texts(3), journal=journal)) == expected(3)

    async def test_leaving_while_most_wait_for_the_rate_limit_leaves_nothing_unknown(self, journal: Path) -> None:
        limits = RateLimits(creates=80, others=80)
        with (
            Sandbox({MODEL: upper}, access_token=f"{TOKEN}-limited", rate_limits=limits) as sandbox,
            fail_after(PATIENCE),
        ):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(texts(60), MODEL, journal=journal, wait_options=QUICK)
                async with batch as results:
                    await anext(results)
                created = len(sandbox.predictions)
                assert created < 50
                assert unknown(journal) == 0
                assert outputs(await collected(client, texts(60), journal=journal)) == expected(60)
            assert len(sandbox.predictions) == 60

    async def test_an_intent_is_written_when_its_create_is_sent_and_not_while_it_waits_for_the_rate_limit(
        self, journal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def note_and_change(self: Journal, changes: list[Change]) -> None:
            written.extend(changes)
            change(self, changes)

        written: list[Change] = []
        change = Journal.change
        monkeypatch.setattr(Journal, "change", note_and_change)
        limits = RateLimits(creates=20, others=80)
        with Sandbox({MODEL: upper}, access_token=f"{TOKEN}-slow", rate_limits=limits) as sandbox, fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(texts(100), MODEL, journal=journal, wait_options=QUICK)
                async with batch as results:
                    await anext(results)
                    assert sum(each == intended(number) for number in range(100) for each in written) < 50

    @pytest.mark.parametrize("fault", [429, "refused"])
    async def test_leaving_while_creates_are_tried_again_leaves_nothing_unknown(
        self, sandbox: Sandbox, journal: Path, fault: int | str
    ) -> None:
        attempts = 0

        async def fail(request: httpx.Request) -> httpx.Response:
            nonlocal attempts
            attempts += 1
            await anyio.lowlevel.checkpoint()
            if fault == 429:
                return httpx.Response(429)
            raise httpx.ConnectError("nobody is there")

        client = support.client_of(support.Script(forever=fail))
        with fail_after(PATIENCE):
            async with client, client.predictions.async_batch(texts(3), MODEL, journal=journal):
                await until_async(lambda: attempts >= 3)
                await anyio.sleep(0.02)
        assert unknown(journal) == 0

    async def test_leaving_in_mid_create_keeps_the_id_and_cancels_if_asked(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fail_next("delay", method="POST", times=3, delay=0.2)
        options = AsyncWaitOptions(cancel_on_exit=True)
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                batch = client.predictions.async_batch(SLEEPS, "sandbox/sleep", journal=journal, wait_options=options)
                async with batch:
                    await until_async(lambda: len(sandbox.requests) == 3)
                created = {each["id"] for each in sandbox.predictions}
                again = await collected(client, SLEEPS, "sandbox/sleep", journal=journal, wait_options=options)
        assert created
        assert {each.prediction["status"] for each in again if each.prediction} == {"cancelled"}

    async def test_what_was_just_created_is_polled_only_after_an_interval(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        options = AsyncWaitOptions(poll_interval=0.2)
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results = await collected(client, texts(10), journal=journal, wait_options=options)
        assert outputs(results) == expected(10)
        assert len([each for each in sandbox.requests if each.path.startswith("/v1/predictions/")]) == 10

    async def test_without_polls_it_gives_what_it_created_and_does_not_create_it_again(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        options = AsyncWaitOptions(poll=False)
        found: list[dict[int, str]] = []
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                for _ in range(2):
                    results = await collected(client, SLEEPS, "sandbox/sleep", journal=journal, wait_options=options)
                    found.append({each.index: each.prediction["id"] for each in results if each.prediction})
        assert found[0] == found[1]
        assert sorted(found[0].values()) == sorted(each["id"] for each in sandbox.predictions)


def other_inputs(_: Path) -> dict[str, Any]:
    return {"inputs": texts(31)[1:]}


def other_model(_: Path) -> dict[str, Any]:
    return {"model": "sandbox/echo"}


def text_in_place(path: Path) -> dict[str, Any]:
    path.write_text("no database")
    return {}


def zeros_in_place(path: Path) -> dict[str, Any]:
    path.write_bytes(b"SQLite format 3\x00" + bytes(200))
    return {}


def another_database_in_place(path: Path) -> dict[str, Any]:
    path.unlink()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE mine (x)")
    database.commit()
    database.close()
    return {}


def damage(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * 200 + content[4296:])
    return {}


def cut_off(path: Path) -> dict[str, Any]:
    path.write_bytes(path.read_bytes()[:5000])
    return {}


def another_version(path: Path) -> dict[str, Any]:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    return {}


def files_beside(path: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in path.parent.iterdir()}


def write(journal: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(journal)
    try:
        database.execute(statement, values)
        database.commit()
    finally:
        database.close()


@pytest.mark.anyio
class TestDamage:
    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("result", "{"),
            ("result", "[1]"),
            ("result", '{"id": 1}'),
            ("result", b"\x00"),
            ("result", f'{{"id": "{ID}", "status": "running"}}'),
            ("result", f'{{"id": "{ID}", "status": "succeeded"}}'),
            ("prediction_id", b"\x00"),
            ("prediction_id", ""),
            ("prediction_id", ".."),
            ("prediction_id", "a\x1b[2J"),
            ("prediction_id", "x" * 10**6),
            ("digest", 7),
            ("digest", "text"),
        ],
    )
    async def test_a_damaged_row_is_said_to_be_damaged(
        self, sandbox: Sandbox, journal: Path, column: str, value: object
    ) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, texts(2), journal=journal)
                write(journal, f"UPDATE entries SET {column} = ? WHERE number = 1", value)
                with pytest.raises(BatchJournalError, match=r"damaged.*input 1"):
                    await collected(client, texts(2), journal=journal)
        assert len(sandbox.predictions) == 2

    @pytest.mark.parametrize("sent_at", ["yesterday", "2026-05-01T12:00:00", "0001-01-01T00:00:00+23:59", b"x", 7])
    async def test_a_damaged_time_of_a_create_is_said_to_be_damaged(
        self, sandbox: Sandbox, journal: Path, sent_at: object
    ) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, texts(1), journal=journal)
                write(journal, "UPDATE entries SET prediction_id = NULL, result = NULL, sent_at = ?", sent_at)
                with pytest.raises(BatchJournalError, match="damaged"):
                    await collected(client, texts(1), journal=journal, find_unknown=True)

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TRIGGER t AFTER INSERT ON entries BEGIN DELETE FROM entries; END",
            "CREATE TRIGGER t BEFORE UPDATE ON entries BEGIN SELECT RAISE(IGNORE); END",
            "CREATE VIEW v AS SELECT * FROM entries",
            "CREATE TABLE other (x)",
            "CREATE INDEX i ON entries (prediction_id)",
            "ALTER TABLE entries ADD COLUMN more AS (hex(zeroblob(400000000)))",
            "ALTER TABLE entries RENAME TO others",
        ],
    )
    async def test_a_stranger_s_schema_does_not_run(self, sandbox: Sandbox, journal: Path, statement: str) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, texts(1), journal=journal)
                write(journal, statement)
                with pytest.raises(BatchJournalError, match=r"damaged: it has tables, views or triggers"):
                    await collected(client, texts(2), journal=journal)
        assert len(sandbox.predictions) == 1

    async def test_a_view_in_place_of_the_table_does_not_run(self, sandbox: Sandbox, journal: Path) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, texts(1), journal=journal)
                write(journal, "ALTER TABLE entries RENAME TO e")
                write(
                    journal,
                    "CREATE VIEW entries AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) "
                    "SELECT n AS number, x'' AS digest, NULL AS sent_at, NULL AS prediction_id, NULL AS result FROM c",
                )
                with pytest.raises(BatchJournalError, match="damaged"):
                    await collected(client, texts(2), journal=journal)

    async def test_statistics_of_sqlite_and_a_journal_made_smaller_are_fine(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                before = await collected(client, texts(2), journal=journal)
                write(journal, "ANALYZE")
                write(journal, "VACUUM")
                assert sorted(map(by_index, await collected(client, texts(2), journal=journal))) == sorted(
                    map(by_index, before)
                )
        assert len(sandbox.predictions) == 2

    @pytest.mark.skipif(os.name == "nt", reason="no modes of files")
    def test_an_empty_file_in_its_place_becomes_readable_by_its_owner_alone(self, journal: Path) -> None:
        journal.touch()
        journal.chmod(0o666)
        Journal(journal).close()
        assert stat.S_IMODE(journal.stat().st_mode) == 0o600

    @pytest.mark.skipif(os.name == "nt", reason="no modes of files")
    def test_what_a_link_leads_to_is_made_readable_by_its_owner_alone(self, tmp_path: Path, journal: Path) -> None:
        journal.symlink_to(tmp_path / "elsewhere")
        Journal(journal).close()
        assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) == 0o600

    @pytest.mark.skipif(os.name == "nt", reason="no devices in the file system")
    @pytest.mark.parametrize("target", ["pipe", "itself", "/dev/null", "/dev/zero"])
    def test_what_is_not_a_file_is_refused(self, journal: Path, target: str) -> None:
        if target == "pipe":
            os.mkfifo(journal)
        else:
            journal.symlink_to(journal if target == "itself" else target)
        before = None if target == "itself" else journal.stat().st_mode
        with pytest.raises(BatchJournalError, match="cannot be"):
            Journal(journal)
        assert before is None or journal.stat().st_mode == before

    def test_whatever_goes_wrong_in_a_transaction_rolls_it_back(self, journal: Path) -> None:
        opened = Journal(journal)
        for wrong in (("UPDATE entries SET result = ?", ("\ud800",)), ("UPDATE entries SET result = ?", (1 << 70,))):
            with pytest.raises(BatchJournalError, match="cannot be written"):
                opened.change([taken_in(0, b"digest"), wrong])
            assert opened.entry(0, b"digest") is None
        opened.change([taken_in(0, b"digest")])
        assert opened.entry(0, b"digest") is not None
        opened.close()

    async def test_its_files_are_readable_by_their_owner_alone(self, sandbox: Sandbox, journal: Path) -> None:
        before = os.umask(0)
        try:
            async with client_of(sandbox) as client:
                async with client.predictions.async_batch(texts(1), MODEL, journal=journal) as results:
                    await anext(results)
                    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in journal.parent.iterdir()}
        finally:
            os.umask(before)
        assert modes == {"journal": 0o600, "journal-wal": 0o600}

    def test_without_sqlite_only_journals_fail_and_say_so(self, sandbox: Sandbox, journal: Path) -> None:
        program = f"""
import sys
sys.modules["_sqlite3"] = None
from wriftai_anyio import BatchJournalError, Client
client = Client({sandbox.access_token!r}, {sandbox.base_url!r})
inputs = [{{"input": {{"text": "a"}}}}]
with client.predictions.batch(inputs, {MODEL!r}) as results:
    print([each.prediction["output"] for each in results])
try:
    with client.predictions.batch(inputs, {MODEL!r}, journal={str(journal)!r}):
        pass
except BatchJournalError as error:
    print(error)
"""
        printed = run_python(["-c", program]).splitlines()
        assert printed[0] == "['A']"
        assert "sqlite3" in printed[1]
        assert len(sandbox.predictions) == 1


@pytest.mark.anyio
class TestRefusing:
    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            (other_inputs, r"other inputs or another model \(input 0 differs\)"),
            (other_model, "other inputs or another model"),
            (text_in_place, "not the journal"),
            (zeros_in_place, "not the journal"),
            (another_database_in_place, "not the journal"),
            (damage, "damaged"),
            (cut_off, "damaged"),
            (another_version, "another version"),
        ],
    )
    async def test_it_is_left_as_it_was_and_nothing_is_sent(
        self, sandbox: Sandbox, journal: Path, change: Callable[[Path], dict[str, Any]], problem: str
    ) -> None:
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, texts(2), journal=journal)
                options = {"inputs": texts(30), **change(journal)}
                before, requests = files_beside(journal), len(sandbox.requests)
                with pytest.raises(BatchJournalError, match=problem):
                    await collected(client, journal=journal, **options)
        assert files_beside(journal) == before
        assert len(sandbox.requests) == requests

    async def test_of_other_inputs_it_is_refused_also_where_the_first_were_never_created(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        sandbox.fail_next(403, method="POST", times=2)
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                await collected(client, texts(3), journal=journal)
                created = len(sandbox.predictions)
                with pytest.raises(BatchJournalError, match="input 0 differs"):
                    await collected(client, texts(4)[1:], journal=journal)
        assert len(sandbox.predictions) == created

    @pytest.mark.parametrize("path", ["", "missing/journal", "file/journal"])
    async def test_a_path_that_cannot_be_written_is_refused(self, sandbox: Sandbox, tmp_path: Path, path: str) -> None:
        with (tmp_path / "file").open("x"):
            pass
        async with client_of(sandbox) as client:
            with pytest.raises(BatchJournalError, match=r"cannot be (opened|read)"):
                await collected(client, texts(1), journal=tmp_path / path)
        assert sandbox.requests == []

    async def test_nothing_is_created_without_its_intent_on_the_disk(
        self, sandbox: Sandbox, journal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(self: Journal, changes: object) -> None:
            raise BatchJournalError("The disk is full.")

        monkeypatch.setattr(Journal, "change", fail)
        async with client_of(sandbox) as client:
            with fail_after(PATIENCE), pytest.raises(BatchJournalError, match="full"):
                await collected(client, texts(20), journal=journal)
        assert sandbox.requests == []

    async def test_one_in_use_is_refused_by_this_process_and_by_others(self, sandbox: Sandbox, journal: Path) -> None:
        program = "import sys; from wriftai_anyio._batch.journal import Journal; Journal(sys.argv[1])"
        command = [sys.executable, "-c", program, str(journal)]
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                async with client.predictions.async_batch(texts(1), MODEL, journal=journal):
                    with pytest.raises(BatchJournalError, match="in use"):
                        await collected(client, texts(1), journal=journal)
                    assert b"in use by another batch" in (await anyio.run_process(command, check=False)).stderr


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


class TestDigests:
    @fuzzed(25)
    @given(JSON, st.booleans() | st.none())
    def test_those_of_plain_json_are_those_of_the_first_version(self, value: Any, validate: bool | None) -> None:
        params = {"validate_input": validate, "input": value} if validate is not None else {"input": value}
        of_the_first = hashlib.sha256(json.dumps([MODEL, params], sort_keys=True).encode()).digest()
        assert digest(taken(params).value, MODEL) == of_the_first

    @fuzzed(25)
    @given(st.dictionaries(st.text(), JSON, max_size=5))
    def test_equal_inputs_have_equal_ones_whatever_they_are_made_of(self, fields: dict[str, Any]) -> None:
        reordered = MappingProxyType(dict(reversed(fields.items())))
        lists = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
        digests = {digest(taken({"input": each}).value, MODEL) for each in (fields, reordered, lists)}
        assert len(digests) == 1

    @fuzzed(25)
    @given(JSON, JSON)
    def test_other_inputs_have_others(self, one: Any, other: Any) -> None:
        written = [json.dumps(each, sort_keys=True) for each in (one, other)]
        digests = [digest(taken({"input": each}).value, MODEL) for each in (one, other)]
        assert (digests[0] == digests[1]) == (written[0] == written[1])

    def test_a_path_has_that_of_its_file(self, tmp_path: Path) -> None:
        path = tmp_path / "cat.png"
        one, other = (digest(taken({"input": {"a": each}}).value, MODEL) for each in (path, File(path)))
        assert one == other


@pytest.mark.anyio
class TestInputs:
    async def test_what_cannot_be_compared_is_refused_and_does_not_stop_the_others(
        self, sandbox: Sandbox, journal: Path
    ) -> None:
        circle: list[Any] = []
        circle.append(circle)
        inputs: list[Any] = [{"input": object()}, {"input": circle}, {"input": {1: 1, "1": 1}}, *texts(1)]
        inputs.append({"input": {"text": File(BytesIO(b"content"))}})
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                results = {each.index: each for each in await collected(client, inputs, journal=journal)}
        assert [type(results[index].error) for index in range(5)] == [ValueError] * 3 + [type(None), ValueError]

    async def test_files_are_uploaded_once_and_told_apart(
        self, sandbox: Sandbox, journal: Path, tmp_path: Path
    ) -> None:
        def inputs(content: bytes) -> Iterator[CreatePredictionParams]:
            yield {"input": {"file": File(tmp_path / "file")}}
            yield {"input": {"file": File(content)}}

        (tmp_path / "file").write_bytes(b"of a path")
        with fail_after(PATIENCE):
            async with client_of(sandbox) as client:
                for _ in range(2):
                    results = await collected(client, inputs(b"bytes"), "sandbox/echo", journal=journal)
                    assert all(each.error is None for each in results)
                assert len([each for each in sandbox.requests if each.path == "/v1/uploads"]) == 2
                with pytest.raises(BatchJournalError, match="input 1 differs"):
                    await collected(client, inputs(b"other bytes"), "sandbox/echo", journal=journal)
        assert len(sandbox.predictions) == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_script_is_refused_one_in_use(sandbox: Sandbox, backend: str, journal: Path) -> None:
    with client_of(sandbox, backend=backend) as client:
        with (
            client.predictions.batch(texts(1), MODEL, journal=journal),
            pytest.raises(BatchJournalError, match="in use"),
            client.predictions.batch(texts(1), MODEL, journal=journal),
        ):
            pass


class TestFileSystems:
    @pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
    def test_what_the_system_refuses_is_said_where_sqlite_speaks_of_a_disk_error(self, journal: Path) -> None:
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2048, hard))
        try:
            with pytest.raises(BatchJournalError, match=r"cannot be written: File too large\.$"):
                Journal(journal)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    @pytest.mark.skipif(sys.platform == "win32", reason="locks files in another way")
    def test_a_file_system_without_locks_is_not_taken_for_another_batch(
        self, journal: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import fcntl

        def refuse(*_: object) -> None:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

        with closing(Journal(journal)):
            with pytest.raises(BatchJournalError, match="in use by another batch"):
                Journal(journal)
            monkeypatch.setattr(fcntl, "lockf", refuse)
            with pytest.raises(BatchJournalError, match=r"does not lock files \(No locks available\)"):
                Journal(journal)
