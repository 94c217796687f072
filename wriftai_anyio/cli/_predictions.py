"""The commands of single predictions."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from ._following import Follower
from ._inputs import given_input
from ._options import CancelOnExit, Json, Limit, Model, PredictionID, Timeout, examples, page_size
from ._printing import print_fields, print_json, print_table, print_text, print_value
from ._session import Session
from ._times import age, duration, moment
from ._transfers import upload_shown

if TYPE_CHECKING:
    from wriftai_anyio.predictions import Prediction, PredictionModel, PredictionWithIO

commands = typer.Typer(rich_markup_mode=None)


@commands.command(
    epilog=examples(
        "run sandbox/word-count text='to be or not to be'",
        "run sandbox/word-count --input poem.json --json | jq .output",
        "run me/describe language=en --file image=cat.png --stream",
    )
)
def run(
    context: typer.Context,
    model: Model,
    fields: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="key=value",
            help="Fields of the input. A value that is JSON is taken as JSON, else as text.",
            show_default=False,
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="FILE|-", help="The input, or the rest of it, as JSON.", show_default=False),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option(metavar="key=PATH", help="Upload a file, and give its address as a field of the input."),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the output as it comes.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Print the id, and leave.")] = False,
    as_json: Json = False,
    timeout: Timeout = None,
    cancel_on_exit: CancelOnExit = False,
) -> None:
    """Create a prediction, and wait for its output."""
    session = context.ensure_object(Session)
    given, paths = given_input(source, fields or [], file or [])
    with session.client() as client:
        addresses = {key: upload_shown(session, client, path)["download_url"] for key, path in paths.items()}
        if isinstance(given, dict):
            given = {**given, **addresses}
        with Follower(session, client, cancel_on_exit=cancel_on_exit) as follower:
            created = follower.create(given, model, stream=stream)
            if no_wait:
                _print_created(created, as_json=as_json)
                return
            session.note(f"Created {created['id']}")
            if stream:
                follower.stream(timeout, as_json=as_json)
            else:
                follower.wait(timeout, as_json=as_json)


def _print_created(prediction: "PredictionWithIO", *, as_json: bool) -> None:
    if as_json:
        print_json(prediction)
    else:
        print_text(prediction["id"] + "\n")


@commands.command(epilog=examples("get 018f5c1e-7a3b-7c7e-9a43-000000000000 --json | jq .output"))
def get(context: typer.Context, prediction_id: PredictionID, as_json: Json = False) -> None:
    """Show a prediction as it is now."""
    with context.ensure_object(Session).client() as client:
        prediction = client.predictions.get(prediction_id)
    if as_json:
        print_json(prediction)
        return
    error = prediction.get("error")
    print_fields(
        {
            "id": prediction["id"],
            "status": prediction["status"],
            "model": _model_name(prediction["model"]),
            "created": moment(prediction["created_at"]),
            "setup": duration(prediction["setup_time"]),
            "execution": duration(prediction["execution_time"]),
            "error": error["message"] if error else None,
        }
    )
    for name, value in (("input", prediction.get("input")), ("output", prediction.get("output"))):
        if value is not None:
            print_text(f"{name}:\n")
            print_value(value)


@commands.command(epilog=examples("wait 018f5c1e-7a3b-7c7e-9a43-000000000000 --timeout 60"))
def wait(
    context: typer.Context,
    prediction_id: PredictionID,
    as_json: Json = False,
    timeout: Timeout = None,
    cancel_on_exit: CancelOnExit = False,
) -> None:
    """Wait for a prediction's end, and print its output."""
    session = context.ensure_object(Session)
    with (
        session.client() as client,
        Follower(session, client, prediction_id, cancel_on_exit=cancel_on_exit) as follower,
    ):
        follower.wait(timeout, as_json=as_json)


@commands.command(epilog=examples("stream 018f5c1e-7a3b-7c7e-9a43-000000000000"))
def stream(
    context: typer.Context,
    prediction_id: PredictionID,
    as_json: Json = False,
    timeout: Timeout = None,
    cancel_on_exit: CancelOnExit = False,
) -> None:
    """Print a prediction's output as it comes. It must have been created with --stream."""
    session = context.ensure_object(Session)
    with (
        session.client() as client,
        Follower(session, client, prediction_id, cancel_on_exit=cancel_on_exit) as follower,
    ):
        follower.stream(timeout, as_json=as_json)


@commands.command(epilog=examples("cancel 018f5c1e-7a3b-7c7e-9a43-000000000000"))
def cancel(context: typer.Context, prediction_id: PredictionID) -> None:
    """Ask the server to cancel a prediction. It takes effect a little later."""
    session = context.ensure_object(Session)
    with session.client() as client:
        client.predictions.cancel(prediction_id)
    session.note(f"Asked the server to cancel {prediction_id}")


def _known_statuses() -> list[str]:
    from wriftai_anyio.predictions import Status

    return [status.value for status in Status]


@commands.command("list", epilog=examples("list --status started --status pending", "list --limit 1000 --json"))
def list_predictions(
    context: typer.Context,
    status: Annotated[
        list[str] | None,
        typer.Option(
            help="Only those of this status; may be repeated.", show_default=False, autocompletion=_known_statuses
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
        predictions = islice(client.predictions.iterate(options), limit)
        if as_json:
            for prediction in predictions:
                print_json(prediction)
        else:
            print_table(("id", "status", "age", "model"), map(_row, predictions))


def _row(prediction: "Prediction") -> tuple[str, ...]:
    return (
        prediction["id"],
        prediction["status"],
        age(prediction["created_at"]),
        _model_name(prediction["model"]),
    )


def _model_name(model: "PredictionModel") -> str:
    return f"{model['owner']}/{model['name']}:{model['version_number']}"
