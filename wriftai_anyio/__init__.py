"""The WriftAI client for trio, asyncio and plain scripts."""

import typing

from ._version import __version__

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncPredictionStream",
    "AsyncWaitOptions",
    "AuthenticationError",
    "BadRequestError",
    "BatchJournalError",
    "BatchResult",
    "BatchStoppedError",
    "Client",
    "ConflictError",
    "CreateOutcomeUnknown",
    "File",
    "FilesNotSavedError",
    "InternalServerError",
    "ModelPaginationOptions",
    "ModelVisibility",
    "ModelsSortBy",
    "NetworkSettingsError",
    "NotFoundError",
    "OutputTypeError",
    "PaginationOptions",
    "PermissionDeniedError",
    "PredictionFailedError",
    "PredictionStream",
    "PredictionStreamEvent",
    "PredictionStreamEventType",
    "RateLimit",
    "RateLimitError",
    "RateLimits",
    "RequestEvent",
    "ResponseEvent",
    "SortDirection",
    "Status",
    "UnprocessableEntityError",
    "UserPaginationOptions",
    "UsersSortBy",
    "WaitOptions",
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

if typing.TYPE_CHECKING:
    from ._rate_limits.state import RateLimit, RateLimits
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
        BatchStoppedError,
        ConflictError,
        CreateOutcomeUnknown,
        FilesNotSavedError,
        InternalServerError,
        NetworkSettingsError,
        NotFoundError,
        OutputTypeError,
        PermissionDeniedError,
        PredictionFailedError,
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
    from .predictions import AsyncWaitOptions, Status, WaitOptions
    from .streams import AsyncPredictionStream, PredictionStream, PredictionStreamEvent, PredictionStreamEventType
    from .users import UserPaginationOptions, UsersSortBy
    from .webhooks import WebhookReceiver, verify_webhook
else:
    import gc
    import importlib.util

    # Imported when a name is first used, since importing them takes three times as long as everything else that the
    # command line does before its first line. The first one imports most of the others; modules after the one that
    # has the name are not imported.
    _MODULES = (
        "client",
        "_rate_limits.state",
        "batch",
        "common_types",
        "errors",
        "files",
        "hooks",
        "models",
        "pagination",
        "predictions",
        "streams",
        "users",
        "webhooks",
    )

    def _import(name: str) -> None:
        from ._transport.httpx_import import import_httpx  # as a statement, which freezers such as PyInstaller find

        import_httpx()
        for module in (importlib.import_module(f".{module}", __name__) for module in _MODULES):
            globals().update({each: value for each, value in vars(module).items() if each in __all__})
            if name in globals():
                return

    def _import_without_collections(name: str) -> None:
        # The garbage collector would run 70 times, and find next to nothing to free: 5 % of a start (issue 17).
        if not gc.isenabled():
            return _import(name)
        gc.disable()
        try:
            return _import(name)
        finally:
            gc.enable()

    def __getattr__(name: str) -> object:
        if name in __all__:
            _import_without_collections(name)
            return globals()[name]
        if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
            return importlib.import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
