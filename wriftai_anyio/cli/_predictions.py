"""The commands for single predictions."""

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ._answers import at, model_reference, text_at
from ._following import Follower, Following
from ._help import Command
from ._inputs import given_input
from ._models import streams_text
from ._options import CancelOnExit, Json, Limit, Model, PredictionID, Save, Timeout, examples, page_size
from ._printing import encoded, print_fields, print_json, print_table, print_text, print_value
from ._recent import MODELS, PREDICTIONS, remember, remembering
from ._session import Session
from ._times import age, duration, moment
from ._transfers import upload_shown

if TYPE_CHECKING:
    from wriftai_anyio.predictions import Prediction, PredictionWithIO

commands = typer.Typer(rich_markup_mode=None)

Fields: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE …]",
        help="Fields of the input. A value that is valid JSON is read as JSON, otherwise as text. "
        "KEY=@FILE takes what a file holds, KEY=- standard input; @@ is a plain @.",
        show_default=False,
    ),
]
Source: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="FILE",
        help="The input, or the rest of it, as JSON; - for standard input.",
        show_default=False,
    ),
]
Uploads: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=FILE", help="Upload a file, and give its address as a field of the input."),
]
Validate: TypeAlias = Annotated[
    bool, typer.Option("--validate", help="Let the server check the input against the model's schema first.")
]
Stream: TypeAlias = Annotated[
    bool | None,
    typer.Option(
        "--stream/--no-stream",
        help="Print the output as it arrives; by default in a terminal, if the model gives text.",
        show_default=False,
    ),
]


@commands.command(
    cls=Command,
    epilog=examples(
        "run sandbox/word-count text='to be or not to be'",
        "run sandbox/word-count text=@poem.txt --json | jq .output",
        "run me/draw prompt='a cat' --save pictures",
        "run me/describe language=en --file image=cat.png",
    ),
)
def run(
    context: typer.Context,
    model: Model,
    fields: Fields = None,
    source: Source = None,
    file: Uploads = None,
    save: Save = None,
    validate: Validate = False,
    stream: Stream = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Print the id and exit.")] = False,
    as_json: Json = False,
    timeout: Timeout = None,
    cancel_on_exit: CancelOnExit = False,
) -> None:  # fmt: skip
    """Create a prediction, and wait for its output."""
    session = context.ensure_object(Session)
    given, paths = given_input(source, fields or [], file or [])
    how = Following(timeout, save, as_json, cancel_on_exit)
    with session.client() as client:
        if stream is None:
            is_shown = not (no_wait or as_json or save) and sys.stdout.isatty()
            streamed = is_shown and streams_text(client, model)
        else:
            streamed = stream
        addresses = {key: upload_shown(session, client, path)["download_url"] for key, path in paths.items()}
        if isinstance(given, dict):
            given = {**given, **addresses}
        with Follower(session, client, how) as follower:
            created = follower.create(given, model, stream=streamed, validate=validate)
            remember(MODELS, [model.partition(":")[0]])
            if no_wait:
                _print_created(created, as_json=as_json)
                return
            session.note(f"Created {created['id']}")
            if streamed:
                follower.stream()
            else:
                follower.wait()


def _print_created(prediction: "PredictionWithIO", *, as_json: bool) -> None:
    if as_json:
        print_json(prediction)
    else:
        print_text(prediction["id"] + "\n")


@commands.command(cls=Command, epilog=examples("get 018f5c1e-7a3b-7c7e-9a43-000000000000 --json | jq .output"))
def get(context: typer.Context, prediction_id: PredictionID, as_json: Json = False) -> None:
    """Show a prediction as it is now."""
    with context.ensure_object(Session).client() as client:
        prediction = client.predictions.get(prediction_id)
    remember(PREDICTIONS, [prediction["id"]])
    if as_json:
        print_json(prediction)
        return
    print_fields(
        {
            "id": prediction["id"],
            "status": prediction["status"],
            "model": model_reference(at(prediction, "model")),
            "created": moment(at(prediction, "created_at")),
            "setup": duration(at(prediction, "setup_time")),
            "execution": duration(at(prediction, "execution_time")),
            "error": _error(at(prediction, "error")),
        }
    )
    for name in ("input", "output"):
        value = at(prediction, name)
        if value is not None:
            print_text(f"{name}:\n")
            print_value(value)


def _error(error: object) -> str | None:
    return None if error is None else text_at(error, "message") or encoded(error)


@commands.command(cls=Command, epilog=examples("wait 018f5c1e-7a3b-7c7e-9a43-000000000000 --timeout 60"))
def wait(
    context: typer.Context,
    prediction_id: PredictionID,
    save: Save = None,
    as_json: Json = False,
    timeout: Timeout = None,
    cancel_on_exit: CancelOnExit = False,
) -> None:
    """Wait for a prediction's end, and print its output."""
    session = context.ensure_object(Session)
    how = Following(timeout, save, as_json, cancel_on_exit)
    with session.client() as client, Follower(session, client, how, prediction_id) as follower:
        follower.wait()


@commands.command(cls=Command, epilog=examples("stream 018f5c1e-7a3b-7c7e-9a43-000000000000"))
def stream(
    context: typer.Context,
    prediction_id: PredictionID,
    save: Save = None,
    as_json: Json = False,
    timeout: Timeout = None,
    cancel_on_exit: CancelOnExit = False,
) -> None:
    """Print a prediction's output as it arrives. It must have been created with --stream."""
    session = context.ensure_object(Session)
    how = Following(timeout, save, as_json, cancel_on_exit)
    with session.client() as client, Follower(session, client, how, prediction_id) as follower:
        follower.stream()


@commands.command(cls=Command, epilog=examples("cancel 018f5c1e-7a3b-7c7e-9a43-000000000000"))
def cancel(context: typer.Context, prediction_id: PredictionID) -> None:
    """Ask the server to cancel a prediction. It takes effect a little later."""
    session = context.ensure_object(Session)
    with session.client() as client:
        client.predictions.cancel(prediction_id)
    session.note(f"Asked the server to cancel {prediction_id}")


def _known_statuses() -> list[str]:
    from wriftai_anyio.predictions import Status

    return [status.value for status in Status]


@commands.command(
    "list", cls=Command, epilog=examples("list --status started --status pending", "list --limit 1000 --json")
)
def list_predictions(
    context: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATUS",
            help="Only predictions with this status; may be repeated.",
            show_default=False,
            autocompletion=_known_statuses,
        ),
    ] = None,
    limit: Limit = 25,
    as_json: Json = False,
) -> None:
    """List predictions, newest first."""
    from wriftai_anyio.predictions import PredictionPaginationOptions, Status

    options: PredictionPaginationOptions = {"page_size": page_size(limit)}
    if status:
        unknown = set(status) - set(_known_statuses())
        if unknown:
            raise ValueError(f"--status takes {', '.join(_known_statuses())}, not {', '.join(sorted(unknown))}.")
        options["statuses"] = [Status(name) for name in status]
    with context.ensure_object(Session).client() as client:
        found = islice(client.predictions.iterate(options), limit)
        predictions = remembering(PREDICTIONS, found, lambda prediction: prediction["id"])
        if as_json:
            for prediction in predictions:
                print_json(prediction)
        elif sys.stdout.isatty():
            print_table(("status", "age", "model", "id"), map(_row, predictions), whole=3)
        else:
            # The same output as before tables were added for people, since scripts may rely on it.
            print_table(("id", "status", "created", "model"), map(_plain_row, predictions))


def _row(prediction: "Prediction") -> tuple[str, ...]:
    name, created = model_reference(at(prediction, "model")), at(prediction, "created_at")
    return prediction["status"], age(created), name, prediction["id"]


def _plain_row(prediction: "Prediction") -> tuple[str, ...]:
    name, created = model_reference(at(prediction, "model")), at(prediction, "created_at")
    return prediction["id"], prediction["status"], moment(created) or "", name
