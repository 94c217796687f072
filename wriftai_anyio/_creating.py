"""A create: checked before it is sent, sent once, and its outcome known or said to be unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx
from anyio import CancelScope

from ._prediction import PredictionShape, PredictionWithIO
from ._resource import model_reference
from .api import API
from .errors import APIConnectionError, APIResponseError, APIStatusError, CreateOutcomeUnknown

LONGEST_RUN: Final = 30 * 60.0
"""Seconds that a prediction runs at most, as the API's documentation says."""


@dataclass(frozen=True)
class Hold:
    """How long the server is asked to hold the connection of a create.

    Attributes:
        seconds: Whole seconds; `None` for as long as it likes.
    """

    seconds: int | None

    @property
    def preference(self) -> str:
        """The value of the header `Prefer`."""
        return "wait" if self.seconds is None else f"wait={self.seconds}"

    def extended(self, timeout: httpx.Timeout) -> httpx.Timeout:
        """Makes the timeouts of a held create of those of a plain one."""
        hold = LONGEST_RUN if self.seconds is None else self.seconds
        read = None if timeout.read is None else timeout.read + hold
        return httpx.Timeout(connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool)


@dataclass(frozen=True)
class Create:
    """What a create sends."""

    body: Mapping[str, object]
    headers: Mapping[str, str]

    @classmethod
    def checked(cls, params: Mapping[str, object], model: str) -> "Create":
        """Makes a create of what the caller gave, which stays as it is.

        Raises:
            ValueError: If the model reference or the params cannot be right.
        """
        model_reference(model)
        if not isinstance(params, Mapping) or "input" not in params:
            raise ValueError("params must be a mapping with an `input`.")
        body: dict[str, object] = {"model": model}
        body.update({name: value for name, value in params.items() if name not in _NOT_IN_BODY and value is not None})
        body["input"] = params["input"]
        validate = params.get("validate_input")
        headers = {} if validate is None else {"validate-input": "true" if validate else "false"}
        return cls(body, headers)

    @property
    def has_webhook(self) -> bool:
        """Whether the prediction's states are posted to a webhook."""
        return "webhook" in self.body

    async def post(
        self, api: API, shape: PredictionShape, hold: Hold | None, scope: CancelScope | None = None
    ) -> PredictionWithIO:
        """Sends the create.

        Args:
            api: What sends it.
            shape: Checks the answer.
            hold: Whether the server is asked to hold the connection until the prediction has ended.
            scope: Shielded while the request is under way, since what it creates must not be lost.

        Raises:
            CreateOutcomeUnknown: If the server may have taken it.
            APIStatusError: If the API refused; nothing was created.
            APIConnectionError: If it surely did not reach the server.
        """
        try:
            return await api.ask(
                "POST",
                "/predictions",
                shape.detailed,
                json=self.body,
                headers=self.headers,
                hold=hold.preference if hold else None,
                timeout=hold.extended(api.config.timeout) if hold else None,
                scope=scope,
            )
        except APIConnectionError as error:
            if not error.request_sent:
                raise
            raise _unknown(error, None) from error
        except APIResponseError as error:
            if error.response.is_redirect:
                raise
            raise _unknown(error, error.response) from error
        except APIStatusError as error:
            if error.status_code < 500 and error.status_code != _REQUEST_TIMEOUT:
                raise
            raise _unknown(error, error.response) from error


_NOT_IN_BODY = frozenset({"input", "model", "validate_input"})
_REQUEST_TIMEOUT = 408


def _unknown(cause: Exception, response: httpx.Response | None) -> CreateOutcomeUnknown:
    location = response.headers.get("location", "") if response is not None else ""
    prediction_id = location.rstrip("/").rpartition("/")[2] or None
    look = (
        f"Look at it with predictions.get({prediction_id!r})."
        if prediction_id
        else "Look with predictions.list() before you create it again."
    )
    return CreateOutcomeUnknown(
        f"The create was sent, and whether the server took it is unknown. It is not sent again. {look} ({cause})",
        prediction_id=prediction_id,
    )
