"""Every import path and name that was public before the package was laid out by concern still works."""

import importlib

import pytest

from wriftai_anyio import Client
from wriftai_anyio._resources.base import Resource

PUBLIC = {
    "wriftai_anyio": (
        "APIConnectionError APIResponseError APIStatusError APITimeoutError AsyncPredictionStream "
        "AuthenticationError BadRequestError BatchJournalError BatchResult Client ConflictError "
        "CreateOutcomeUnknown File InternalServerError ModelPaginationOptions ModelVisibility ModelsSortBy "
        "NotFoundError PaginationOptions PermissionDeniedError PredictionStream PredictionStreamEvent "
        "PredictionStreamEventType RateLimit RateLimitError RateLimits RequestEvent ResponseEvent SortDirection "
        "UnprocessableEntityError UserPaginationOptions UsersSortBy WaitTimeoutError WebhookNoSignatureError "
        "WebhookNoTimestampError WebhookReceiver WebhookSignatureMismatchError WebhookSignatureVerificationError "
        "WebhookTimestampOutsideToleranceError WriftAIError __version__ verify_webhook"
    ),
    "wriftai_anyio.api": "API",
    "wriftai_anyio.authenticated_user": "AuthenticatedUser UpdateUserParams",
    "wriftai_anyio.batch": "AsyncBatch Batch BatchResult",
    "wriftai_anyio.client": "Client",
    "wriftai_anyio.common_types": (
        "BaseUser Compatibilities JsonValue JsonValueWithFile Model ModelCategory ModelVersion "
        "ModelVersionWithDetails ModelVisibility SchemaIO Schemas SortDirection StrEnum UploadCompletionResult "
        "User UserWithDetails"
    ),
    "wriftai_anyio.errors": (
        "APIConnectionError APIResponseError APIStatusError APITimeoutError AuthenticationError BadRequestError "
        "BatchJournalError ConflictError CreateOutcomeUnknown InternalServerError NotFoundError "
        "PermissionDeniedError RateLimitError UnprocessableEntityError WaitTimeoutError WebhookNoSignatureError "
        "WebhookNoTimestampError WebhookSignatureMismatchError WebhookSignatureVerificationError "
        "WebhookTimestampOutsideToleranceError WriftAIError"
    ),
    "wriftai_anyio.files": "File FileContent Files",
    "wriftai_anyio.hardware": "Hardware HardwareResource",
    "wriftai_anyio.hooks": "OnRequest OnResponse RequestEvent ResponseEvent",
    "wriftai_anyio.model_categories": "ModelCategories ModelCategoryWithDetails",
    "wriftai_anyio.model_versions": (
        "CreateCompatibilities CreateModelVersionParams ModelVersionConfiguration "
        "ModelVersionWithDetailsAndConfiguration ModelVersions UpdateModelVersionConfigurationParams"
    ),
    "wriftai_anyio.models": (
        "CreateModelParams ModelPaginationOptions ModelWithDetails ModelsResource ModelsSortBy UpdateModelParams"
    ),
    "wriftai_anyio.pagination": "AsyncItems Items PaginatedResponse PaginationOptions",
    "wriftai_anyio.predictions": (
        "AsyncWaitOptions CreatePredictionParams DEFAULT_ASYNC_WAIT_OPTIONS DEFAULT_WAIT_OPTIONS ErrorSource "
        "Prediction PredictionModel PredictionPaginationOptions PredictionStreamEvent PredictionStreamEventType "
        "PredictionWithIO Predictions Status TaskError WaitOptions Webhook"
    ),
    "wriftai_anyio.progress": "Progress RichProgress TqdmProgress",
    "wriftai_anyio.pytest_plugin": "wriftai_client wriftai_sandbox",
    "wriftai_anyio.streams": "AsyncPredictionStream PredictionStream PredictionStreamEvent PredictionStreamEventType",
    "wriftai_anyio.tracing": "PredictionTracer",
    "wriftai_anyio.uploads": "CompleteUploadParams CreateUploadParams Upload Uploads",
    "wriftai_anyio.users": "UserPaginationOptions UsersResource UsersSortBy",
    "wriftai_anyio.variables": "CreateVariableParams UpdateVariableParams Variable Variables",
    "wriftai_anyio.webhooks": "SIGNATURE_HEADER WebhookReceiver verify_webhook",
    "wriftai_anyio.sandbox": (
        "Delivery Fault FaultKind Model ModelError ModelFunction RateLimits RecordedRequest Sandbox Streaming"
    ),
}
RESOURCES = [
    "authenticated_user",
    "files",
    "hardware",
    "model_categories",
    "model_versions",
    "models",
    "predictions",
    "uploads",
    "users",
    "variables",
]


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_where_they_were(module: str) -> None:
    imported = importlib.import_module(module)
    assert [name for name in PUBLIC[module].split() if not hasattr(imported, name)] == []


def test_the_resources_of_a_client_have_their_names() -> None:
    with Client("token") as client:
        assert [name for name in RESOURCES if not isinstance(getattr(client, name, None), Resource)] == []
