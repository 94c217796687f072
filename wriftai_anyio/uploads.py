"""Uploads: the steps of which `Files.upload` consists."""

from collections.abc import Callable
from typing import cast

from ._parsing.ids import is_id, segment
from ._parsing.shapes import ShapeError, mapping
from ._resources.base import Resource, fields_of
from ._transport.addresses import web_address
from ._types.extras import ExtraBody
from ._types.json import JsonValue
from ._types.typing_backports import TypedDict
from .common_types import UploadCompletionResult

__all__ = ["CompleteUploadParams", "CreateUploadParams", "Upload", "Uploads"]


class CreateUploadParams(ExtraBody):
    """What the API needs to know about a file to prepare its upload."""

    size: int
    """The exact size of the file in bytes."""
    mime_type: str
    """The MIME type of the file."""


class Upload(TypedDict):
    """A prepared upload: where to send the parts of the file."""

    urls: list[str]
    """The presigned URLs to which the parts are sent, in order. They are secrets."""
    id: str
    """The identifier of the upload."""
    part_size: int
    """The size of each part in bytes. The last may be smaller; a single part has the size of the file."""


class CompleteUploadParams(ExtraBody):
    """What the API needs to know to complete an upload."""

    etags: list[str]
    """The ETags with which the store answered the parts, in the order of the URLs."""


class Uploads(Resource):
    """Uploads: the steps of which `Files.upload` consists, for programs that send the parts themselves.

    Args:
        api: What sends the requests.
    """

    async def async_create(self, params: CreateUploadParams) -> Upload:
        """Prepare the upload of a file.

        Args:
            params: The size and the MIME type of the file.

        Returns:
            The new upload, with a presigned URL for each part.

        Raises:
            ValueError: If the size is not a whole number of bytes; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer does not describe an upload of this size.
        """
        fields = fields_of(params, CreateUploadParams)
        size = fields.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError(f"size must be a number of bytes, not {size!r}.")
        return await self._api.pipeline.ask("POST", "/uploads", _upload_of(size), json=fields)

    def create(self, params: CreateUploadParams) -> Upload:
        """Prepare the upload of a file.

        Args:
            params: The size and the MIME type of the file.

        Returns:
            The new upload, with a presigned URL for each part.

        Raises:
            ValueError: If the size is not a whole number of bytes; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
            APIResponseError: If the answer does not describe an upload of this size.
        """
        return self._api.blocking.call(self.async_create, params)

    async def async_complete(self, upload_id: str, params: CompleteUploadParams) -> UploadCompletionResult:
        """Complete an upload whose parts have all been sent.

        If the answer is lost, the request is sent again: the same parts make the same file, and the answer contains its
        URL.

        Args:
            upload_id: The id of the upload.
            params: The ETags of the parts.

        Returns:
            The URL from which the file can be downloaded.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
        """
        path = f"/uploads/{segment(upload_id, 'upload_id')}/complete"
        return await self._api.pipeline.ask(
            "POST", path, _completed, json=fields_of(params, CompleteUploadParams), repeatable=True
        )

    def complete(self, upload_id: str, params: CompleteUploadParams) -> UploadCompletionResult:
        """Complete an upload whose parts have all been sent.

        If the answer is lost, the request is sent again: the same parts make the same file, and the answer contains its
        URL.

        Args:
            upload_id: The id of the upload.
            params: The ETags of the parts.

        Returns:
            The URL from which the file can be downloaded.

        Raises:
            ValueError: If the id is not valid; nothing was sent.
            APIStatusError: If the API refuses the request.
            APIConnectionError: If there was no answer.
        """
        return self._api.blocking.call(self.async_complete, upload_id, params)


def _upload_of(size: int) -> Callable[[JsonValue], Upload]:
    def shape(value: JsonValue) -> Upload:
        fields = mapping(value)
        upload_id, urls, part_size = fields.get("id"), fields.get("urls"), fields.get("part_size")
        if not is_id(upload_id) or not isinstance(urls, list) or not isinstance(part_size, int):
            raise ShapeError("it is not an upload: it lacks `id`, `urls` or `part_size`")
        for url in urls:
            _check_address(url)
        # Of an empty file it is not known whether it has one empty part or none.
        if not (len(urls) - 1) * part_size < size <= len(urls) * part_size and (size or len(urls) > 1):
            raise ShapeError(f"{len(urls)} parts of {part_size} bytes are not cut from {size} bytes")
        return cast("Upload", fields)

    return shape


def _completed(value: JsonValue) -> UploadCompletionResult:
    fields = mapping(value)
    if not isinstance(fields.get("download_url"), str):
        raise ShapeError("it has no `download_url`")
    return cast("UploadCompletionResult", fields)


def _check_address(url: JsonValue) -> None:
    if not isinstance(url, str):
        raise ShapeError("it has no URL where it should have one")
    try:
        web_address(url, "a URL in it")
    except ValueError as error:
        raise ShapeError(str(error)) from None
