"""Verifies the signature of a webhook: its sender must know the secret, and it must be recent."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import NamedTuple, cast

from wriftai_anyio._concurrency import system
from wriftai_anyio.errors import (
    WebhookNoSignatureError,
    WebhookNoTimestampError,
    WebhookSignatureMismatchError,
    WebhookSignatureVerificationError,
    WebhookTimestampOutsideToleranceError,
)

DEFAULT_TOLERANCE = 300
"""Seconds by which a signature's timestamp may differ from the time now, in either direction."""
LONGEST_TOLERANCE = 100 * 365 * 86_400
"""Seconds in a century: enough for tests that replay recorded webhooks, and too few to overflow."""


def verify_webhook(
    payload: bytes,
    signature: str | bytes | None,
    secret: str | Sequence[str],
    tolerance: int = DEFAULT_TOLERANCE,
    scheme: str = "v1",
) -> None:
    """Verify the signature of a webhook; return if it is right.

    Args:
        payload: The raw body of the request, before any decoding.
        signature: The value of the header `wriftai-webhook-signature`; `None` if there is none.
        secret: The secret of the webhook; while you change secrets, all that are valid.
        tolerance: Seconds by which the timestamp may differ from the time now, in either direction: a whole number, at
            most a century.
        scheme: The key of the signatures in the header; each signature with this key is tried.

    Raises:
        WebhookNoTimestampError: If the header has no timestamp, or one that is not a whole number.
        WebhookNoSignatureError: If the header has no signature of the scheme.
        WebhookTimestampOutsideToleranceError: If the timestamp differs by more than the tolerance.
        WebhookSignatureMismatchError: If no signature matches the payload and a secret.
        WebhookSignatureVerificationError: If the payload is not bytes, or the header is not a string.
        ValueError: If the secret, the tolerance or the scheme is not valid: with a blank secret anyone could sign.

    Example:
        ```python
        verify_webhook(body, headers.get("wriftai-webhook-signature"), secret)
        ```
    """
    keys = secret_keys(secret)
    seconds = checked_tolerance(tolerance)
    if not isinstance(scheme, str) or not scheme:
        raise ValueError('scheme must be a string that is not empty, such as "v1".')
    if not isinstance(payload, (bytes, bytearray, memoryview)):
        raise WebhookSignatureVerificationError("The payload must be the raw bytes of the body, before any decoding.")
    # A view need not be contiguous, and HMAC takes only contiguous bytes.
    body = payload.tobytes() if isinstance(payload, memoryview) else payload
    fresh_signature(signature, seconds, scheme).verify(body, keys)


class FreshSignature(NamedTuple):
    """A signature header whose timestamp is right, and whose signatures have not been compared yet.

    Attributes:
        signed_at: The timestamp, in seconds.
        signatures: The signatures, one of which must be right.
    """

    signed_at: int
    signatures: Sequence[str]

    def verify(self, payload: bytes, keys: Sequence[bytes]) -> None:
        """Checks that one of the signatures belongs to a payload and a key.

        Args:
            payload: The raw body.
            keys: The keys, see `secret_keys`.

        Raises:
            WebhookSignatureMismatchError: If none does.
        """
        expected = [_signature_of(payload, self.signed_at, key) for key in keys]
        given = [signature.encode("utf-8", "surrogatepass") for signature in self.signatures]
        # All pairs are compared, so that the time taken does not reveal which one matched, or how far.
        matches = [hmac.compare_digest(one, right) for one in given for right in expected]
        if not any(matches):
            raise WebhookSignatureMismatchError("No signature in the header belongs to this payload and secret.")


def fresh_signature(signature: str | bytes | None, tolerance: int, scheme: str = "v1") -> FreshSignature:
    """Checks everything that the header alone shows, before the body is read.

    Args:
        signature: The value of the header; `None` if there is none.
        tolerance: Seconds by which the timestamp may differ from the time now, in either direction.
        scheme: The key of the signatures in the header.

    Raises:
        WebhookSignatureVerificationError: One of its subclasses; see `verify_webhook`.
    """
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
    return FreshSignature(signed_at, signatures)


def checked_tolerance(tolerance: object) -> int:
    """Checks a tolerance up front: a float could overflow when compared with a timestamp that a stranger chooses.

    Args:
        tolerance: The caller's argument.

    Raises:
        ValueError: If it is not a whole number of seconds from 0 to a century.
    """
    if isinstance(tolerance, bool) or not isinstance(tolerance, int) or not 0 <= tolerance <= LONGEST_TOLERANCE:
        raise ValueError(f"tolerance must be a whole number of seconds from 0 to {LONGEST_TOLERANCE}.")
    return tolerance


def secret_keys(secret: object) -> list[bytes]:
    """Returns the signing keys for one or more secrets.

    Args:
        secret: A secret, or all that are valid.

    Raises:
        ValueError: If there is none, or one is blank or not a string; the message shows no secret.
    """
    given: object = [secret] if isinstance(secret, str) else secret
    secrets = list(cast("Sequence[object]", given)) if isinstance(given, (list, tuple)) else []
    keys = [_key(value) for value in secrets]
    if not keys:
        raise ValueError(_WRONG_SECRET)
    return keys


_WRONG_SECRET = "secret must be a string that is not blank, or a list or tuple of such strings."  # noqa: S105


def _key(secret: object) -> bytes:
    # HMAC pads a key with zeros: a key of only zeros equals an empty one.
    if not isinstance(secret, str) or not secret.replace("\0", "").strip():
        raise ValueError(_WRONG_SECRET)
    try:
        return secret.encode()
    except UnicodeEncodeError:
        raise ValueError("secret must be a string that UTF-8 can express.") from None


def _fields(signature: str | bytes | None) -> list[tuple[str, str]]:
    if not isinstance(signature, (str, bytes, type(None))):
        raise WebhookSignatureVerificationError("The signature must be the header's value: a string, or bytes.")
    text = signature.decode("latin-1") if isinstance(signature, bytes) else signature or ""
    parts = [item.partition("=") for item in text.split(",")]
    return [(name, value) for name, equals, value in parts if equals]


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise WebhookNoTimestampError("The timestamp of the signature header is not a whole number.") from None


def _signature_of(payload: bytes, signed_at: int, key: bytes) -> bytes:
    mac = hmac.new(key, b"%d." % signed_at, hashlib.sha256)
    mac.update(payload)
    return mac.hexdigest().encode()
