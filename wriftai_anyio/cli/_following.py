"""Follows one prediction on the screen to its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from wriftai_anyio.json_codec import decode_json, encode_json
from wriftai_anyio.plain_text import one_line, shell_command

from ._failures import ExitCode
from ._printing import encoded, print_json, print_text, print_value
from ._recent import PREDICTIONS, remember
from ._session import Session
from ._stops import Stopped

if TYPE_CHECKING:
    from wriftai_anyio import Client, PredictionStreamEvent
    from wriftai_anyio.common_types import JsonValue, JsonValueWithFile
    from wriftai_anyio.predictions import CreatePredictionParams, PredictionWithIO, TaskError

_ENDED: Final = {"cancelled": "was cancelled", "abandoned": "was abandoned"}

LONGEST_CANCEL: Final = 5.0
"""Seconds that leaving early waits for the server to accept a cancel."""


@dataclass(frozen=True)
class Following:
    """How a prediction is followed.

    Attributes:
        timeout: The most seconds to wait; `None` for no limit.
        save: The folder for the files of the output; `None` not to download them.
        as_json: Whether the whole prediction, or each event, is printed as a line of JSON.
        cancel_on_exit: Whether leaving early cancels it on the server.
    """

    timeout: float | None = None
    save: Path | None = None
    as_json: bool = False
    cancel_on_exit: bool = False


class Follower:
    """Follows a prediction in its block, and says how to go on if the block is left early.

    Args:
        session: The run of the program.
        client: Sends the requests.
        how: How it is followed.
        prediction_id: The prediction's id, if it exists already.
    """

    def __init__(self, session: Session, client: "Client", how: Following, prediction_id: str = "") -> None:
        self._session = session
        self._client = client
        self._how = how
        self._prediction_id = prediction_id
        self._was_created = False
        self._has_ended = False

    def create(
        self, given: "JsonValueWithFile", model: str, *, stream: bool, validate: bool = False
    ) -> "PredictionWithIO":
        """Creates the prediction.

        Args:
            given: Its input.
            model: The model reference.
            stream: Whether its events can be streamed.
            validate: Whether the server first checks the input against the model's schema.

        Returns:
            The new prediction.
        """
        # Before the create: a signal in the middle of an import would make Python warn about an open file.
        for needed in ("wriftai_anyio.progress", "rich.console"):
            import_module(needed)
        params: CreatePredictionParams = {"input": given}
        if validate:
            params["validate_input"] = True
        try:
            # Not held by the server until the end: a held create has no id until then, and it takes the id to go on.
            with self._session.stops.grace():
                created = self._client.predictions.create(params, model, stream=stream)
                self._prediction_id = created["id"]
                self._was_created = True
        except Stopped:
            if not self._prediction_id:
                self._session.note(
                    "A prediction may have been created. Check with `wriftai-anyio list` before you run this again."
                )
            raise
        remember(PREDICTIONS, [self._prediction_id])
        return created

    def wait(self) -> None:
        """Waits for the end while showing the status, and prints the output.

        Raises:
            typer.Exit: If the prediction did not succeed.
        """
        from wriftai_anyio.predictions import WaitOptions

        with self._session.progress() as progress:
            options = WaitOptions(on_poll=progress.on_poll, timeout=self._how.timeout)
            prediction = self._client.predictions.wait(self._prediction_id, options)
        output = self._saved(prediction)
        if self._how.as_json:
            print_json({**prediction, "output": output})
        else:
            print_value(output)
        self._exit_unless_succeeded(prediction)

    def stream(self) -> None:
        """Prints the output as it arrives; if nothing is streamed, prints the whole output at the end.

        Raises:
            typer.Exit: If the prediction did not succeed.
        """
        from wriftai_anyio.errors import WaitTimeoutError

        late = WaitTimeoutError("", prediction_id=self._prediction_id)
        with (
            self._client.predictions.stream(self._prediction_id) as events,
            self._session.stops.deadline(self._how.timeout, late),
        ):
            seen = _print_events(events, as_json=self._how.as_json)
        if seen.failure is not None:
            self._exit_failed("failed", seen.failure)
        prediction = events.prediction
        if prediction is None:
            return
        output = self._saved(prediction)
        if output is not None and not self._how.as_json and (self._how.save or not seen.has_output):
            print_value(output if isinstance(output, str) else encoded(output))  # one value per line, like the pieces
        self._session.note(f"{self._prediction_id}: {prediction['status']}")
        self._exit_unless_succeeded(prediction)

    def _saved(self, prediction: "PredictionWithIO") -> "JsonValue":
        """Returns the output; if asked to, downloads its files and replaces their addresses by paths."""
        self._has_ended = True
        output = prediction.get("output")
        if self._how.save is None or output is None:
            return output
        from wriftai_anyio.errors import FilesNotSavedError, WriftAIError

        try:
            with self._session.progress() as progress:
                files = self._client.files.save(output, self._how.save, on_progress=progress.transfer("output"))
        except (WriftAIError, OSError) as error:
            # It was paid for.
            print_value(with_paths(error.saved) if isinstance(error, FilesNotSavedError) else output)
            raise
        return with_paths(files)

    def _exit_unless_succeeded(self, prediction: "PredictionWithIO") -> None:
        if prediction["status"] != "succeeded":
            self._exit_failed(prediction["status"], prediction.get("error"))

    def _exit_failed(self, status: str, error: "TaskError | JsonValue") -> None:
        """Exits with the reason, if the API states it."""
        self._session.error(f"The prediction {_ENDED.get(status, status)}{_reason(error)}")
        raise typer.Exit(ExitCode.PREDICTION_FAILED)

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        from wriftai_anyio.errors import NotFoundError

        if error is None or not self._prediction_id or isinstance(error, (typer.Exit, ValueError)):
            return
        if self._has_ended:
            self._say_how_to_go_on()
        elif isinstance(error, NotFoundError) and not self._was_created:
            return  # there is nothing to continue; of a new prediction only the stream may be gone
        elif self._how.cancel_on_exit:
            self._cancel()
        else:
            self._say_how_to_go_on()

    def _say_how_to_go_on(self) -> None:
        save = () if self._how.save is None else ("--save", self._how.save)
        self._session.go_on = shell_command(["wriftai-anyio", "wait", self._prediction_id, *save])

    def _cancel(self) -> None:
        name, note = self._prediction_id, self._session.note
        try:
            with self._session.stops.deadline(LONGEST_CANCEL, TimeoutError("the server did not answer in time")):
                self._client.predictions.cancel(name)
        except Exception as error:  # noqa: BLE001 -- the reason for leaving matters more
            note(f"{name} could not be cancelled, and may run on: {error}")
        else:
            note(f"Asked the server to cancel {name}.")


@dataclass
class _Seen:
    """What the events of a prediction contained."""

    has_output: bool = False
    failure: "JsonValue" = None


def _print_events(events: "Iterable[PredictionStreamEvent]", *, as_json: bool) -> _Seen:
    """Prints events, or only their output."""
    seen = _Seen()
    line_is_open = False
    for event in events:
        kind, data = event["event"], event["data"]
        if kind == "error":
            seen.failure = data
        seen.has_output |= kind == "output"
        if as_json:
            print_json(event)
        elif kind == "output":
            text = data if isinstance(data, str) else encoded(data) + "\n"
            print_text(text)
            line_is_open = not text.endswith("\n")
    if line_is_open:
        print_text("\n")
    return seen


def with_paths(output: object) -> "JsonValue":
    """Returns an output as JSON, with the paths of saved files as strings."""
    return decode_json(encode_json(output, default=str))


def _reason(error: "TaskError | JsonValue") -> str:
    if not isinstance(error, Mapping):
        return "" if error is None else f": {one_line(error)}"
    detail = error.get("detail")
    message = error.get("message")
    said = "" if message is None else f": {one_line(message)}"
    return said if detail is None else f"{said or ':'} ({encoded(detail)})"
