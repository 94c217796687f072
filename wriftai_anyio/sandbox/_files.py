"""Files on a second origin: uploads, stored on disk and served with ranges."""

import hmac
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from ._answers import not_found, refusal


@dataclass(frozen=True)
class StoredFile:
    """A file on disk, and what a client needs to reach it."""

    id: str
    path: Path
    mime_type: str
    signature: str

    def open_at(self, offset: int) -> BinaryIO:
        """Open it for writing from an offset."""
        file = self.path.open("r+b")
        file.seek(offset)
        return file


class FileStore:
    """The files in a temporary directory, which exists from the first file until the store is cleared."""

    def __init__(self) -> None:
        self.origin = ""
        self._files: dict[str, StoredFile] = {}
        self._directory: TemporaryDirectory[str] | None = None
        self._lock = Lock()

    @property
    def directory(self) -> Path | None:
        """The temporary directory, if there is one."""
        return None if self._directory is None else Path(self._directory.name)

    def add(self, mime_type: str, content: bytes = b"") -> StoredFile:
        """Add a file. You may call it from any thread."""
        with self._lock:
            if self._directory is None:
                self._directory = TemporaryDirectory(prefix="wriftai-sandbox-")
            file_id = str(uuid.uuid4())
            stored = StoredFile(file_id, Path(self._directory.name, file_id), mime_type, secrets.token_urlsafe())
            stored.path.write_bytes(content)
            self._files[file_id] = stored
            return stored

    def find(self, request: Request) -> StoredFile:
        """Return the file of a presigned request.

        Raises:
            ApiError: 400 if it carries a token, which the store must not see; 403 if its
                signature is wrong; 404 if there is no such file.
        """
        if "authorization" in request.headers:
            raise refusal(400, "unsupported_authorization", "a presigned request must carry no token")
        stored = self._files.get(request.path_params["file_id"])
        if stored is None:
            raise not_found("file")
        given = request.query_params.get("signature", "")
        if not hmac.compare_digest(given.encode(), stored.signature.encode()):
            raise refusal(403, "wrong_signature", "the signature is wrong")
        return stored

    def url(self, stored: StoredFile, path: str) -> str:
        """Return the presigned URL of an action on a file."""
        return f"{self.origin}/{path}?signature={stored.signature}"

    def download_url(self, stored: StoredFile) -> str:
        """Return the presigned URL of a file."""
        return self.url(stored, f"files/{stored.id}")

    def clear(self) -> None:
        """Remove all files."""
        with self._lock:
            self._files.clear()
            if self._directory is not None:
                self._directory.cleanup()
                self._directory = None


class _Download(FileResponse):
    chunk_size = 1024 * 1024


class FileRoutes:
    """The downloads.

    Args:
        files: The files.
    """

    def __init__(self, files: FileStore) -> None:
        self._files = files

    def routes(self) -> list[Route]:
        """Return the routes of the second origin."""
        return [Route("/files/{file_id}", self.download)]

    async def download(self, request: Request) -> Response:
        """Answer with a file, or with the requested ranges of it."""
        stored = self._files.find(request)
        return _Download(stored.path, media_type=stored.mime_type)
