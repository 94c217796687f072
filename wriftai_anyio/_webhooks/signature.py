"""The signature of a webhook: whether a payload comes from who knows the secret, and is fresh."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence

from wriftai_anyio._concurrency import system
from wriftai_anyio.errors import (
    WebhookNoSignatureError,
    WebhookNoTimestampError,
    WebhookSignatureMismatchError,
    WebhookSignatureVerificationError,
    WebhookTimestampOutsideToleranceError,
)

DEFAULT_TOLERANCE = 300
"""Seconds that a signature's timestamp may be off, either way."""


def verify_webhook(
    payload: bytes,
    signature: str | bytes | None,
    secret: str | Sequence[str],
    tolerance: int = DEFAULT_TOLERANCE,
    scheme: str = "v1",
) -> None:
    """Verify the signature of a webhook; returns if it is right.

    Args:
        payload: The raw body of the request, before any decoding.
        signature: The value of the header `wriftai-webhook-signature`; `None` if there is none.
        secret: The webhook's secret; during a change of secrets all that are valid.
        tolerance: Seconds that the timestamp may be off, either way.
        scheme: The key of the signatures in the header; each signature under it is tried.

    Raises:
        WebhookNoTimestampError: If the header holds no timestamp, or one that is no whole number.
        WebhookNoSignatureError: If the header holds no signature of the scheme.
        WebhookTimestampOutsideToleranceError: If the timestamp is off by more than the tolerance.
        WebhookSignatureMismatchError: If no signature belongs to the payload and a secret.
        WebhookSignatureVerificationError: If the payload is not bytes.
        ValueError: If a secret is empty, since anyone could have signed with that, or there is none.

    Example:
        ```python
        verify_webhook(body, headers.get("wriftai-webhook-signature"), secret)
        ```
    """
    keys = secret_keys(secret)
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise WebhookSignatureVerificationError("The payload must be the raw bytes of the body, before any decoding.")
    fields = _fields(signature)
    timestamp = next((value for name, value in fields if name == "t"), None)
    if timestamp is None:
        raise WebhookNoTimestampError("The signature header holds no timestamp.")
    signatures = [value for name, value in fields if name == scheme and value]
    if not signatures:
        raise WebhookNoSignatureError("The signature header holds no signature of the scheme.")
    signed_at = _whole_number(timestamp)
    if not signed_at - tolerance <= system.wall_time() <= signed_at + tolerance:
        raise WebhookTimestampOutsideToleranceError("The signature's timestamp is too old or too far ahead.")
    if not _any_matches(signatures, [_signature_of(payload, signed_at, key) for key in keys]):
        raise WebhookSignatureMismatchError("No signature in the header belongs to this payload and secret.")


def secret_keys(secret: str | Sequence[str]) -> list[bytes]:
    """Makes the keys of signatures of one or more secrets.

    Args:
        secret: A secret, or all that are valid.

    Raises:
        ValueError: If there is none, or one is empty or not text; the message shows no secret.
    """
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets or not all(isinstance(value, str) and value for value in secrets):
        raise ValueError("secret must be a text that is not empty, or a sequence of such.")
    try:
        return [value.encode() for value in secrets]
    except UnicodeEncodeError:
        raise ValueError("secret must be text that UTF-8 can express.") from None


def _fields(signature: str | bytes | None) -> list[tuple[str, str]]:
    text = signature.decode("latin-1") if isinstance(signature, bytes) else signature or ""
    parts = [item.partition("=") for item in text.split(",")]
    return [(name, value) for name, equals, value in parts if equals]


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise WebhookNoTimestampError("The timestamp of the signature header is no whole number.") from None


def _signature_of(payload: bytes, signed_at: int, key: bytes) -> bytes:
    mac = hmac.new(key, b"%d." % signed_at, hashlib.sha256)
    mac.update(payload)
    return mac.hexdigest().encode()


def _any_matches(given: Iterable[str], expected: Sequence[bytes]) -> bool:
    """Compares all with all, so that the time taken does not tell which was right, or how far."""
    matches = [
        hmac.compare_digest(candidate.encode("utf-8", "surrogatepass"), right)
        for candidate in given
        for right in expected
    ]
    return any(matches)
