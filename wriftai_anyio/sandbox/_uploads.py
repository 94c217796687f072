"""Uploads in parts, with presigned URLs on a second origin."""

import secrets
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ._answers import JsonAnswer, invalid, not_found, refusal
from ._files import FileStore, StoredFile
from ._schemas import object_schema, read_body

_CREATE: Final = object_schema(
    {
        "size": {"type": "integer", "minimum": 0},
        "mime_type": {"type": "string", "pattern": "^[^/\\s]+/[^/\\s]+"},
    },
    required=["size", "mime_type"],
)
_COMPLETE: Final = object_schema({"etags": {"type": "array", "items": {"type": "string"}}}, required=["etags"])


@dataclass
class Upload:
    """An upload and the parts received so far."""

    stored: StoredFile
    size: int
    part_size: int
    etags: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def part_count(self) -> int:
        """How many parts it has; an empty file has one."""
        return max(1, -(-self.size // max(1, self.part_size)))

    def size_of(self, number: int) -> int:
        """Return the size of a part in bytes."""
        return min(self.part_size, self.size - number * self.part_size)


class UploadRoutes:
    """The calls under `/uploads`, and the store's calls for parts.

    Args:
        files: The store of the files.
        uploads: The uploads by id, which is also the id of the file.
        part_size: The size of all parts but the last, in bytes.
    """

    def __init__(self, files: FileStore, uploads: dict[str, Upload], part_size: int) -> None:
        self._files = files
        self._uploads = uploads
        self._part_size = part_size

    def routes(self) -> list[Route]:
        """Return the routes of the API, without its prefix."""
        return [
            Route("/uploads", self.create, methods=["POST"]),
            Route("/uploads/{upload_id}/complete", self.complete, methods=["POST"]),
        ]

    def store_routes(self) -> list[Route]:
        """Return the routes of the second origin."""
        return [Route("/store/{file_id}/{number:int}", self.put_part, methods=["PUT"])]

    async def create(self, request: Request) -> Response:
        """Begin an upload: answer with the URLs for its parts."""
        body = await read_body(request, _CREATE)
        stored = self._files.add(body["mime_type"])
        upload = Upload(stored, body["size"], min(body["size"], self._part_size))
        self._uploads[stored.id] = upload
        urls = [self._files.url(stored, f"store/{stored.id}/{number}") for number in range(upload.part_count)]
        answer = {"id": stored.id, "urls": urls, "part_size": upload.part_size}
        return JsonAnswer(answer, status_code=201)

    async def put_part(self, request: Request) -> Response:
        """Store one part; a part that is sent again replaces the earlier one."""
        upload = self._uploads.get(self._files.find(request).id)
        if upload is None:
            raise not_found("upload")
        number: int = request.path_params["number"]
        self._check_part(request, upload, number)
        upload.etags.pop(number, None)
        with upload.stored.open_at(number * upload.part_size) as file:
            try:
                async for chunk in request.stream():
                    file.write(chunk)
            except ClientDisconnect:
                return Response(status_code=400)
        upload.etags[number] = f'"{secrets.token_hex(16)}"'
        return Response(headers={"etag": upload.etags[number]})

    async def complete(self, request: Request) -> Response:
        """Complete an upload: answer with the URL of its file."""
        upload = self._uploads.get(request.path_params["upload_id"])
        if upload is None:
            raise not_found("upload")
        etags: list[str] = (await read_body(request, _COMPLETE))["etags"]
        if etags != [upload.etags.get(number) for number in range(upload.part_count)]:
            raise invalid(["body", "etags"], "not the ETags of all parts in their order")
        return JsonAnswer({"download_url": self._files.download_url(upload.stored)})

    def _check_part(self, request: Request, upload: Upload, number: int) -> None:
        if number >= upload.part_count:
            raise not_found("part")
        if request.headers.get("content-type") != upload.stored.mime_type:
            raise refusal(400, "wrong_content_type", "the content type is not that of the upload")
        size = request.headers.get("content-length")
        if size is None:
            raise refusal(411, "length_required", "a part needs a content length")
        if size != str(upload.size_of(number)):
            raise refusal(400, "wrong_size", f"this part has {upload.size_of(number)} bytes")
