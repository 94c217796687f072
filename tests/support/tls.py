"""The server's side of TLS, with a certificate that nobody but itself vouches for."""

import ssl
from pathlib import Path
from typing import Final

from anyio.abc import SocketStream
from anyio.streams.tls import TLSStream

CERTIFICATE: Final = Path(__file__).parents[1] / "_transport" / "certificate.pem"
"""For 127.0.0.1, signed by itself."""


def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    return context


async def secured(connection: SocketStream) -> TLSStream:
    """Serves TLS on a connection; it ends without TLS's closing handshake, as with most servers."""
    return await TLSStream.wrap(connection, server_side=True, ssl_context=server_context(), standard_compatible=False)
