"""Outputs whose files are saved."""

import pickle
import re
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clients import BASE_URL, Script, Spelling, client_of, never
from tests.support.fuzzing import fuzzed
from tests.support.patience import PATIENCE
from wriftai_anyio import APIConnectionError, APIStatusError, FilesNotSavedError, NotFoundError
from wriftai_anyio._files.outputs import FILES_AT_ONCE, copied

pytestmark = pytest.mark.anyio

HOST = "https://store.example"


class Host(httpx.AsyncBaseTransport):
    """Serves at each address what its path is; or what `answers` say for it."""

    def __init__(self, answers: dict[str, Callable[[], httpx.Response]] | None = None) -> None:
        self.answers = answers or {}
        self.requests: list[str] = []
        self.at_once = self.most_at_once = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(str(request.url))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await anyio.lowlevel.checkpoint()
        self.at_once -= 1
        answer = self.answers.get(request.url.path)
        return answer() if answer else httpx.Response(200, content=str(request.url).encode())


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def url(name: str) -> str:
    return f"{HOST}/{name}"


def test_output_comes_back_with_paths_in_place_of_addresses(spelling: Spelling, tmp_path: Path) -> None:
    output = {
        "images": [url("a.png"), {"mask": url("b.png?x=1#y")}, url("a.png")],
        "seed": 7,
        "text": "see https://store.example/a.png for it",
        url("key"): None,
        "more": (True, 1.5, "HTTPS://STORE.EXAMPLE/a.png", "ftp://store.example/x", "https://"),
    }
    host = Host()
    folder = tmp_path / "new" / "results"
    with spelling.client(host) as client:
        saved = spelling.call(client.files, "save", output, str(folder))
    assert saved == {
        "images": [folder / "a.png", {"mask": folder / "b.png"}, folder / "a.png"],
        "seed": 7,
        "text": "see https://store.example/a.png for it",
        url("key"): None,
        "more": [True, 1.5, folder / "a.png", "ftp://store.example/x", "https://"],
    }
    assert sorted(host.requests) == [url("a.png"), url("b.png?x=1")]
    assert (folder / "b.png").read_text() == url("b.png?x=1")
    assert output["images"][0] == url("a.png")  # type: ignore[index]


@pytest.mark.parametrize("output", [None, 5, "text", [], {"a": ["b"]}])
async def test_output_without_addresses_comes_back_as_it_is(tmp_path: Path, output: Any) -> None:
    assert await client_of(Script()).files.async_save(output, tmp_path / "none") == output
    assert not (tmp_path / "none").exists()


async def test_address_may_be_the_whole_output(tmp_path: Path) -> None:
    assert await client_of(Host()).files.async_save(url("a.png"), tmp_path) == tmp_path / "a.png"


async def test_output_nested_two_thousand_levels_deep_is_saved(tmp_path: Path) -> None:
    output: Any = url("a.png")
    for _ in range(2_000):
        output = {"x": [output]}
    saved = await client_of(Host()).files.async_save(output, tmp_path)
    for _ in range(2_000):
        saved = saved["x"][0]
    assert saved == tmp_path / "a.png"


def test_output_that_contains_itself_is_copied() -> None:
    output: dict[str, Any] = {"a": "b"}
    output["self"] = [output]
    copy = copied(output, str.upper)
    assert copy["self"][0] is copy
    assert copy["a"] == "B"


async def test_output_may_be_changed_while_it_is_saved(tmp_path: Path) -> None:
    output = [url("a.png"), url("b.png")]

    def change(*_: object) -> None:
        output.clear()

    saved = await client_of(Host()).files.async_save(output, tmp_path, on_progress=change)
    assert saved == [tmp_path / "a.png", tmp_path / "b.png"]


async def test_names_follow_the_server_and_never_take_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"old")
    named = {"content-disposition": 'attachment; filename="../x.png"'}
    host = Host({f"/{number}": lambda: httpx.Response(200, headers=named, content=b"new") for number in range(20)})
    saved = await client_of(host).files.async_save([url(str(number)) for number in range(20)], tmp_path)
    assert {path.name for path in saved} == {f"x-{number}.png" for number in range(2, 22)}
    assert (tmp_path / "x.png").read_bytes() == b"old"
    assert len(names_in(tmp_path)) == 21


async def test_several_files_are_downloaded_at_once_but_not_all(tmp_path: Path) -> None:
    host = Host()
    await client_of(host).files.async_save([url(str(number)) for number in range(30)], tmp_path)
    assert 1 < host.most_at_once <= FILES_AT_ONCE


def test_a_dead_link_among_many_keeps_none_of_the_others_from_being_saved(spelling: Spelling, tmp_path: Path) -> None:
    host = Host({"/dead.png": lambda: httpx.Response(404), "/gone.png": lambda: httpx.Response(410)})
    names = [*(f"{number}.png" for number in range(20)), "dead.png", *(f"{number}.png" for number in range(20, 30))]
    dead, gone = url("dead.png?key=secret"), url("gone.png")
    output = {"all": [url(f"{name}?key=secret") for name in names], "more": (gone, dead)}
    with spelling.client(host) as client, pytest.raises(FilesNotSavedError) as failed:
        spelling.call(client.files, "save", output, tmp_path)
    error = failed.value
    paths: list[Any] = [dead if name == "dead.png" else tmp_path / name for name in names]
    assert error.saved == {"all": paths, "more": [gone, dead]}
    assert isinstance(error.failures[dead], NotFoundError)
    assert error.failures.keys() == {dead, gone}
    assert error.__cause__ in error.failures.values()
    assert str(error).startswith("2 of 32 files could not be saved; the others are. (1) GET /")
    assert "/dead.png on store.example was answered 404" in str(error)
    assert "/gone.png on store.example was answered 410" in str(error)
    assert "secret" not in str(error)
    assert sorted(names_in(tmp_path)) == sorted(f"{number}.png" for number in range(30))
    assert pickle.loads(pickle.dumps(error)).saved == error.saved

    host.answers.clear()
    with spelling.client(host) as client:
        again = spelling.call(client.files, "save", error.saved, tmp_path)
    assert again == {"all": [tmp_path / name for name in names], "more": [tmp_path / "gone.png", tmp_path / "dead.png"]}
    assert len(host.requests) == 32 + 2
    assert len(names_in(tmp_path)) == 32


async def test_what_was_told_of_a_file_that_is_given_up_is_taken_back(tmp_path: Path) -> None:
    def broken() -> httpx.Response:
        class Broken(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                yield b"abc"
                raise httpx.ReadError("broken")

        return httpx.Response(200, headers={"content-length": "9"}, stream=Broken())

    told: list[tuple[int, int | None]] = []
    with pytest.raises(FilesNotSavedError):
        await client_of(Host({"/b": broken}), max_retries=0).files.async_save(
            [url("a.png"), url("b")], tmp_path, on_progress=lambda *each: told.append(each)
        )
    assert sum(delta for delta, _ in told) == len(url("a.png"))


async def test_when_all_must_end_the_others_are_cancelled_and_whole_files_stay(tmp_path: Path) -> None:
    class Slow(Host):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path == "/slow.png":
                return await never(request)
            return await super().handle_async_request(request)

    def whole() -> list[str]:
        return [name for name in names_in(tmp_path) if name in {"a.png", "b.png"}]

    async def fail(*_: object) -> None:
        while not whole():
            await anyio.sleep(0.001)
        raise OSError("disk full")

    calls = iter([lambda *_: None, fail])
    with anyio.fail_after(PATIENCE), pytest.raises(OSError, match="disk full"):
        output = [url("a.png"), url("slow.png"), url("b.png")]
        await client_of(Slow()).files.async_save(output, tmp_path, on_progress=lambda *each: next(calls)(*each))
    assert names_in(tmp_path) == whole()
    assert [(tmp_path / name).read_text() for name in whole()] == [url(name) for name in whole()]
    assert len(whole()) == 1


async def test_the_advice_for_another_host_is_not_about_the_base_url(tmp_path: Path) -> None:
    for where, advice in ((HOST, "Check the network, then try again."), (BASE_URL, "the network and the base URL")):
        with pytest.raises(APIConnectionError, match=advice):
            await client_of(Script(forever=httpx.ConnectError("no")), max_retries=0).files.async_save(
                f"{where}/a.png", tmp_path
            )


async def test_progress_is_told_of_all_files_together(tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []

    async def on_progress(delta: int, size: int | None) -> None:
        told.append((delta, size))
        await anyio.lowlevel.checkpoint()

    output = [url("a.png"), url("bb.png")]
    await client_of(Host()).files.async_save(output, tmp_path, on_progress=on_progress)
    size = len("".join(output))
    assert sum(delta for delta, _ in told) == size
    assert told[-1][1] == size


async def test_size_of_all_files_is_unknown_if_that_of_one_is(tmp_path: Path) -> None:
    host = Host({"/b": lambda: httpx.Response(200, stream=httpx.ByteStream(b"b"))})
    told: list[int | None] = []
    await client_of(host).files.async_save([url("b")], tmp_path, on_progress=lambda _, size: told.append(size))
    assert told == [None]


def test_progress_of_a_blocking_call_is_told_in_its_own_thread(tmp_path: Path) -> None:
    threads: set[int] = set()
    with client_of(Host()) as client:
        client.files.save([url("a")], tmp_path, on_progress=lambda *_: threads.add(threading.get_ident()))
    assert threads == {threading.get_ident()}


async def test_file_in_place_of_the_folder_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(FileExistsError):
        await client_of(Script()).files.async_save(url("a"), tmp_path / "x")


async def test_link_in_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.png").symlink_to(tmp_path / "outside")
    saved = await client_of(Host()).files.async_save(url("a.png"), folder)
    assert saved == folder / "a-2.png"
    assert not (tmp_path / "outside").exists()


NAMES = st.sampled_from(["a.png", "A.png", "a", ".x", "%2e%2e%2fa.png", "-a.png", "con", "", "a.png/", "%00", "猫"])
ADDRESSES = st.builds("{}/{}?{}".format, st.just(HOST), NAMES, st.integers(0, 3))
OUTPUTS = st.recursive(
    ADDRESSES | st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
DISPOSITIONS = st.none() | st.binary(max_size=30) | st.sampled_from([b"../../a.png", b"a.png", b".x", b"a\x00b"])


@fuzzed(60)
@given(OUTPUTS, DISPOSITIONS, st.sampled_from(["none", "?1", "?2", ".png", "://"]))
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_output_leads_out_of_the_folder_or_loses_a_file(
    backend: str, output: Any, disposition: bytes | None, dead: str
) -> None:
    class Named(Host):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            response = await super().handle_async_request(request)
            if dead in str(request.url):
                return httpx.Response(404, content=b"not this")
            if disposition is not None:
                given = re.sub(rb"[\r\n]", b"", disposition)
                response.headers = httpx.Headers(
                    [*response.headers.raw, (b"content-disposition", b'attachment; filename="' + given + b'"')]
                )
            return response

    host = Named()
    with TemporaryDirectory() as outside:
        folder = Path(outside) / "folder"
        folder.mkdir()
        before = {"a.png": b"old", "a": b"older"}
        for name, content in before.items():
            (folder / name).write_bytes(content)
        missing: set[str] = set()
        try:
            saved = anyio.run(client_of(host).files.async_save, output, folder, backend=backend)
        except FilesNotSavedError as error:
            saved, missing = error.saved, {str(httpx.URL(address)) for address in error.failures}
        except NotFoundError:  # of the only file
            saved, missing = output, set(host.requests)
            assert len(missing) == 1
        assert missing == {address for address in host.requests if dead in address}
        found: dict[str, Path] = {}
        _compare(output, saved, found)
        there = set(host.requests) - missing
        assert len(host.requests) == len(set(host.requests))
        assert {str(httpx.URL(address)) for address in found} == there
        assert len(set(found.values())) == len(there)
        for address, path in found.items():
            assert path.parent == folder
            assert path.read_text() == str(httpx.URL(address))
        assert {name: (folder / name).read_bytes() for name in before} == before
        assert {path.name for path in folder.iterdir()} == set(before) | {path.name for path in found.values()}
        assert list(Path(outside).iterdir()) == [folder]


def _compare(output: Any, saved: Any, found: dict[str, Path]) -> None:
    if isinstance(saved, Path):
        assert found.setdefault(output, saved) == saved
    elif isinstance(output, dict):
        assert output.keys() == saved.keys()
        for key, value in output.items():
            _compare(value, saved[key], found)
    elif isinstance(output, list):
        assert len(output) == len(saved)
        for value, other in zip(output, saved, strict=True):
            _compare(value, other, found)
    else:
        assert output == saved


async def test_refusal_is_one_plain_error(tmp_path: Path) -> None:
    host = Host({"/a": lambda: httpx.Response(403)})
    with pytest.raises(APIStatusError, match="answered 403"):
        await client_of(host).files.async_save([url("a")] * 3, tmp_path)
    assert names_in(tmp_path) == []
