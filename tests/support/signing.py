"""Signs webhooks as the service does."""

import hashlib
import hmac
import time

SECRET = "whsec-żółw"


def signature_of(payload: bytes, signed_at: int, secret: str = SECRET) -> str:
    """Returns the signature of a payload alone."""
    return hmac.new(secret.encode(), f"{signed_at}.".encode() + payload, hashlib.sha256).hexdigest()


def signed(payload: bytes, secret: str = SECRET, age: int = 0) -> str:
    """Returns the signature header of a payload, as old as said, in seconds."""
    signed_at = now() - age
    return f"t={signed_at},v1={signature_of(payload, signed_at, secret)}"


def now() -> int:
    """Returns the time in whole seconds."""
    return int(time.time())
