"""A create: checked before it is sent, sent once, and its outcome known or said to be unknown."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

import httpx

from wriftai_anyio._concurrency.cancellation import SendShield
from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio._pipeline.attempt_hooks import AttemptHooks
from wriftai_anyio._resources.base import model_reference
from wriftai_anyio._transport.sse import is_event_stream
from wriftai_anyio._types.prediction import PredictionWithIO
from wriftai_anyio.api import API, shaped
from wriftai_anyio.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    CreateOutcomeUnknown,
    request_id_of,
)

LONGEST_RUN: Final = 30 * 60.0
"""Seconds that a prediction runs at most, as the API's documentation says."""


@dataclass(frozen=True)
class Hold:
    """How long the server is asked to hold a connection on which it has nothing to say yet.

    Attributes:
        seconds: `None` for as long as it likes.
    """

    seconds: float | None

    @property
    def preference(self) -> str:
        """The value of the header `Prefer`."""
        return "wait" if self.seconds is None else "wait=" + f"{self.seconds:.3f}".rstrip("0").rstrip(".")

    def extended(self, timeout: httpx.Timeout) -> httpx.Timeout:
        """Makes the timeouts of a held request of those of a plain one."""
        hold = LONGEST_RUN if self.seconds is None else self.seconds
        read = None if timeout.read is None else timeout.read + hold
        return httpx.Timeout(connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool)


@dataclass(frozen=True)
class Create:
    """What a create sends."""

    body: Mapping[str, object]
    headers: Mapping[str, str]

    @classmethod
    def checked(cls, params: Mapping[str, object], model: str, *, stream: bool = False) -> "Create":
        """Makes a create of what the caller gave, which stays as it is.

        Args:
            params: The params.
            model: The model reference.
            stream: Whether the prediction's events can be streamed.

        Raises:
            ValueError: If the model reference or the params cannot be right.
        """
        model_reference(model)
        if not isinstance(params, Mapping) or "input" not in params:
            raise ValueError("params must be a mapping with an `input`.")
        body: dict[str, object] = {"model": model}
        body.update({name: value for name, value in params.items() if name not in _NOT_IN_BODY and value is not None})
        body["input"] = params["input"]
        if stream:
            body["stream"] = True
        validate = params.get("validate_input")
        headers = {} if validate is None else {"validate-input": "true" if validate else "false"}
        return cls(body, headers)

    @property
    def outline(self) -> Mapping[str, str | bool]:
        """What is asked for, without the input: for those who look on."""
        asked: dict[str, str | bool] = {"model": str(self.body["model"]), "stream": self.streams}
        asked["webhook"] = self.has_webhook
        if "validate-input" in self.headers:
            asked["validate_input"] = self.headers["validate-input"] == "true"
        return asked

    @property
    def has_webhook(self) -> bool:
        """Whether the prediction's states are posted to a webhook."""
        return "webhook" in self.body

    @property
    def streams(self) -> bool:
        """Whether the prediction's events can be streamed; the answer to a held create would be such a stream."""
        return "stream" in self.body

    async def post(
        self,
        api: API,
        shape: PredictionParser,
        hold: Hold | None,
        shield: SendShield | None = None,
        hooks: AttemptHooks | None = None,
    ) -> PredictionWithIO:
        """Sends the create.

        Args:
            api: What sends it.
            shape: Checks the answer.
            hold: Whether the server is asked to hold the connection until the prediction has ended.
            shield: Entered while the request is under way, since what it creates must not be lost.
            hooks: Awaited around each attempt.

        Raises:
            CreateOutcomeUnknown: If the server may have taken it.
            APIStatusError: If the API refused; nothing was created.
            APIConnectionError: If it surely did not reach the server.
        """
        with outcome_told():
            return await api.ask(
                "POST",
                "/predictions",
                shape.detailed,
                json=self.body,
                headers=self.headers,
                hold=hold.preference if hold else None,
                timeout=hold.extended(api.config.timeout) if hold else None,
                shield=shield,
                hooks=hooks,
            )

    async def open(
        self, api: API, shape: PredictionParser, headers: Mapping[str, str], timeout: httpx.Timeout
    ) -> httpx.Response | PredictionWithIO:
        """Sends the create, to be answered with the prediction's events; raises what `post` raises.

        Args:
            api: What sends it.
            shape: Checks the answer where it is a prediction.
            headers: Those of an event stream.
            timeout: Those of an event stream.

        Returns:
            The answer, unread; or the prediction, from a server that answers with it at once.
        """
        with outcome_told():
            response = await api.open(
                "POST", "/predictions", json=self.body, headers={**self.headers, **headers}, timeout=timeout
            )
            if is_event_stream(response.headers.get("content-type")):
                return response
            return shaped(await api.http.read(response), shape.detailed)


_NOT_IN_BODY = frozenset({"input", "model", "validate_input"})
_REQUEST_TIMEOUT = 408


@contextmanager
def outcome_told() -> Generator[None]:
    """Tells what a create that failed in the block has done, as `Create.post` says.

    Raises:
        CreateOutcomeUnknown: If the server may have taken it.
    """
    try:
        yield
    except APIConnectionError as error:
        if not error.request_sent:
            raise
        raise outcome_unknown(error) from error
    except APIResponseError as error:
        if error.response.is_redirect:
            raise
        raise outcome_unknown(error, error.response) from error
    except APIStatusError as error:
        if error.status_code < 500 and error.status_code != _REQUEST_TIMEOUT:
            raise
        raise outcome_unknown(error, error.response) from error


def outcome_unknown(seen: object, response: httpx.Response | None = None) -> CreateOutcomeUnknown:
    """Makes the error for a create that the server may have taken.

    Args:
        seen: What was seen of it, for the message.
        response: Its answer, if there was any.
    """
    prediction_id = None if response is None else _located(response.headers.get("location", ""))
    look = (
        f"Look at it with predictions.get({prediction_id!r})."
        if prediction_id
        else "Look with predictions.list() before you create it again."
    )
    return CreateOutcomeUnknown(
        f"The create was sent, and whether the server took it is unknown. It is not sent again. {look} ({seen})",
        prediction_id=prediction_id,
        request_id=request_id_of(response) if response is not None else None,
    )


_LOCATION: Final = re.compile(r"(?:^|/)predictions/([^/?#]+)/?(?:[?#].*)?")


def _located(location: str) -> str | None:
    # A proxy's answer may lead anywhere.
    match = _LOCATION.search(location)
    return unquote(match[1]) if match and match.end() == len(location) else None
