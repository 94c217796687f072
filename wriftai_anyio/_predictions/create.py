"""A create as a value: what is asked for, checked before anything is sent. `operations` sends it."""

from collections.abc import Mapping
from typing import Final, NamedTuple, cast

import httpx

from wriftai_anyio._parsing.arguments import shown
from wriftai_anyio._resources.paths import model_reference
from wriftai_anyio._types.file import File

from .json_input import JsonInput
from .params import taken

LONGEST_RUN: Final = 30 * 60.0
"""Seconds that a prediction runs at most, as the API's documentation says."""


class Hold(NamedTuple):
    """How long the server is asked to hold its answer while there is nothing to report.

    Attributes:
        seconds: `None` for as long as the server likes.
    """

    seconds: float | None

    @property
    def preference(self) -> str:
        """The value of the header `Prefer`."""
        return "wait" if self.seconds is None else "wait=" + f"{self.seconds:.3f}".rstrip("0").rstrip(".")

    def extended(self, timeout: httpx.Timeout) -> httpx.Timeout:
        """Returns a request's timeouts, extended by the hold."""
        hold = LONGEST_RUN if self.seconds is None else self.seconds
        read = None if timeout.read is None else timeout.read + hold
        return httpx.Timeout(connect=timeout.connect, read=read, write=timeout.write, pool=timeout.pool)


class Create(NamedTuple):
    """What a create sends.

    Attributes:
        body: The fields of the request's body.
        headers: Those of the create itself.
        files: Files in the body, each once, to be uploaded before it is sent.
    """

    body: Mapping[str, object]
    headers: Mapping[str, str]
    files: tuple[File, ...] = ()

    @classmethod
    def checked(cls, params: object, model: str, *, stream: bool = False) -> "Create":
        """Returns the create for what the caller gave, as it is now.

        Args:
            params: The params.
            model: The model reference.
            stream: Whether the prediction's events can be streamed.

        Raises:
            ValueError: If the model reference or the params cannot be right.
        """
        model_reference(model)
        return cls.of(taken(params), model, stream=stream)

    @classmethod
    def of(cls, params: JsonInput, model: str, *, stream: bool = False) -> "Create":
        """Returns the create for params that were checked before.

        Args:
            params: The params.
            model: The model reference, checked as well.
            stream: Whether the prediction's events can be streamed.

        Raises:
            ValueError: If the params name another model.
        """
        given = {name: value for name, value in params.value.items() if value is not None}
        if given.get("model", model) != model:
            raise ValueError(f"params are for the model {shown(given['model'])}, not for {model!r}. Nothing was sent.")
        body = {"model": model, **{name: value for name, value in given.items() if name not in _NOT_IN_BODY}}
        body["input"] = params.value["input"]
        body.update(cast("dict[str, object]", given.get("extra_body", {})))
        if stream or given.get("stream"):
            body["stream"] = True
        validate = given.get("validate_input")
        headers = {} if validate is None else {"validate-input": "true" if validate else "false"}
        return cls(body, headers, params.files)

    @property
    def outline(self) -> Mapping[str, str | bool]:
        """What is asked for, without the input, for observers."""
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


_NOT_IN_BODY = frozenset({"input", "model", "validate_input", "stream", "extra_body"})
