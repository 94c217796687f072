"""The WriftAI client for trio, asyncio and plain scripts."""

from ._pace import RateLimit, RateLimits
from ._version import __version__
from .batch import BatchResult
from .client import Client
from .common_types import ModelVisibility, SortDirection
from .errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    BatchJournalError,
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
from .hooks import RequestEvent, ResponseEvent
from .models import ModelPaginationOptions, ModelsSortBy
from .pagination import PaginationOptions
from .streams import AsyncPredictionStream, PredictionStream, PredictionStreamEvent, PredictionStreamEventType
from .users import UserPaginationOptions, UsersSortBy
from .webhooks import WebhookReceiver, verify_webhook

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncPredictionStream",
    "AuthenticationError",
    "BadRequestError",
    "BatchJournalError",
    "BatchResult",
    "Client",
    "ConflictError",
    "CreateOutcomeUnknown",
    "File",
    "InternalServerError",
    "ModelPaginationOptions",
    "ModelVisibility",
    "ModelsSortBy",
    "NotFoundError",
    "PaginationOptions",
    "PermissionDeniedError",
    "PredictionStream",
    "PredictionStreamEvent",
    "PredictionStreamEventType",
    "RateLimit",
    "RateLimitError",
    "RateLimits",
    "RequestEvent",
    "ResponseEvent",
    "SortDirection",
    "UnprocessableEntityError",
    "UserPaginationOptions",
    "UsersSortBy",
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
