"""What notebooks show of pages, results, streams and batches: small tables, escaped."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.clients import prediction
from wriftai_anyio import BatchResult, Client, WriftAIError
from wriftai_anyio.pagination import PaginatedResponse
from wriftai_anyio.sandbox import Sandbox

SENT = "<script>alert(1)</script>\x1b[2J"
EVIL = f"{SENT}\ud800"
DEEP: list[Any] = []
for _ in range(5000):
    DEEP = [DEEP]
HOSTILE = {
    "text": EVIL, "an attribute": "\" onload='alert(1)' <svg/onload=alert(1)>", "a long integer": 10**6000,
    "a list of long integers": [10**6000], "an owner with one": {"owner": 10**6000, "name": EVIL},
    "lists in lists": DEEP, "an owner of lists": {"owner": DEEP, "name": "x"}, "a float": float("nan"),
}  # fmt: skip
hostile = pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    with Client(sandbox.access_token, sandbox.base_url) as client:
        yield client


def shown(thing: Any) -> str:
    html = thing._repr_html_()
    assert isinstance(html, str)
    assert not re.search(r"<(?!/?(table|caption|thead|tbody|tr|th|td)[ >])", html)
    assert "\x1b" not in html
    assert len(html.encode()) < 10_000
    return html


class TestPage:
    def test_it_is_a_table_of_what_is_known(self, sandbox: Sandbox, client: Client) -> None:
        html = shown(client.models.list())
        assert "<th>name</th>" in html
        assert "<td>word-count</td>" in html
        client.predictions.create({"input": 1}, "sandbox/echo", wait=True)
        html = shown(client.predictions.list())
        assert "1 items" in html
        assert "<td>succeeded</td>" in html
        assert "<td>sandbox/echo</td>" in html

    def test_long_pages_and_hostile_text_make_a_small_table(self) -> None:
        items = [{"id": EVIL, "name": EVIL * 1000, EVIL: 1, "owner": {"name": EVIL}, "model": [EVIL]}] * 50
        html = shown(PaginatedResponse(items, "more", None))
        assert "50 items, 40 of them not shown; more pages follow" in html
        assert html.count("<tr>") == 11

    @pytest.mark.parametrize("items", [[], [1, "two", None], [{}], [{"unknown": 1}]])
    def test_items_of_any_shape_are_shown(self, items: list[Any]) -> None:
        assert f"{len(items)} items" in shown(PaginatedResponse(items, None, None))

    @hostile
    @pytest.mark.parametrize("field", ["id", "name", "status", "owner", "model", "created_at"])
    def test_fields_of_any_kind_are_shown(self, field: str, value: object) -> None:
        shown(PaginatedResponse([{field: value}], None, None))


class TestResult:
    @hostile
    @pytest.mark.parametrize("field", ["id", "output", "error", "setup_time"])
    def test_fields_of_any_kind_are_shown(self, field: str, value: object) -> None:
        ended: Any = {**prediction(), field: value}
        shown(BatchResult(3, {}, ended, None))

    def test_it_is_a_table_of_its_row(self) -> None:
        ended: Any = prediction(output={"text": EVIL})
        html = shown(BatchResult(3, {}, ended, None))
        assert "Result 3" in html
        assert "<td>succeeded</td>" in html
        assert "&lt;script&gt;" in html

    def test_error_is_shown(self) -> None:
        assert "&lt;script&gt;" in shown(BatchResult(3, {}, None, WriftAIError(EVIL)))


class TestStream:
    def test_it_shows_the_prediction_once_it_is_known(self, sandbox: Sandbox, client: Client) -> None:
        with client.predictions.create_stream({"input": {"text": SENT}}, "sandbox/word-count") as stream:
            assert "no event was read" in shown(stream)
            list(stream)
            assert "<td>succeeded</td>" in shown(stream)


class TestBatch:
    def test_it_counts_its_inputs(self, sandbox: Sandbox, client: Client) -> None:
        inputs = [{"input": {"message": SENT}}] * 3
        batch = client.predictions.batch(inputs, "sandbox/fail")
        assert re.search("sandbox/fail: a batch", shown(batch))
        with batch as results:
            assert len(list(results)) == 3
        assert "<td>failed</td><td>3</td>" in shown(batch)

    def test_outputs_are_those_of_a_batch(self, sandbox: Sandbox, client: Client) -> None:
        outputs = client.map("sandbox/echo", [1, 2])
        assert list(outputs) == [1, 2]
        assert "<td>succeeded</td><td>2</td>" in shown(outputs)


@pytest.mark.parametrize("output", [10**5000, [10**5000], {"a": -(10**5000)}], ids=["number", "list", "object"])
def test_integers_of_thousands_of_digits_are_shown(output: Any) -> None:
    known: Any = prediction(output=output)
    result = BatchResult(0, {}, known, None)
    assert "1" + "0" * 5000 in str(result.to_row()["output"])
    assert "10000" in shown(result)
    assert "0x" in shown(PaginatedResponse([{"id": 10**5000}], None, None))
