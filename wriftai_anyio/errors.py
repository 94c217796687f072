"""All errors of the package.

    WriftAIError
    ├── APIConnectionError                there was no answer; carries the request
    │   ├── APITimeoutError
    │   └── NetworkSettingsError          the environment names a proxy or certificates that cannot be used
    ├── APIResponseError                  an answer that is not what the API promises
    ├── APIStatusError, also httpx.HTTPStatusError
    │   ├── BadRequestError 400, AuthenticationError 401, PermissionDeniedError 403, NotFoundError 404,
    │   │   ConflictError 409, UnprocessableEntityError 422, RateLimitError 429
    │   └── InternalServerError 5xx
    ├── CreateOutcomeUnknown              a prediction may have been created; the request is never sent twice
    ├── WaitTimeoutError, also TimeoutError
    ├── PredictionFailedError             a prediction failed, was cancelled or abandoned: it has no output
    ├── OutputTypeError                   an output is not of the type that was asked for
    ├── FilesNotSavedError                some files of an output could not be downloaded; the others are saved
    ├── BatchJournalError                 a batch's journal is another's, damaged, or in use
    ├── BatchStoppedError                 too many inputs of a batch did not succeed
    └── WebhookSignatureVerificationError, also ValueError
        └── WebhookNoTimestampError, WebhookNoSignatureError, WebhookSignatureMismatchError,
            WebhookTimestampOutsideToleranceError

Bad arguments are a plain `ValueError`, raised before anything is sent. No error holds the access token: the
requests and responses that errors carry are copies without it.
"""

from collections.abc import Mapping
from typing import Any

import httpx

from ._types.json import JsonValue
from ._types.prediction import PredictionWithIO, told_error
from .plain_text import one_line

__all__ = [
    "APIConnectionError",
    "APIResponseError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "BatchJournalError",
    "BatchStoppedError",
    "ConflictError",
    "CreateOutcomeUnknown",
    "FilesNotSavedError",
    "InternalServerError",
    "NetworkSettingsError",
    "NotFoundError",
    "OutputTypeError",
    "PermissionDeniedError",
    "PredictionFailedError",
    "RateLimitError",
    "UnprocessableEntityError",
    "WaitTimeoutError",
    "WebhookNoSignatureError",
    "WebhookNoTimestampError",
    "WebhookSignatureMismatchError",
    "WebhookSignatureVerificationError",
    "WebhookTimestampOutsideToleranceError",
    "WriftAIError",
]


def _rebuild(kind: type["WriftAIError"], args: tuple[object, ...], state: dict[str, object]) -> "WriftAIError":
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class WriftAIError(Exception):
    """The base of all errors of this package."""

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        # It may quote a server or a model, and ends up in logs and terminals.
        return one_line(super().__str__())


class APIConnectionError(WriftAIError):
    """There was no answer: the connection could not be made, or it broke before the answer was complete.

    Attributes:
        request: The request, without the access token.
        request_sent: Whether the server may have received the whole request. `False` means that it certainly did
            nothing.
        response: What had arrived of the answer before it broke off: its head and the beginning of its body. `None` if
            nothing had.
    """

    request: httpx.Request
    request_sent: bool
    response: httpx.Response | None

    def __init__(
        self, message: str, *, request: httpx.Request, request_sent: bool, response: httpx.Response | None = None
    ) -> None:
        super().__init__(message)
        self.request = request
        self.request_sent = request_sent
        self.response = response


class APITimeoutError(APIConnectionError):
    """There was no answer in time (see `Client(timeout=…)`)."""


class NetworkSettingsError(APIConnectionError):
    """Nothing was sent: an environment variable names a proxy or certificates that cannot be used.

    The message names the variable and its value, without credentials. The request is not tried again.
    """


class APIResponseError(WriftAIError):
    """The answer is not what the API promises: it is not JSON, has the wrong shape, or redirects to another origin.

    Attributes:
        response: The answer; its request is without the access token.
        request_id: The server's id of the request, if there is one: quote it when you ask WriftAI's support.
    """

    response: httpx.Response
    request_id: str | None

    def __init__(self, message: str, *, response: httpx.Response) -> None:
        self.request_id = request_id_of(response)
        super().__init__(f"{message} (request {self.request_id})" if self.request_id else message)
        self.response = response


class APIStatusError(WriftAIError, httpx.HTTPStatusError):
    """The API refused the request.

    Attributes:
        status_code: The HTTP status of the answer.
        code: The API's own error code, if there is one.
        message: What the API said, else the status in words.
        detail: The API's details, for 422 a list that says what is wrong where.
        request_id: The server's id of the request, if there is one: quote it when you ask WriftAI's support.
        response: The answer, without the access token in its request.
    """

    status_code: int
    code: str | None
    message: str
    detail: JsonValue
    request_id: str | None

    def __init__(
        self,
        text: str,
        *,
        response: httpx.Response,
        message: str,
        code: str | None = None,
        detail: JsonValue = None,
        request_id: str | None = None,
    ) -> None:
        httpx.HTTPStatusError.__init__(self, text, request=response.request, response=response)
        self.status_code = response.status_code
        self.message = message
        self.code = code
        self.detail = detail
        self.request_id = request_id


class BadRequestError(APIStatusError):
    """400: the API does not understand the request."""


class AuthenticationError(APIStatusError):
    """401: the access token is missing, wrong or expired."""


class PermissionDeniedError(APIStatusError):
    """403: the access token does not allow this."""


class NotFoundError(APIStatusError):
    """404: it does not exist, or this access token may not see it."""


class ConflictError(APIStatusError):
    """409: its state on the server does not allow this, for example to cancel a prediction that has ended."""


class UnprocessableEntityError(APIStatusError):
    """422: the server checked the request and found a mistake; `detail` says what is wrong and where."""


class RateLimitError(APIStatusError):
    """429: the account was over its rate limit for longer than requests are retried (two minutes). Nothing was done."""


class InternalServerError(APIStatusError):
    """5xx: the server failed."""


class CreateOutcomeUnknown(WriftAIError):  # noqa: N818 -- the design's name: an outcome, not only an error
    """A create was sent, and whether the server took it is unknown. It is never sent twice.

    Look with `client.predictions.list()`, newest first, before you create it again: if the server took it, the
    prediction runs and costs money. The error's `__cause__` says what went wrong.

    Attributes:
        prediction_id: The prediction's id, where the server's answer contains it.
        request_id: The server's id of the request, if there is one: quote it when you ask WriftAI's support.
    """

    prediction_id: str | None
    request_id: str | None

    def __init__(self, message: str, *, prediction_id: str | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.prediction_id = prediction_id
        self.request_id = request_id


class WaitTimeoutError(WriftAIError, TimeoutError):
    """A wait's `timeout` passed before the prediction ended. The prediction goes on, unless it was cancelled.

    Attributes:
        prediction_id: The prediction's id; `None` if the create itself was not answered in time. The message then says
            whether the prediction may exist, or certainly does not.
        prediction: Its last known state; `None` if there was none yet.
    """

    prediction_id: str | None
    prediction: PredictionWithIO | None

    def __init__(self, message: str, *, prediction_id: str | None, prediction: PredictionWithIO | None = None) -> None:
        super().__init__(message)
        self.prediction_id = prediction_id
        self.prediction = prediction


class PredictionFailedError(WriftAIError):
    """A prediction failed, was cancelled or was abandoned, so it has no output; for example, `Client.run` raises this.

    Attributes:
        prediction: The prediction.
        prediction_id: Its id.
        status: How it ended: `failed`, `cancelled` or `abandoned`.
        source: Where the error lies, `internal` or `external`, if the API says which.
        detail: The API's details of the error, if there are any.
    """

    prediction: PredictionWithIO
    prediction_id: str
    status: str
    source: str | None
    detail: JsonValue

    def __init__(self, prediction: PredictionWithIO) -> None:
        error = told_error(prediction)
        source = error.get("source")
        self.prediction = prediction
        self.prediction_id = prediction["id"]
        self.status = prediction["status"]
        self.source = source if isinstance(source, str) else None
        self.detail = error.get("detail")
        ending = "failed" if self.status == "failed" else f"was {self.status}"
        said = error.get("message")
        super().__init__(f"Prediction {self.prediction_id} {ending}{f': {one_line(said)}' if said else '.'}")


class OutputTypeError(WriftAIError):
    """A prediction succeeded, but its output is not of the requested `output_type`. The output is not lost.

    The cause is pydantic's `ValidationError`.

    Attributes:
        prediction: The prediction, with its output.
        prediction_id: Its id.
        reasons: What does not fit, and where, as pydantic lists it (`type`, `loc`, `msg`).
    """

    prediction: PredictionWithIO
    prediction_id: str
    reasons: list[Mapping[str, Any]]

    def __init__(self, prediction: PredictionWithIO, reasons: list[Mapping[str, Any]]) -> None:
        self.prediction = prediction
        self.prediction_id = prediction["id"]
        self.reasons = reasons
        listed = "; ".join(_validation_line(reason) for reason in reasons[:5])
        super().__init__(
            f"The output of prediction {self.prediction_id} does not fit: {listed}. It is in the error's `prediction`."
        )


class FilesNotSavedError(WriftAIError):
    """`files.save` could not download some files of an output. All others are saved. The cause is the first failure.

    To retry the missing files, pass `saved` to `files.save`: it leaves paths as they are.

    Attributes:
        saved: The output, with a `Path` in place of the address of each file that was saved. A file that was not saved
            still has its address.
        failures: Why a file was not saved, by its address in the output.
    """

    saved: Any
    failures: Mapping[str, WriftAIError]

    def __init__(self, saved: object, failures: Mapping[str, WriftAIError], number_saved: int) -> None:
        reasons = list(dict.fromkeys(failures.values()))  # addresses that differ in their fragment are one file
        listed = " ".join(f"({number}) {reason}" for number, reason in enumerate(reasons[:3], 1))
        more = f" And {len(reasons) - 3} more." if len(reasons) > 3 else ""
        total = len(reasons) + number_saved
        super().__init__(f"{len(reasons)} of {total} files could not be saved; the others are. {listed}{more}")
        self.saved = saved
        self.failures = dict(failures)


class BatchJournalError(WriftAIError):
    """A batch's journal belongs to other inputs, is damaged, is not a journal, or is in use: it is left unchanged.

    It is also raised if the journal cannot be written while the batch runs, as on a full disk, or was moved or deleted:
    then nothing more is created. Run the batch again with `find_unknown=True`.
    """


class BatchStoppedError(WriftAIError):
    """A batch stopped reading inputs because `max_failures` of them did not succeed. Those under way have ended.

    Run it again with the same journal to continue; with `retry_failed=True`, failed inputs are tried again, too.

    Attributes:
        failures: How many inputs ended in each status (`failed`, `cancelled`, `abandoned`) or error.
        succeeded: How many succeeded.
    """

    failures: Mapping[str, int]
    succeeded: int

    def __init__(self, failures: Mapping[str, int], succeeded: int) -> None:
        listed = ", ".join(f"{count} {name}" for name, count in sorted(failures.items()))
        super().__init__(
            f"The batch stopped because {sum(failures.values())} inputs did not succeed ({listed}); {succeeded} "
            "succeeded. Fix the cause and run it again; with the same journal it continues where it stopped."
        )
        self.failures = dict(failures)
        self.succeeded = succeeded


class WebhookSignatureVerificationError(WriftAIError, ValueError):
    """A webhook's signature could not be verified: do not trust the payload."""


class WebhookNoTimestampError(WebhookSignatureVerificationError):
    """The signature header has no usable timestamp."""


class WebhookNoSignatureError(WebhookSignatureVerificationError):
    """The signature header has no signature of the requested scheme."""


class WebhookSignatureMismatchError(WebhookSignatureVerificationError):
    """No signature in the header matches this payload and secret."""


class WebhookTimestampOutsideToleranceError(WebhookSignatureVerificationError):
    """The signature is older, or further in the future, than the tolerance allows."""


_BY_STATUS: Mapping[int, type[APIStatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    422: UnprocessableEntityError,
    429: RateLimitError,
}

_NEXT_STEP: Mapping[int, str] = {
    401: "Check the access token (WRIFTAI_ACCESS_TOKEN).",
    403: "The access token does not allow this.",
    404: "Check the id or the name, the base URL, and that this access token may see it.",
    429: "The account is over its rate limit; nothing was done. Try later or with less at once.",
}


def status_error(response: httpx.Response, body: JsonValue) -> APIStatusError:
    """Returns the error for an answer of 4xx or 5xx.

    Args:
        response: The answer, its request already without the access token.
        body: Its decoded JSON, `None` if it is not JSON.
    """
    status = response.status_code
    outer: Mapping[str, JsonValue] = body if isinstance(body, Mapping) else {}
    nested = outer.get("error")
    fields: Mapping[str, JsonValue] = nested if isinstance(nested, Mapping) else outer
    code = fields.get("code")
    detail = fields.get("detail", outer.get("detail"))
    message = _message(fields, detail) or response.reason_phrase or "no explanation"
    request_id = request_id_of(response)
    step = _NEXT_STEP.get(status) or (
        "The server failed, and may or may not have carried out the request." if status >= 500 else ""
    )
    text = f"{response.request.method} {response.request.url.path} was answered {status}: {message.rstrip('.')}."
    text = " ".join(part for part in (text, step, f"(request {request_id})" if request_id else "") if part)
    kind = _BY_STATUS.get(status, InternalServerError if status >= 500 else APIStatusError)
    return kind(
        text,
        response=response,
        message=message,
        code=None if code is None else one_line(code),
        detail=detail,
        request_id=request_id,
    )


def request_id_of(response: httpx.Response) -> str | None:
    """Returns the server's id of a request, if its answer contains it."""
    request_id: str | None = response.headers.get("x-request-id") or response.headers.get("request-id")
    return request_id


def _message(fields: Mapping[str, JsonValue], detail: JsonValue) -> str | None:
    for candidate in (fields.get("message"), detail, fields.get("error")):
        if isinstance(candidate, str) and candidate:
            return candidate
    if isinstance(detail, list):
        return "; ".join(_validation_line(entry) for entry in detail[:5]) or None
    return None


def _validation_line(entry: JsonValue) -> str:
    if not isinstance(entry, Mapping):
        return one_line(entry)
    location, message = entry.get("loc"), one_line(entry.get("msg"))
    place = ".".join(map(one_line, location)) if isinstance(location, list) else one_line(location)
    return f"{place}: {message}" if place else message
