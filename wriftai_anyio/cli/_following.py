"""One prediction, followed to its end on the screen."""

import json
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final

import typer

from ._failures import ExitCode
from ._printing import print_json, print_text, print_value
from ._session import Session
from ._stops import Stopped

if TYPE_CHECKING:
    from wriftai_anyio import Client, PredictionStreamEvent
    from wriftai_anyio.common_types import JsonValue, JsonValueWithFile
    from wriftai_anyio.predictions import PredictionWithIO, TaskError

_ENDED: Final = {"cancelled": "was cancelled", "abandoned": "was abandoned"}

LONGEST_CANCEL: Final = 5.0
"""Seconds for which leaving waits for the server to take a cancel."""


class Follower:
    """Follows a prediction while its block lasts, and says how to go on if that is left early.

    Args:
        session: The run of the program.
        client: What asks the API.
        prediction_id: The prediction's id, unless it is to be created.
        cancel_on_exit: Whether it is cancelled on the server if it is left early.
    """

    def __init__(
        self, session: Session, client: "Client", prediction_id: str = "", *, cancel_on_exit: bool = False
    ) -> None:
        self._session = session
        self._client = client
        self._prediction_id = prediction_id
        self._cancel_on_exit = cancel_on_exit

    def create(self, given: "JsonValueWithFile", model: str, *, stream: bool) -> "PredictionWithIO":
        """Creates the prediction.

        Args:
            given: Its input.
            model: The model reference.
            stream: Whether its events can be streamed.

        Returns:
            The prediction as it is then.
        """
        try:
            # Not held by the server until its end: a create that is held has no id until then, to go on with.
            with self._session.stops.grace():
                created = self._client.predictions.create({"input": given}, model, stream=stream)
                self._prediction_id = created["id"]
        except Stopped:
            if not self._prediction_id:
                self._session.note("The create may have been taken: look with `wriftai-anyio list`.")
            raise
        return created

    def wait(self, timeout: float | None, *, as_json: bool) -> None:
        """Waits for the end, shows the status meanwhile, and prints the output.

        Args:
            timeout: Seconds to wait at most.
            as_json: Whether the whole prediction is printed, as a line of JSON.

        Raises:
            typer.Exit: If the prediction did not succeed.
        """
        from wriftai_anyio.predictions import WaitOptions

        with self._session.progress() as progress:
            options = WaitOptions(on_poll=progress.on_poll, timeout=timeout)
            prediction = self._client.predictions.wait(self._prediction_id, options)
        if as_json:
            print_json(prediction)
        else:
            print_value(prediction.get("output"))
        self._exit_unless_succeeded(prediction)

    def stream(self, timeout: float | None, *, as_json: bool) -> None:
        """Prints the output as it comes.

        Args:
            timeout: Seconds to read at most.
            as_json: Whether each event is printed, as a line of JSON.

        Raises:
            typer.Exit: If the prediction did not succeed.
        """
        from wriftai_anyio.errors import WaitTimeoutError

        late = WaitTimeoutError("", prediction_id=self._prediction_id)
        with (
            self._client.predictions.stream(self._prediction_id) as events,
            self._session.stops.deadline(timeout, late),
        ):
            failure = _print_events(events, as_json=as_json)
        if failure is not None:
            self._exit_failed("failed", failure)
        if events.prediction is not None:
            self._session.note(f"{self._prediction_id}: {events.prediction['status']}")
            self._exit_unless_succeeded(events.prediction)

    def _exit_unless_succeeded(self, prediction: "PredictionWithIO") -> None:
        if prediction["status"] != "succeeded":
            self._exit_failed(prediction["status"], prediction.get("error"))

    def _exit_failed(self, status: str, error: "TaskError | JsonValue") -> None:
        """Says why, as far as the API tells."""
        self._session.note(f"Error: The prediction {_ENDED.get(status, status)}{_reason(error)}")
        raise typer.Exit(ExitCode.PREDICTION_FAILED)

    def __enter__(self) -> "Follower":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        from wriftai_anyio.errors import NotFoundError

        if error is None or not self._prediction_id or isinstance(error, (typer.Exit, NotFoundError, ValueError)):
            return
        if self._cancel_on_exit:
            self._cancel()
        else:
            self._session.go_on = f"wriftai-anyio wait {self._prediction_id}"

    def _cancel(self) -> None:
        name, note = self._prediction_id, self._session.note
        try:
            with self._session.stops.deadline(LONGEST_CANCEL, TimeoutError("the server did not answer in time")):
                self._client.predictions.cancel(name)
        except Exception as error:  # noqa: BLE001 -- why the program is left matters more
            note(f"{name} could not be cancelled, and may run on: {error}")
        else:
            note(f"Asked the server to cancel {name}.")


def _print_events(events: "Iterable[PredictionStreamEvent]", *, as_json: bool) -> "JsonValue":
    """Prints events, or the output in them; returns the error that one tells of."""
    failure: JsonValue = None
    streamed = line_is_open = False
    for event in events:
        if event["event"] == "error":
            failure = event["data"]
        if as_json:
            print_json(event)
            continue
        for piece in _pieces(event, streamed=streamed):
            text = piece if isinstance(piece, str) else json.dumps(piece, ensure_ascii=False) + "\n"
            print_text(text)
            streamed, line_is_open = True, not text.endswith("\n")
    if line_is_open:
        print_text("\n")
    return failure


def _pieces(event: "PredictionStreamEvent", *, streamed: bool) -> "list[JsonValue]":
    """Returns the output that an event brings: a piece, or all of it at the end if there was no piece."""
    data = event["data"]
    if event["event"] == "output":
        return [data]
    if event["event"] == "done" and not streamed and isinstance(data, Mapping) and data.get("output") is not None:
        return [data["output"]]
    return []


def _reason(error: "TaskError | JsonValue") -> str:
    if not isinstance(error, Mapping):
        return "" if error is None else f": {error}"
    detail = error.get("detail")
    return f": {error.get('message')}" + ("" if detail is None else f" ({json.dumps(detail, ensure_ascii=False)})")
