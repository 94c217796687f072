"""Files: upload them as inputs, download them as outputs."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._concurrency.forks import Late
from ._files.names import safe_name
from ._files.progress import on_caller
from ._parsing.arguments import check_callback, checked_path
from ._resources.base import Resource
from ._transport.addresses import web_address
from ._types.file import AsyncReadable, File, FileContent, Readable
from .api import API
from .common_types import UploadCompletionResult
from .uploads import Uploads

if TYPE_CHECKING:
    from ._files.transfers import Transfers

__all__ = ["AsyncReadable", "File", "FileContent", "Files", "Readable", "safe_name"]


def _import_transfers() -> None:
    # On the first call of any kind: a later import may find no free file descriptor.
    from ._files import transfers  # noqa: F401  # pyright: ignore[reportUnusedImport]


def _make_transfers(api: API) -> "Transfers":
    from ._files.transfers import Transfers

    return Transfers(api)


class Files(Resource):
    """Files: upload them as inputs, download them as outputs.

    Args:
        api: What sends the requests.
    """

    def __init__(self, api: API) -> None:
        super().__init__(api)
        self._uploads = Uploads(api)
        self._transfers: Late[Transfers] = Late(partial(_make_transfers, api), api.engine)
        api.engine.import_with_it(_import_transfers)

    async def async_upload(
        self, file: File, on_progress: Callable[[int, int], object] | None = None
    ) -> UploadCompletionResult:
        """Upload a file in parts, several at once; a part that fails is sent again on its own.

        However large the file is, this uses a few megabytes of memory and reads the file in worker threads. A stream
        that cannot seek, or states no size, is first copied to a temporary file. Files in a prediction's input are
        uploaded by `async_create`.

        Args:
            file: The file to upload.
            on_progress: Called after each chunk with the number of bytes sent and the size of the file. Before a part
                is sent again, its bytes are taken back with a negative number, so that the sum is the file's size at
                the end. A coroutine function is awaited.

        Returns:
            The URL from which the file can be downloaded for a limited time.

        Raises:
            ValueError: If it is not a `File`, its stream does not give bytes or is closed, or `on_progress` cannot be
                called; nothing was sent.
            OSError: If the file is missing, is a folder or cannot be read (nothing was sent), or if its size changes
                during the upload (the upload is not completed).
            APIStatusError: If the API or the store refuses a request.
            APIConnectionError: If there was no answer.
            APIResponseError: If an answer is not what the API promises.

        Example:
            ```python
            uploaded = await client.files.async_upload(File(Path("talk.mp3")))
            print(uploaded["download_url"])
            ```
        """
        if not isinstance(file, File):
            raise ValueError(f"file must be a File, not {type(file).__name__}.")  # noqa: TRY004 -- like all bad arguments
        check_callback("delta, size", on_progress=on_progress)
        transfers = self._transfers.get()
        async with transfers.opened(file.content) as source:
            upload = await self._uploads.async_create({"size": source.size, "mime_type": file.mime_type})
            parts = upload["part_size"], upload["urls"]
            etags = await transfers.send_parts(source, file.mime_type, *parts, on_progress)
            await source.check_size()
        return await self._uploads.async_complete(upload["id"], {"etags": etags})

    def upload(self, file: File, on_progress: Callable[[int, int], object] | None = None) -> UploadCompletionResult:
        """Upload a file in parts, several at once; a part that fails is sent again on its own.

        However large the file is, this uses a few megabytes of memory and reads the file in worker threads. A stream
        that cannot seek, or states no size, is first copied to a temporary file. Files in a prediction's input are
        uploaded by `create`.

        Args:
            file: The file to upload.
            on_progress: Called after each chunk with the number of bytes sent and the size of the file. Before a part
                is sent again, its bytes are taken back with a negative number, so that the sum is the file's size at
                the end. It is called in the calling thread.

        Returns:
            The URL from which the file can be downloaded for a limited time.

        Raises:
            ValueError: If it is not a `File`, its stream does not give bytes or is closed, or `on_progress` cannot be
                called; nothing was sent.
            OSError: If the file is missing, is a folder or cannot be read (nothing was sent), or if its size changes
                during the upload (the upload is not completed).
            APIStatusError: If the API or the store refuses a request.
            APIConnectionError: If there was no answer.
            APIResponseError: If an answer is not what the API promises.

        Example:
            ```python
            uploaded = client.files.upload(File(Path("talk.mp3")))
            print(uploaded["download_url"])
            ```
        """
        return self._api.blocking.call_with_callbacks(
            "async_upload", lambda caller: self.async_upload(file, on_caller(caller, on_progress))
        )

    async def async_download(
        self,
        url: str,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> Path:
        """Download a file, such as an output that is a URL. See `async_save` for outputs with several.

        The file appears at its path when it is complete, in place of an existing one, whose permissions it keeps. In a
        folder, its name comes from the server or the URL, made safe, with a number added if that name is taken. Until
        it is complete it has a temporary name in the same folder; only its owner can read it, and it is removed if the
        download ends early. If the connection breaks, the download resumes if the server supports that, and otherwise
        starts over. The access token is sent only to the API's own origin. Redirects are followed, but not from HTTPS
        to plain HTTP. The bytes are saved as the server sends them.

        Args:
            url: The URL of the file.
            path: The file to write, whose folder must exist; or a folder.
            on_progress: Called after each block with the number of bytes written and the size of the whole file, `None`
                if the server does not state it. If the download begins again, the bytes written are taken back with a
                negative number. A coroutine function is awaited.

        Returns:
            The path of the file.

        Raises:
            ValueError: If an argument is not valid, such as a URL that is not a web address; nothing was sent.
            OSError: If the path is a device, its folder does not exist, or the file cannot be written.
            NotFoundError: If there is no such file, or it is no longer available.
            APIStatusError: If the server refuses the request for another reason.
            APIConnectionError: If the connection keeps breaking without anything new.
            APIResponseError: If a redirect is not followed, or the answer cannot be right.

        Example:
            ```python
            picture = await client.files.async_download(prediction["output"]["url"], "picture.png")
            ```
        """
        address = web_address(url, "url")
        check_callback("delta, size", on_progress=on_progress)
        return await self._transfers.get().download(address, Path(checked_path(path, "path")), on_progress)

    def download(
        self,
        url: str,
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> Path:
        """Download a file, such as an output that is a URL. See `save` for outputs with several.

        The file appears at its path when it is complete, in place of an existing one, whose permissions it keeps. In a
        folder, its name comes from the server or the URL, made safe, with a number added if that name is taken. Until
        it is complete it has a temporary name in the same folder; only its owner can read it, and it is removed if the
        download ends early. If the connection breaks, the download resumes if the server supports that, and otherwise
        starts over. The access token is sent only to the API's own origin. Redirects are followed, but not from HTTPS
        to plain HTTP. The bytes are saved as the server sends them.

        Args:
            url: The URL of the file.
            path: The file to write, whose folder must exist; or a folder.
            on_progress: Called after each block with the number of bytes written and the size of the whole file, `None`
                if the server does not state it. If the download begins again, the bytes written are taken back with a
                negative number. It is called in the calling thread.

        Returns:
            The path of the file.

        Raises:
            ValueError: If an argument is not valid, such as a URL that is not a web address; nothing was sent.
            OSError: If the path is a device, its folder does not exist, or the file cannot be written.
            NotFoundError: If there is no such file, or it is no longer available.
            APIStatusError: If the server refuses the request for another reason.
            APIConnectionError: If the connection keeps breaking without anything new.
            APIResponseError: If a redirect is not followed, or the answer cannot be right.

        Example:
            ```python
            picture = client.files.download(prediction["output"]["url"], "picture.png")
            ```
        """
        return self._api.blocking.call_with_callbacks(
            "async_download",
            lambda caller: self.async_download(url, path, on_progress=on_caller(caller, on_progress)),
        )

    async def async_save(
        self,
        output: object,
        folder: str | os.PathLike[str],
        *,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> Any:  # noqa: ANN401 -- of the shape of the output
        """Download all files that a prediction's output refers to, several at once.

        A file is what a web address (`https://…`, `http://…`) refers to that is a whole string in the output, at any
        depth of its dictionaries and lists. An address that occurs several times is downloaded once. Each file is
        downloaded into the folder as by `async_download`: its name comes from the server or the address, made safe,
        with a suffix for its content type if it has none, and with a number added if that name is taken. Nothing is
        written outside the folder, and no existing file is replaced.

        Args:
            output: The output, such as `prediction["output"]`. It is not changed.
            folder: Where to put the files. It is made if it does not exist.
            on_progress: Called after each block with the number of bytes written and the size of all files begun so
                far, `None` if a server does not state one. Bytes that must be downloaded again are taken back with a
                negative number. A coroutine function is awaited.

        Returns:
            The same structure, with a `Path` in place of each address. Tuples become lists.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            FilesNotSavedError: If some of several files cannot be downloaded. All others are saved before it is raised;
                its `saved` is the structure with their paths.
            APIStatusError: If there is one file, and its server refuses the request.
            APIConnectionError: If there is one file, and the connection keeps breaking without anything new.
            APIResponseError: If there is one file, and a redirect is not followed, or the answer cannot be right.
            OSError: If the folder cannot be made or written to. Then, and if it is cancelled, unfinished downloads are
                cancelled, and complete files stay.

        Example:
            ```python
            saved = await client.files.async_save(prediction["output"], "results")
            print(saved["image"])  # results/cat.png
            ```
        """
        check_callback("delta, size", on_progress=on_progress)
        return await self._transfers.get().save(output, Path(checked_path(folder, "folder")), on_progress)

    def save(
        self,
        output: object,
        folder: str | os.PathLike[str],
        *,
        on_progress: Callable[[int, int | None], object] | None = None,
    ) -> Any:  # noqa: ANN401 -- of the shape of the output
        """Download all files that a prediction's output refers to, several at once.

        A file is what a web address (`https://…`, `http://…`) refers to that is a whole string in the output, at any
        depth of its dictionaries and lists. An address that occurs several times is downloaded once. Each file is
        downloaded into the folder as by `download`: its name comes from the server or the address, made safe, with a
        suffix for its content type if it has none, and with a number added if that name is taken. Nothing is written
        outside the folder, and no existing file is replaced.

        Args:
            output: The output, such as `prediction["output"]`. It is not changed.
            folder: Where to put the files. It is made if it does not exist.
            on_progress: Called after each block with the number of bytes written and the size of all files begun so
                far, `None` if a server does not state one. Bytes that must be downloaded again are taken back with a
                negative number. It is called in the calling thread.

        Returns:
            The same structure, with a `Path` in place of each address. Tuples become lists.

        Raises:
            ValueError: If an argument is not valid; nothing was sent.
            FilesNotSavedError: If some of several files cannot be downloaded. All others are saved before it is raised;
                its `saved` is the structure with their paths.
            APIStatusError: If there is one file, and its server refuses the request.
            APIConnectionError: If there is one file, and the connection keeps breaking without anything new.
            APIResponseError: If there is one file, and a redirect is not followed, or the answer cannot be right.
            OSError: If the folder cannot be made or written to. Then, and if it is cancelled, unfinished downloads are
                cancelled, and complete files stay.

        Example:
            ```python
            saved = client.files.save(prediction["output"], "results")
            print(saved["image"])  # results/cat.png
            ```
        """
        return self._api.blocking.call_with_callbacks(
            "async_save",
            lambda caller: self.async_save(output, folder, on_progress=on_caller(caller, on_progress)),
        )
