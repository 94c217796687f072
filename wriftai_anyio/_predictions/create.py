"""A create as a value: what is asked for, checked before anything is sent. What sends it is in `operations`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx

from wriftai_anyio._resources.base import model_reference

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


_NOT_IN_BODY = frozenset({"input", "model", "validate_input"})
