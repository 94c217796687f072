"""The commands for models."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from ._answers import UNKNOWN, at, model_name, text_at
from ._help import Command
from ._options import Json, Limit, Model, examples, page_size
from ._printing import print_fields, print_json, print_table, print_text
from ._recent import MODELS, remember, remembering
from ._schemas import schema_rows
from ._session import Session
from ._times import moment
from ._versions import version_of

if TYPE_CHECKING:
    from wriftai_anyio import Client

commands = typer.Typer(rich_markup_mode=None)


@commands.command(cls=Command, epilog=examples("models --search upscale --limit 10", "models --json | jq -r .name"))
def models(
    context: typer.Context,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Only models that match.", show_default=False)
    ] = None,
    limit: Limit = 25,
    as_json: Json = False,
) -> None:
    """List models."""
    with context.ensure_object(Session).client() as client:
        size = page_size(limit)
        found = (
            client.models.iterate({"page_size": size})
            if search is None
            else client.models.iterate_search(search, {"page_size": size})
        )
        listed = remembering(MODELS, islice(found, limit), model_name)
        if as_json:
            for each in listed:
                print_json(each)
        else:
            print_table(("model", "predictions", "description"), map(_row, listed))


@commands.command(cls=Command, epilog=examples("model sandbox/word-count"))
def model(context: typer.Context, model: Model, as_json: Json = False) -> None:
    """Show a model, and the fields of its input."""
    with context.ensure_object(Session).client() as client:
        if ":" in model:
            _show_version(client, model, as_json=as_json)
        else:
            _show_model(client, model, as_json=as_json)


def streams_text(client: "Client", reference: str) -> bool:
    """Returns whether a model streams text; `False` if that cannot be found out.

    Args:
        client: Sends the requests.
        reference: The model, or a version of it.
    """
    from wriftai_anyio.errors import WriftAIError

    try:
        return at(version_of(client, reference), "schemas", "prediction", "stream_output", "type") == "string"
    except (WriftAIError, ValueError):
        return False  # the create will report it better


def _show_model(client: "Client", reference: str, *, as_json: bool) -> None:
    found = client.models.get(reference)
    remember(MODELS, [model_name(found)])
    if as_json:
        print_json(found)
        return
    version = at(found, "latest_version")
    print_fields(
        {
            "model": model_name(found),
            "version": "none yet" if version is None else text_at(version, "number") or UNKNOWN,
            **{name: text_at(found, name) for name in ("visibility", "description")},
            **{name: text_at(found, f"{name}_url") for name in ("source", "paper", "license")},
        }
    )
    if version is not None:
        _show_input(version)


def _show_version(client: "Client", reference: str, *, as_json: bool) -> None:
    version = client.model_versions.get(reference)
    if as_json:
        print_json(version)
        return
    print_fields(
        {
            "version": reference,
            "created": moment(at(version, "created_at")),
            "notes": text_at(version, "release_notes"),
        }
    )
    _show_input(version)


def _show_input(version: object) -> None:
    print_text("\ninput:\n")
    rows = schema_rows(at(version, "schemas", "prediction", "input"))
    if rows:
        print_table(("field", "type", "required", "default", "description"), rows)
    else:
        print_text("any JSON\n")


def _row(found: object) -> tuple[str, ...]:
    return model_name(found), text_at(found, "predictions_count") or "", text_at(found, "description") or ""
