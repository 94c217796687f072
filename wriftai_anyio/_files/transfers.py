"""Uploads and downloads. Everything that only they need is imported with this module: see `Files`."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx

from wriftai_anyio._types.file import FileContent
from wriftai_anyio.api import API

from .download import download
from .multipart import PartSender, cut
from .object_store import Store
from .outputs import save
from .progress import DownloadProgress, UploadProgress
from .source import Source, open_source


class Transfers:
    """Uploads files to the store and downloads them.

    Args:
        api: The API whose connections are used.
    """

    def __init__(self, api: API) -> None:
        self._store = Store(api)

    def opened(self, content: FileContent) -> AbstractAsyncContextManager[Source]:
        """Opens the content of a file to upload; see `open_source`."""
        return open_source(content)

    async def send_parts(
        self,
        source: Source,
        mime_type: str,
        part_size: int,
        urls: Sequence[str],
        on_progress: UploadProgress | None,
    ) -> list[str]:
        """Sends a file in parts, and returns their ETags.

        Args:
            source: The opened content.
            mime_type: The MIME type of the file.
            part_size: The size of all parts but the last, in bytes.
            urls: The presigned URLs of the parts, in order.
            on_progress: The caller's callback.
        """
        sender = PartSender(self._store, source, mime_type, on_progress)
        return await sender.send_all(cut(source.size, part_size, urls))

    async def download(self, address: httpx.URL, path: Path, on_progress: DownloadProgress | None) -> Path:
        """Downloads one file; see `download`."""
        return await download(self._store, address, path, on_progress)

    async def save(self, output: object, folder: Path, on_progress: DownloadProgress | None) -> Any:  # noqa: ANN401 -- of the shape of the output
        """Downloads all files of an output; see `save`."""
        return await save(self._store, output, folder, on_progress)
