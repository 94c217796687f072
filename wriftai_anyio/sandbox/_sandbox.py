"""The sandbox's public interface."""

import secrets
import sys
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from ._checks import check_flags, check_kind, check_whole
from ._faults import Fault, FaultKind
from ._limits import RateLimits
from ._models import Model, ModelFunction
from ._requests import RecordedRequest
from ._settings import API_PREFIX, Delivery, Settings
from ._state import State
from ._streams import Streaming
from ._thread import ServerThread

if sys.version_info >= (3, 11):
    from typing import Self
else:
    from typing_extensions import Self  # anyio brings it there


class Sandbox:
    """A local stand-in for the WriftAI API, served over real HTTP on loopback by a separate thread.

    Use it as a context manager, or with `start` and `stop`. It has the models `sandbox/echo` (returns its
    input), `sandbox/word-count` (streams `text` word by word and counts its words), `sandbox/sleep`
    (sleeps for `seconds`) and `sandbox/fail` (fails with `message` and `detail`), and those that you
    register.

    Args:
        models: Further models by `owner/name`: functions that take the input, or `Model`.
        port: The port on loopback; 0 for a free one.
        access_token: The token that it requires from clients; by default a random one.
        rate_limits: The rate limits; by default there are none, and no headers about them.
        hold: Whether it honours `Prefer: wait`; otherwise a create is answered at once.
        max_hold: The longest that it holds an answer, in seconds.
        setup_time: How long a prediction is pending and starting, in seconds.
        cancel_time: How long after a cancel its prediction ends, in seconds.
        time_scale: How many times faster its own time passes: divides the durations above and those of its models, but
            neither the seconds for which a client asks to hold an answer nor the rate limits.
        part_size: The size of an upload's parts, in bytes.
        streaming: How events are streamed; can be changed later.
        delivery: How webhooks are delivered; can be changed later.
        sample_data: Whether it is filled with sample data: users, models, variables and past predictions.

    Raises:
        ValueError: If a duration is negative, the time scale not positive, a flag neither true nor false, or the
            models are not of the form `{'owner/name': function}`.
    """

    def __init__(
        self,
        models: Mapping[str, ModelFunction | Model] | None = None,
        *,
        port: int = 0,
        access_token: str | None = None,
        rate_limits: RateLimits | None = None,
        hold: bool = True,
        max_hold: float = 60.0,
        setup_time: float = 0.02,
        cancel_time: float = 0.02,
        time_scale: float = 1.0,
        part_size: int = 8 * 1024 * 1024,
        streaming: Streaming | None = None,
        delivery: Delivery | None = None,
        sample_data: bool = False,
    ) -> None:
        check_whole(0, 65535, port=port)
        check_kind(str, access_token=access_token)
        check_kind(RateLimits, rate_limits=rate_limits)
        check_kind(Streaming, streaming=streaming)
        check_kind(Delivery, delivery=delivery)
        check_flags(sample_data=sample_data)
        settings = Settings(
            hold=hold,
            max_hold=max_hold,
            setup_time=setup_time,
            cancel_time=cancel_time,
            time_scale=time_scale,
            part_size=part_size,
            streaming=streaming or Streaming(),
            delivery=delivery or Delivery(),
        )
        self._state = State(
            access_token or secrets.token_urlsafe(16), settings, models or {}, rate_limits, sample_data=sample_data
        )
        self._port = port
        self._base_url: str | None = None
        self._running: ServerThread | None = None

    def __repr__(self) -> str:
        return f"<Sandbox {self._base_url or 'not started'}>"

    @property
    def base_url(self) -> str:
        """The base URL of the API.

        For example `http://127.0.0.1:4321/v1`.

        Raises:
            RuntimeError: If it was never started.
        """
        if self._base_url is None:
            raise RuntimeError("the sandbox has not been started")
        return self._base_url

    @property
    def page_url(self) -> str:
        """The address of the page that shows what a client is doing, with the token that the page asks for.

        The token is in the fragment, which browsers do not send.

        Raises:
            RuntimeError: If it was never started.
        """
        return f"{self.base_url.removesuffix(API_PREFIX)}/#{self.access_token}"

    @property
    def access_token(self) -> str:
        """The token that it requires from clients."""
        return self._state.access_token

    @property
    def models(self) -> MutableMapping[str, ModelFunction | Model]:
        """The models by `owner/name`; add a function or a `Model` at any time."""
        return self._state.models

    @property
    def requests(self) -> list[RecordedRequest]:
        """The requests so far, oldest first (the last 100,000 of them)."""
        return self._state.requests.snapshot()

    @property
    def predictions(self) -> list[dict[str, Any]]:
        """The predictions so far, as the API shows them, oldest first."""
        return self._state.predictions.snapshot()

    @property
    def streaming(self) -> Streaming:
        """How events are streamed; you can change it at any time."""
        return self._state.settings.streaming

    @streaming.setter
    def streaming(self, streaming: Streaming) -> None:
        check_kind(Streaming, streaming=streaming)
        self._state.settings.streaming = streaming or Streaming()

    @property
    def delivery(self) -> Delivery:
        """How webhooks are delivered; you can change it at any time."""
        return self._state.settings.delivery

    @delivery.setter
    def delivery(self, delivery: Delivery) -> None:
        check_kind(Delivery, delivery=delivery)
        self._state.settings.delivery = delivery or Delivery()

    def add_file(self, content: bytes, mime_type: str = "application/octet-stream") -> str:
        """Serve a file, such as a model's output that is a URL.

        Args:
            content: The content.
            mime_type: Its type.

        Returns:
            Its presigned URL, which is valid until the sandbox is reset or stopped.

        Raises:
            RuntimeError: If the sandbox is not running.
        """
        if self._running is None:
            raise RuntimeError("the sandbox is not running")
        files = self._state.files
        return files.download_url(files.add(mime_type, content))

    def start(self) -> None:
        """Start serving; returns once requests are answered.

        Raises:
            OSError: If the port is in use.
            RuntimeError: If it is running already, or cannot start.
        """
        if self._running is not None:
            raise RuntimeError("the sandbox is running already")
        self._running = ServerThread(self._state, self._port)
        self._base_url = self._running.base_url

    def stop(self) -> None:
        """Stop serving: drops all connections and ends all predictions; safe to call if it is not running.

        Raises:
            RuntimeError: If it does not stop in time.
        """
        if self._running is not None:
            self._running.stop()
            self._running = None
            self._state.uploads.clear()
            self._state.files.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fail_next(
        self,
        kind: int | FaultKind,
        *,
        times: int = 1,
        method: str | None = None,
        path: str | None = None,
        headers: Mapping[str, str] | None = None,
        body: object = None,
        delay: float = 0.0,
    ) -> None:
        """Make the next requests go wrong.

        Args:
            kind: An HTTP status, which is sent without doing anything, or one of `"drop"` (does nothing and closes the
                connection), `"drop_after"` (handles the request, then closes the connection without an answer),
                `"half"` (handles the request, then sends only the head and half of the body), `"stall"` (does nothing
                and never answers), `"stall_after"` (handles the request but never answers), `"html"` (200 with HTML),
                `"garbage"` (200 with broken JSON), `"shape"` (200 with JSON of a wrong shape) and `"delay"` (only
                waits).
            times: How many requests.
            method: Only requests of this method.
            path: Only requests whose path matches this shell pattern, such as `/predictions/*`.
            headers: More headers for the answer.
            body: The body of the answer: strings and bytes as is, everything else as JSON.
            delay: Seconds that pass before it happens.

        Raises:
            ValueError: If the kind is unknown or `times` less than 1.
        """
        self._state.faults.add(Fault(kind, method, path, headers or {}, body, delay), times)

    def fill(self) -> None:
        """Add sample data: users, models, variables and past predictions."""
        self._call(self._state.fill)

    def reset(self) -> None:
        """Reset it to its initial state: no requests, files or faults, the initial models, full rate limits."""
        self._call(self._state.clear)

    def _call(self, function: Callable[[], None]) -> None:
        """Call a function that uses the state, while nothing else does."""
        if self._running is None:
            function()
        else:
            self._running.call(function)
