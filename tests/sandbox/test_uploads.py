import os
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.patience import until
from wriftai_anyio.sandbox import Sandbox

from .helpers import Connect

CONTENT = os.urandom(25)
TYPE = {"content-type": "text/plain"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(part_size=10) as sandbox:
        yield sandbox


def begin(http: httpx.Client, size: int = len(CONTENT)) -> Any:
    answer = http.post("/uploads", json={"size": size, "mime_type": "text/plain"})
    assert answer.status_code == 201
    return answer.json()


def put(anyone: httpx.Client, url: str, part: bytes, **headers: str) -> httpx.Response:
    return anyone.put(url, content=part, headers={**TYPE, **headers})


def upload(http: httpx.Client, anyone: httpx.Client, content: bytes) -> str:
    """Upload a file and return its URL."""
    begun = begin(http, len(content))
    size = begun["part_size"]
    parts = [content[start : start + size] for start in range(0, len(content) or 1, size or 1)]
    etags = [put(anyone, url, part).headers["etag"] for url, part in zip(begun["urls"], parts, strict=True)]
    answer = http.post(f"/uploads/{begun['id']}/complete", json={"etags": etags})
    return str(answer.json()["download_url"])


@pytest.mark.parametrize("size", [0, 1, 10, 20, 25])
def test_a_file_comes_back_as_it_was_uploaded(http: httpx.Client, size: int, anyone: httpx.Client) -> None:
    answer = anyone.get(upload(http, anyone, CONTENT[:size]))
    assert answer.content == CONTENT[:size]
    assert answer.headers["content-type"].startswith("text/plain")


def test_parts_go_to_another_origin_and_a_single_part_has_the_files_size(http: httpx.Client) -> None:
    begun = begin(http, 7)
    (url,) = begun["urls"]
    assert begun["part_size"] == 7
    assert httpx.URL(url).port != http.base_url.port


def test_the_store_refuses_a_token(sandbox: Sandbox, http: httpx.Client, anyone: httpx.Client) -> None:
    url = begin(http)["urls"][0]
    answer = put(anyone, url, CONTENT[:10], authorization="Bearer x")
    assert (answer.status_code, answer.json()["code"]) == (400, "unsupported_authorization")
    assert sandbox.requests[-1].headers["authorization"] == "Bearer x"
    download = anyone.get(sandbox.add_file(b"x"), headers={"authorization": "Bearer x"})
    assert download.status_code == 400


def test_a_wrong_signature_is_refused(http: httpx.Client, anyone: httpx.Client) -> None:
    url = begin(http)["urls"][0]
    assert put(anyone, url[:-1], CONTENT[:10]).status_code == 403
    assert anyone.get(upload(http, anyone, b"x")[:-1]).status_code == 403


def test_a_part_of_a_wrong_size_or_type_is_refused(http: httpx.Client, anyone: httpx.Client) -> None:
    first, *_, last = begin(http)["urls"]
    assert put(anyone, first, CONTENT[:9]).json()["code"] == "wrong_size"
    assert put(anyone, last, CONTENT[:10]).json()["code"] == "wrong_size"
    assert put(anyone, first, CONTENT[:10], **{"content-type": "text/html"}).json()["code"] == "wrong_content_type"
    assert anyone.put(first, content=iter([CONTENT[:10]]), headers=TYPE).status_code == 411
    assert put(anyone, first.replace("/0?", "/3?"), CONTENT[:10]).status_code == 404


def test_a_part_may_be_put_again_and_then_its_new_etag_counts(http: httpx.Client, anyone: httpx.Client) -> None:
    begun = begin(http, 3)
    (url,) = begun["urls"]
    old, new = put(anyone, url, b"old").headers["etag"], put(anyone, url, b"new").headers["etag"]
    complete = f"/uploads/{begun['id']}/complete"
    assert http.post(complete, json={"etags": [old]}).status_code == 422
    assert anyone.get(http.post(complete, json={"etags": [new]}).json()["download_url"]).content == b"new"


def test_a_part_that_is_broken_off_when_put_again_must_be_put_once_more(
    http: httpx.Client, anyone: httpx.Client
) -> None:
    def break_off() -> Iterator[bytes]:
        yield b"ne"
        raise ConnectionError

    begun = begin(http, 3)
    (url,) = begun["urls"]
    etags = [put(anyone, url, b"old").headers["etag"]]
    with pytest.raises(ConnectionError):
        anyone.put(url, content=break_off(), headers={**TYPE, "content-length": "3"})
    complete = f"/uploads/{begun['id']}/complete"
    until(lambda: http.post(complete, json={"etags": etags}).status_code == 422)


@pytest.mark.parametrize("etags", [[], ['"x"', '"y"', '"z"'], "x"])
def test_wrong_etags_are_refused(http: httpx.Client, etags: object) -> None:
    answer = http.post(f"/uploads/{begin(http)['id']}/complete", json={"etags": etags})
    assert answer.json()["detail"][0]["loc"] == ["body", "etags"]


@pytest.mark.parametrize("wrong", [{"size": -1}, {"size": "1"}, {"mime_type": "text"}])
def test_a_wrong_upload_is_refused(http: httpx.Client, wrong: dict[str, object]) -> None:
    answer = http.post("/uploads", json={"size": 1, "mime_type": "text/plain", **wrong})
    assert answer.json()["detail"][0]["loc"] == ["body", *wrong]


def test_an_unknown_upload_is_not_found(http: httpx.Client) -> None:
    answer = http.post(f"/uploads/{uuid.uuid4()}/complete", json={"etags": []})
    assert answer.status_code == 404


def test_faults_reach_the_store(sandbox: Sandbox, http: httpx.Client, anyone: httpx.Client) -> None:
    url = begin(http)["urls"][0]
    sandbox.fail_next(503, path="/store/*")
    sandbox.fail_next("drop_after", path="/store/*")
    assert put(anyone, url, CONTENT[:10]).status_code == 503
    with pytest.raises(httpx.TransportError):
        put(anyone, url, CONTENT[:10])
    sandbox.fail_next("half", path="/files/*")
    with pytest.raises(httpx.RemoteProtocolError):
        anyone.get(sandbox.add_file(CONTENT))


def test_a_download_can_be_had_in_ranges(sandbox: Sandbox, anyone: httpx.Client) -> None:
    url = sandbox.add_file(CONTENT)
    etag = anyone.get(url).headers["etag"]
    answer = anyone.get(url, headers={"range": "bytes=10-", "if-range": etag})
    assert (answer.status_code, answer.content) == (206, CONTENT[10:])
    assert answer.headers["content-range"] == "bytes 10-24/25"
    assert anyone.get(url, headers={"range": "bytes=10-", "if-range": '"other"'}).content == CONTENT
    assert anyone.get(url, headers={"range": "bytes=25-"}).status_code == 416


def test_a_file_needs_a_sandbox_that_runs() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        Sandbox().add_file(b"x")


def test_files_are_gone_after_a_reset_and_after_the_end(connect: Connect, anyone: httpx.Client) -> None:
    with Sandbox() as sandbox:
        http = connect(sandbox)
        url = sandbox.add_file(b"x")
        begun = begin(http)
        directory = sandbox._state.files.directory
        assert directory is not None
        assert len(list(directory.iterdir())) == 2
        sandbox.reset()
        assert not directory.exists()
        assert anyone.get(url).status_code == 404
        assert put(anyone, begun["urls"][0], CONTENT).status_code == 404
        sandbox.add_file(b"x")
        directory = sandbox._state.files.directory
    assert directory is not None
    assert not directory.exists()
