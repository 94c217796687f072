"""The WriftAI client for trio, asyncio and plain scripts."""

from ._version import __version__
from .client import Client
from .errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    CreateOutcomeUnknown,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
    WaitTimeoutError,
    WebhookNoSignatureError,
    WebhookNoTimestampError,
    WebhookSignatureMismatchError,
    WebhookSignatureVerificationError,
    WebhookTimestampOutsideToleranceError,
    WriftAIError,
)
from .files import File
from .pagination import PaginationOptions
from .webhooks import WebhookReceiver, verify_webhook

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "CreateOutcomeUnknown",
    "File",
    "InternalServerError",
    "NotFoundError",
    "PaginationOptions",
    "PermissionDeniedError",
    "RateLimitError",
    "UnprocessableEntityError",
    "WaitTimeoutError",
    "WebhookNoSignatureError",
    "WebhookNoTimestampError",
    "WebhookReceiver",
    "WebhookSignatureMismatchError",
    "WebhookSignatureVerificationError",
    "WebhookTimestampOutsideToleranceError",
    "WriftAIError",
    "__version__",
    "verify_webhook",
]
