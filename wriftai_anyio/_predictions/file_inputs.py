"""Files in a prediction's input: uploaded first, and sent as the URLs that they can be downloaded from."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, cast

from wriftai_anyio._concurrency.gather import side_by_side
from wriftai_anyio._types.file import File
from wriftai_anyio.common_types import UploadCompletionResult

from .create import Create

FILES_AT_ONCE: Final = 4


async def with_files_uploaded(create: Create, upload: Callable[[File], Awaitable[UploadCompletionResult]]) -> Create:
    """Uploads the files in the input of a create, side by side; one that occurs several times once.

    Args:
        create: The create.
        upload: Uploads one file.

    Returns:
        The create itself if no file is in its input; else one with URLs in place of files.

    Raises:
        ValueError: If the input contains itself.
        Exception: What an upload raised; the others are cancelled.
    """
    value = create.body["input"]
    try:
        files = list({id(file): file for file in _files_in(value)}.values())
    except RecursionError:
        raise ValueError("input is nested too deeply, or contains itself. Nothing was sent.") from None
    if not files:
        return create
    uploaded = await side_by_side(upload, files, FILES_AT_ONCE)
    urls = {id(file): result["download_url"] for file, result in zip(files, uploaded, strict=True)}
    return replace(create, body={**create.body, "input": _with_urls(value, urls)})


def _files_in(value: object) -> Iterator[File]:
    if isinstance(value, File):
        yield value
    elif isinstance(value, Mapping):
        for entry in cast("Mapping[object, object]", value).values():
            yield from _files_in(entry)
    elif isinstance(value, (list, tuple)):
        for entry in cast("Iterable[object]", value):
            yield from _files_in(entry)


def _with_urls(value: object, urls: Mapping[int, str]) -> object:
    if isinstance(value, File):
        return urls[id(value)]
    if isinstance(value, Mapping):
        fields = cast("Mapping[object, object]", value)
        return {name: _with_urls(entry, urls) for name, entry in fields.items()}
    if isinstance(value, (list, tuple)):
        return [_with_urls(entry, urls) for entry in cast("Iterable[object]", value)]
    return value
