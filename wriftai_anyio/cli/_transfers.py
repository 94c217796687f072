"""The commands of files."""

import os.path
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from ._options import Json, examples
from ._printing import print_json, print_text
from ._session import Session

if TYPE_CHECKING:
    from wriftai_anyio import Client
    from wriftai_anyio.common_types import UploadCompletionResult

commands = typer.Typer(rich_markup_mode=None)


@commands.command(epilog=examples("upload talk.mp3", "run me/transcribe audio=$(wriftai-anyio upload talk.mp3)"))
def upload(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Upload a file, and print its address for an input."""
    session = context.ensure_object(Session)
    with session.client() as client:
        uploaded = upload_shown(session, client, path)
    if as_json:
        print_json(uploaded)
    else:
        print_text(uploaded["download_url"] + "\n")


@commands.command(epilog=examples("download https://example.com/files/cat.png --out cat.png"))
def download(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The address.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to, in place of what is there; or a folder. By default the name in the address."
        ),
    ] = None,
) -> None:
    """Download a file, such as an output, and print its path."""
    session = context.ensure_object(Session)
    path = out or _new_path(url)
    with session.client() as client, session.progress() as progress:
        written = client.files.download(url, path, on_progress=progress.transfer(path.name))
    print_text(f"{written}\n")


def upload_shown(session: Session, client: "Client", path: Path) -> "UploadCompletionResult":
    """Uploads a file, and shows how far it is.

    Args:
        session: The run of the program.
        client: What uploads.
        path: The file.
    """
    from wriftai_anyio.files import File

    with session.progress() as progress:
        return client.files.upload(File(path), progress.transfer(path.name))


def _new_path(url: str) -> Path:
    """Returns a path in this folder for an address, which a stranger may have chosen."""
    from wriftai_anyio.files import safe_name

    name = safe_name(unquote(urlsplit(url).path))
    if not name:
        raise ValueError("The address has no name for the file: say --out FILE.")
    path = Path(name)
    if os.path.lexists(path):
        raise ValueError(f"{path} exists: say --out {path} to put the download in its place.")
    return path
