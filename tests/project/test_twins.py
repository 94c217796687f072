"""The tool that writes the blocking twins, and the twins in the source: none is stale."""

import ast
import re
import textwrap
from pathlib import Path

import pytest

from tests.support import twins

ASYNC_WORDS = re.compile(r"\b(await|async|coroutine|event loop|cancel scope|task)|\b(async_|Async|aclose|anext|aiter)")


def source(code: str) -> str:
    return textwrap.dedent(code).lstrip()


def written(code: str) -> str:
    """A module with its twins; they stay as they are when the tool runs again."""
    _, result = twins.with_twins(source(code))
    assert twins.with_twins(result) == ([], result)
    return result


def blocking_docstring(docstring: str) -> str:
    """What a twin says if its coroutine method says this."""
    module = written(
        f"class Things:\n    async def async_get(self) -> None:\n{textwrap.indent(source(docstring), ' ' * 8)}"
    )
    return textwrap.dedent(module.partition("def get(self) -> None:\n")[2].partition("        self._api")[0])


def test_no_twin_is_stale() -> None:
    stale = [twin for path in twins.sources() for twin in twins.brought_up_to_date(path, write=False)]
    assert stale == [], "bring them up to date with `nox -s twins`"


def test_twins_speak_in_blocking_terms() -> None:
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in twins.sources()]
    for pair in (pair for module in modules for pair in twins.pairs(module)):
        assert pair.twin, pair.label
        docstring = ast.get_docstring(pair.twin) or ""
        assert not ASYNC_WORDS.findall(docstring), pair.label


def test_a_twin_that_only_calls_is_written_whole() -> None:
    module = written(
        '''
        class Things:
            async def async_get(self, name: str, *, wait: float | None = None) -> Thing:
                """Get a thing."""
                return await self._api.ask("GET", name, thing)

            def other(self) -> None: ...
        '''
    )
    assert module == source(
        '''
        class Things:
            async def async_get(self, name: str, *, wait: float | None = None) -> Thing:
                """Get a thing."""
                return await self._api.ask("GET", name, thing)

            def get(self, name: str, *, wait: float | None = None) -> Thing:
                """Get a thing."""
                return self._api.blocking.call(self.async_get, name, wait=wait)

            def other(self) -> None: ...
        '''
    )


def test_a_changed_coroutine_changes_its_twin() -> None:
    module = written(
        '''
        class Things:
            async def async_delete(self, name: str, force: bool = False) -> None:
                """Delete a thing for good."""
                await self._api.ask("DELETE", name, nothing)

            def delete(self, name: str) -> None:
                """Delete a thing."""
                self._api.blocking.call(self.async_delete, name)
        '''
    )
    twin = module[module.index("    def delete") :]
    assert twin == (
        "    def delete(self, name: str, force: bool = False) -> None:\n"
        '        """Delete a thing for good."""\n'
        "        self._api.blocking.call(self.async_delete, name, force)\n"
    )


def test_of_a_twin_written_by_hand_only_the_docstring_is_written() -> None:
    by_hand = '''
        class Things:
            def async_iterate(self, size: int) -> AsyncItems[Thing]:
                """Iterate with `async for`."""
                return AsyncItems(size)

            def iterate(
                self, size: int
            ) -> Items[Thing]:  # as wide as this
                {docstring}# The pages come from elsewhere.
                return   Items(self._api, size)
        '''
    module = written(by_hand.format(docstring=""))
    assert module == source(by_hand.format(docstring='"""Iterate with `for`."""\n                '))


def test_the_api_calls_itself() -> None:
    module = written(
        '''
        class API:
            async def async_request(self, path: str) -> None:
                """Sends a request."""
        '''
    )
    assert "        self.blocking.call(self.async_request, path)\n" in module


def test_the_twins_of_an_async_class_stand_in_its_blocking_class() -> None:
    module = written(
        '''
        class AsyncStream:
            async def aclose(self) -> None:
                """Closes the `AsyncStream`."""


        class Stream:
            def close(self) -> None:
                self._reading.cancel()
        '''
    )
    assert '        """Closes the `Stream`."""\n        self._reading.cancel()' in module


@pytest.mark.parametrize("length", range(60, 130, 3))
def test_long_signatures_and_calls_are_broken_as_ruff_does(length: int) -> None:
    name = "n" * (length // 2)
    (first, *others) = twins.bracketed("    def get(", ["self", f"{name}: str", "other: int = 3"], ") -> None:")
    lines = [first, *others]
    assert all(len(line) <= twins.LINE_LENGTH or line.endswith(",") for line in lines)
    assert len(lines) in {1, 3}
    assert (len(lines) == 1) == (len(f"    def get(self, {name}: str, other: int = 3) -> None:") <= twins.LINE_LENGTH)


def test_a_twin_that_cannot_follow_by_rule_must_be_written_by_hand() -> None:
    with pytest.raises(twins.TwinError, match=r"Things\.iterate does not follow by rule"):
        written('class Things:\n    def async_iterate(self) -> AsyncItems[int]:\n        """Iterate."""\n')
    with pytest.raises(twins.TwinError, match=r"Things\.async_get has no docstring"):
        written("class Things:\n    async def async_get(self) -> None: ...\n")


def test_words_are_put_into_blocking_terms() -> None:
    assert blocking_docstring(
        '''
        """Get an async iterator, an async context manager too, with `await things.async_find()`.

        Args:
            options: How `AsyncOptions` are given. A coroutine
                function is awaited.

        Example:
            ```python
            async with client.async_things() as things:
                async for thing in things:
                    print(await thing.async_get(),  await anext(things))
            ```
        """
        '''
    ) == source(
        '''
        """Get an iterator, a context manager too, with `things.find()`.

        Args:
            options: How `Options` are given. It is called in the calling thread.

        Example:
            ```python
            with client.things() as things:
                for thing in things:
                    print(thing.get(),  next(things))
            ```
        """
        '''
    )


def test_paragraphs_without_such_words_keep_their_lines() -> None:
    docstring = source(
        '''
        """Get a thing.

        One line
        and another.

        Args:
            name: Its
                name.

        Returns:
            The
            thing.
        """
        '''
    )
    assert blocking_docstring(docstring) == docstring


def test_changed_paragraphs_are_filled_anew() -> None:
    long = "`async_a` " + "word " * 40
    result = blocking_docstring(f'"""Get.\n\n{long}\n\nArgs:\n    a: {long}\n    b: Kept.\n"""').splitlines()
    assert result[2] == "`a`" + " word" * 21
    assert result[6].startswith("    a: `a` word word")
    assert result[7].startswith("        word word")
    assert max(map(len, result)) <= twins.LINE_LENGTH - 8


def test_the_lines_of_generated_docstrings_are_counted() -> None:
    module = written(
        'class Things:\n    async def async_get(self) -> None:\n        """Get.\n\n        It.\n        """\n'
    )
    assert twins.generated_lines(module) == 4


def test_check_names_the_stale_ones_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "things.py"
    path.write_text('class Things:\n    async def async_get(self) -> None:\n        """Get."""\n', encoding="utf-8")
    before = path.read_text(encoding="utf-8")
    monkeypatch.setattr(twins, "PACKAGE", tmp_path)
    assert twins.main(["--check"]) == 1
    assert capsys.readouterr().out == "stale: things.py: Things.get\n"
    assert path.read_text(encoding="utf-8") == before
    assert twins.main([]) == 0
    assert twins.main(["--check"]) == 0
