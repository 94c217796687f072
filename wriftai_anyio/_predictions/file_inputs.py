"""Files in a prediction's input: uploaded first, and sent as the URLs that they can be downloaded from."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast

from wriftai_anyio._concurrency.gather import side_by_side
from wriftai_anyio._types.file import File
from wriftai_anyio.common_types import UploadCompletionResult

from .create import Create

FILES_AT_ONCE: Final = 4


async def with_files_uploaded(create: Create, upload: Callable[[File], Awaitable[UploadCompletionResult]]) -> Create:
    """Uploads the files in a create, side by side; one that occurs several times once.

    Args:
        create: The create.
        upload: Uploads one file.

    Returns:
        The create itself if no file is in it; else one with URLs in place of files.

    Raises:
        Exception: What an upload raised; the others are cancelled.
    """
    if not create.files:
        return create
    uploaded = await side_by_side(upload, create.files, FILES_AT_ONCE)
    urls = {id(file): result["download_url"] for file, result in zip(create.files, uploaded, strict=True)}
    body = {name: _with_urls(value, urls) for name, value in create.body.items()}
    return create._replace(body=body, files=())


def _with_urls(value: object, urls: Mapping[int, str]) -> object:
    if isinstance(value, File):
        return urls[id(value)]
    if isinstance(value, dict):
        return {name: _with_urls(entry, urls) for name, entry in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [_with_urls(entry, urls) for entry in cast("list[object]", value)]
    return value
