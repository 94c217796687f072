"""The published client, which nobody here wrote, calls each of its methods against the sandbox."""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from inspect import getmembers, isasyncgen, isawaitable, isfunction
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from wriftai_anyio.sandbox import Sandbox

wriftai = pytest.importorskip("wriftai")

MODEL = "me/fresh"
SCHEMAS = {"prediction": {"input": {"type": "object"}, "output": {"type": "object"}}}
VERSION = {"release_notes": "First.", "schemas": SCHEMAS, "container_image_digest": "sha256:0"}
ECHO = {"model": "sandbox/echo", "input": {"text": "hi"}}
WORDS = {"model": "sandbox/word-count", "input": {"text": "one two one"}}


class Session:
    """A client that notes which of its methods were called."""

    def __init__(self, client: Any, call: Callable[..., Any]) -> None:
        self.client = client
        self._call = call
        self.called: set[str] = set()

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        self.called.add(method)
        resource, name = method.split(".")
        return self._call(getattr(self.client, resource), name, *args, **kwargs)


def call_blocking(resource: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(resource, name)(*args, **kwargs)


async def call_async(resource: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    result = getattr(resource, f"async_{name}")(*args, **kwargs)
    if isawaitable(result):
        result = await result
    return [item async for item in result] if isasyncgen(result) else result


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(part_size=1000, sample_data=True, setup_time=0, cancel_time=0) as sandbox:
        yield sandbox


@pytest.fixture(params=["blocking", "async"])
def session(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[Session]:
    with ExitStack() as opened:
        if request.param == "blocking":
            http = opened.enter_context(httpx.Client(timeout=10, verify=False))
            client = wriftai.Client(sandbox.access_token, sandbox.base_url, http_client=http)
            yield Session(client, call_blocking)
        else:
            portal = opened.enter_context(start_blocking_portal())
            async_http = httpx.AsyncClient(timeout=10, verify=False)
            opened.callback(portal.call, async_http.aclose)
            client = wriftai.Client(sandbox.access_token, sandbox.base_url, async_http_client=async_http)
            yield Session(client, lambda *args, **kwargs: portal.call(partial(call_async, *args, **kwargs)))


def all_methods(client: Any) -> set[str]:
    """Return the names of all blocking methods of all resources."""
    return {
        f"{resource}.{name}"
        for resource, value in vars(client).items()
        if not resource.startswith("_")
        for name, _ in getmembers(type(value), isfunction)
        if not name.startswith(("_", "async_"))
    }


def follow_predictions(session: Session) -> None:
    created = session("predictions.create", **ECHO)
    assert session("predictions.wait", created["id"])["output"] == {"text": "hi"}
    assert session("predictions.get", created["id"])["status"] == "succeeded"
    assert session("predictions.create", wait=True, **ECHO)["status"] == "succeeded"
    page = session("predictions.list", {"page_size": 5, "statuses": ["succeeded"]})
    assert len(page.items) == 5
    assert session("predictions.list", {"cursor": page.next_cursor}).previous_cursor is not None
    sleeping = session("predictions.create", model="sandbox/sleep", input={"seconds": 60})
    session("predictions.cancel", sleeping["id"])
    assert session("predictions.wait", sleeping["id"])["status"] == "cancelled"


def follow_streams(session: Session) -> None:
    events = list(session("predictions.create", wait=True, stream=True, **WORDS))
    assert [event["event"] for event in events] == ["init", "output", "output", "output", "done"]
    streaming = session("predictions.create", stream=True, **WORDS)
    assert [event["event"] for event in session("predictions.stream", streaming["id"])][-1] == "done"


def manage_models(session: Session) -> None:
    created = session("models.create", {"name": "fresh", "category_slugs": ["text"], "visibility": "public"})
    assert created["owner"]["name"] == "me"
    assert created["categories"] == [{"name": "Text", "slug": "text"}]
    updated = session("models.update", MODEL, {"description": "Quite new", "category_slugs": []})
    assert (updated["description"], updated["categories"]) == ("Quite new", [])
    assert session("models.get", MODEL)["latest_version"] is None
    options = {"sort_by": "created_at", "sort_direction": "desc", "category_slugs": ["code"]}
    assert {item["categories"][0]["slug"] for item in session("models.list", options).items} == {"code"}
    assert [item["name"] for item in session("models.list", owner="me").items] == ["fresh"]
    assert [item["name"] for item in session("models.search", "quite NEW").items] == ["fresh"]
    assert [item["name"] for item in session("authenticated_user.models").items] == ["fresh"]


def manage_versions(session: Session) -> None:
    session("variables.create", {"name": "seed-2", "key": "SEED_2", "value": "7", "secret": True})
    version = session("model_versions.create", MODEL, VERSION)
    assert version["configuration"]["variable_names"] == []
    assert session("model_versions.get", f"{MODEL}:1")["schemas"] == SCHEMAS
    changed = session("model_versions.update_configuration", f"{MODEL}:1", {"variable_names": ["seed-2"]})
    assert session("model_versions.get_configuration", f"{MODEL}:1") == changed
    assert session("model_versions.create", MODEL, VERSION)["configuration"] == changed
    assert [item["number"] for item in session("model_versions.list", MODEL).items] == [2, 1]
    session("model_versions.delete", f"{MODEL}:2")
    assert [item["number"] for item in session("model_versions.list", MODEL).items] == [1]
    session("models.delete", MODEL)
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        session("models.get", MODEL)


def manage_variables(session: Session) -> None:
    assert session("variables.update", "seed-2", {"key": "SEED"})["value"] == ""
    assert session("variables.list").items[0]["key"] == "SEED"
    session("variables.delete", "seed-2")
    assert session("variables.list", {"page_size": 50}).items[0]["name"] != "seed-2"


def look_around(session: Session) -> None:
    assert session("users.get", "emmy")["location"] == "Erlangen"
    assert session("users.list", {"sort_direction": "asc"}).items[0]["name"] == "me"
    assert [user["name"] for user in session("users.search", "hopper").items] == []
    assert [user["name"] for user in session("users.search", "emmy").items] == ["emmy"]
    assert session("authenticated_user.update", {"bio": "Here."})["bio"] == "Here."
    assert session("authenticated_user.get")["name"] == "me"
    assert session("hardware.list", {"page_size": 5}).next_cursor is not None
    assert session("model_categories.list", {"page_size": 50}).next_cursor is None


def move_files(session: Session, anyone: httpx.Client, folder: Path) -> None:
    content = os.urandom(2500)
    path = folder / "given.bin"
    path.write_bytes(content)
    for given in (content, path, io.BytesIO(content)):
        url = session("files.upload", wriftai.File(given))["download_url"]
        assert anyone.get(url).content == content
    prediction = session("predictions.create", model="sandbox/echo", input={"file": wriftai.File(content)}, wait=True)
    assert anyone.get(prediction["output"]["file"]).content == content
    upload = session("uploads.create", {"size": 1, "mime_type": "text/plain"})
    put = anyone.put(upload["urls"][0], content=b"x", headers={"content-type": "text/plain"})
    assert "download_url" in session("uploads.complete", upload["id"], {"etags": [put.headers["etag"]]})


def test_every_method_of_the_published_client_works(session: Session, anyone: httpx.Client, tmp_path: Path) -> None:
    follow_predictions(session)
    follow_streams(session)
    manage_models(session)
    manage_versions(session)
    manage_variables(session)
    look_around(session)
    move_files(session, anyone, tmp_path)
    assert session.called == all_methods(session.client)
