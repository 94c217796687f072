"""The commands of models."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import Json, Limit, Model, examples, page_size
from ._printing import print_fields, print_json, print_table, print_text
from ._schemas import schema_rows
from ._session import Session
from ._times import moment

if TYPE_CHECKING:
    from wriftai_anyio import Client
    from wriftai_anyio.common_types import Model as ListedModel
    from wriftai_anyio.common_types import ModelVersionWithDetails

commands = typer.Typer(rich_markup_mode=None)


@commands.command(epilog=examples("models --search upscale --limit 10", "models --json | jq -r .name"))
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
        if as_json:
            for each in islice(found, limit):
                print_json(each)
        else:
            print_table(("model", "predictions", "description"), map(_row, islice(found, limit)))


@commands.command(epilog=examples("model sandbox/word-count"))
def model(context: typer.Context, model: Model, as_json: Json = False) -> None:
    """Show a model, and the fields of its input."""
    with context.ensure_object(Session).client() as client:
        if ":" in model:
            _show_version(client, model, as_json=as_json)
        else:
            _show_model(client, model, as_json=as_json)


def _show_model(client: "Client", reference: str, *, as_json: bool) -> None:
    found = client.models.get(reference)
    if as_json:
        print_json(found)
        return
    version = found["latest_version"]
    print_fields(
        {
            "model": _name(found),
            "version": str(version["number"]) if version else "none yet",
            "visibility": found["visibility"],
            "description": found["description"],
            "source": found["source_url"],
            "paper": found["paper_url"],
            "license": found["license_url"],
        }
    )
    if version:
        _show_input(version)


def _show_version(client: "Client", reference: str, *, as_json: bool) -> None:
    version = client.model_versions.get(reference)
    if as_json:
        print_json(version)
        return
    print_fields(
        {
            "version": reference,
            "created": moment(version["created_at"]),
            "notes": version["release_notes"],
        }
    )
    _show_input(version)


def _show_input(version: "ModelVersionWithDetails") -> None:
    schema: dict[str, Any] = dict(version["schemas"]["prediction"]["input"])
    print_text("\ninput:\n")
    rows = schema_rows(schema)
    if rows:
        print_table(("field", "type", "required", "default", "description"), rows)
    else:
        print_text("any JSON\n")


def _row(found: "ListedModel") -> tuple[str, ...]:
    return _name(found), str(found["predictions_count"]), found["description"] or ""


def _name(found: "ListedModel") -> str:
    return f"{found['owner']['name']}/{found['name']}"
