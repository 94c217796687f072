"""The least API and store for files, in a process of its own, so that the clients are what is measured."""

import json
import tempfile
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from ._server import server_process

FILE_SIZE: Final = 256 * 1024 * 1024
PART_SIZE: Final = 8 * 1024 * 1024


class _Handler(BaseHTTPRequestHandler):
    """Takes in parts, which it forgets, and gives out one file."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        left = int(self.headers["content-length"])
        buffer = memoryview(bytearray(1024 * 1024))
        while left:
            left -= self.rfile.readinto(buffer[: min(left, len(buffer))])
        self._answer(b"", etag='"part"')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        url = f"http://{self.headers['host']}/part?signature=secret"
        if "size" not in body:
            self._answer(json.dumps({"download_url": url}).encode())
            return
        count = -(-body["size"] // PART_SIZE)
        self._answer(json.dumps({"id": "upload", "urls": [url] * count, "part_size": PART_SIZE}).encode())

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", str(FILE_SIZE))
        self.end_headers()
        self.wfile.flush()
        with Path(_file.name).open("rb") as file:
            self.connection.sendfile(file)

    def _answer(self, content: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {"content-length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64


def store_server() -> AbstractContextManager[str]:
    """Runs the server in a process of its own and gives its base URL."""
    return server_process(__name__)


if __name__ == "__main__":
    with tempfile.NamedTemporaryFile() as _file, _Server(("127.0.0.1", 0), _Handler) as _server:
        _file.truncate(FILE_SIZE)
        print(_server.server_address[1], flush=True)
        _server.serve_forever()
