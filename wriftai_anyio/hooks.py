"""Hooks of a client: what `on_request` and `on_response` are called with, and what a tracer must provide."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

__all__ = [
    "ObservedCreate",
    "ObservedPrediction",
    "Observer",
    "ObserverSource",
    "OnRequest",
    "OnResponse",
    "RequestEvent",
    "ResponseEvent",
]


@dataclass(frozen=True)
class RequestEvent:
    """A request that is about to be sent.

    Attributes:
        method: The HTTP method.
        host: The host to which it is sent.
        path: The path below the API's base URL, without the query. Empty for the parts of uploads and for downloads,
            whose URLs may be secret.
        attempt: 1 when it is first sent, and one more each time it is sent again.
        waited: Seconds that it waited because of the rate limits.
    """

    method: str
    host: str
    path: str
    attempt: int
    waited: float


@dataclass(frozen=True)
class ResponseEvent(RequestEvent):
    """The outcome of a request.

    Attributes:
        method: As in `RequestEvent`.
        host: As in `RequestEvent`.
        path: As in `RequestEvent`.
        attempt: As in `RequestEvent`.
        waited: As in `RequestEvent`.
        status: The HTTP status of the answer; `None` if there is no answer.
        error: Why there is no answer: an `APIConnectionError`, or what cancelled the request. `None` if there is an
            answer.
        seconds: Seconds from the request until its answer was read or, if it is read piece by piece (streams,
            downloads), until it began.
        request_id: The server's id of the request, if there is one.
    """

    status: int | None
    error: BaseException | None
    seconds: float
    request_id: str | None


OnRequest: TypeAlias = Callable[[RequestEvent], object]
"""Called with each request that is about to be sent."""

OnResponse: TypeAlias = Callable[[ResponseEvent], object]
"""Called with the outcome of each request."""

ObservedPrediction: TypeAlias = Mapping[str, object]
"""A prediction as the server described it; it has an `id`, and may have anything else."""


class ObservedCreate(Protocol):
    """A create that is about to be sent."""

    @property
    def outline(self) -> Mapping[str, str | bool]:
        """The `model`, and the options of the create."""
        ...


class Observer(Protocol):
    """Follows the predictions of one client, on any thread and event loop. It must not raise.

    `wriftai_anyio.tracing.PredictionTracer` makes observers that trace with OpenTelemetry.
    """

    def creating(self, create: ObservedCreate) -> AbstractContextManager[Callable[[ObservedPrediction], None]]:
        """Called when a prediction is about to be created.

        Args:
            create: The create.

        Returns:
            A context manager that is open during the create, and during the wait if the create waits. It yields a
            function that is called with the new prediction.
        """
        ...

    def following(self, prediction_id: str) -> AbstractContextManager[object]:
        """Called when a wait for a prediction, or a stream of its events, begins.

        Args:
            prediction_id: The prediction's id.

        Returns:
            A context manager that is open during the wait. If it is left with an exception, the prediction is no
            longer followed; if it is left without one, it may be followed again.
        """
        ...

    def seen(self, prediction: ObservedPrediction) -> None:
        """Called with each state of a prediction that the server reports.

        Args:
            prediction: The prediction.
        """
        ...

    def left(self, prediction_id: str) -> None:
        """Called when a prediction that was followed from time to time is no longer followed.

        Args:
            prediction_id: The prediction's id.
        """
        ...

    def close(self) -> None:
        """Called when the client is closed: no prediction is followed any longer."""
        ...


class ObserverSource(Protocol):
    """Makes an observer for each client: what `Client(tracer=…)` takes."""

    def observer(self) -> Observer:
        """Makes the observer of one client.

        Returns:
            The observer.
        """
        ...
