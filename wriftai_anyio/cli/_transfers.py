"""The commands for files."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from ._help import Command
from ._options import Json, examples
from ._printing import print_json, print_text
from ._session import Session

if TYPE_CHECKING:
    from wriftai_anyio import Client
    from wriftai_anyio.common_types import UploadCompletionResult

commands = typer.Typer(rich_markup_mode=None)


@commands.command(
    cls=Command, epilog=examples("upload talk.mp3", "run me/transcribe audio=$(wriftai-anyio upload talk.mp3)")
)
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


@commands.command(
    cls=Command,
    epilog=examples(
        "download https://example.com/files/cat.png",
        "download https://example.com/files/cat.png pictures",
        "download https://example.com/files/cat.png --out cat.png",
    ),
)
def download(
    context: typer.Context,
    url: Annotated[str, typer.Argument(metavar="URL", help="The address.", show_default=False)],
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FOLDER]",
            help="Where to, by default here. The server or the address names the file; no file is replaced.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The path of the file; an existing file is replaced.", show_default=False),
    ] = None,
) -> None:
    """Download a file, such as an output, and print its path."""
    session = context.ensure_object(Session)
    if out is not None and folder is not None:
        raise ValueError("Give a folder or --out FILE, not both.")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    with session.client() as client, session.progress() as progress:
        shown = progress.transfer(out.name if out is not None else unquote(urlsplit(url).path).rpartition("/")[2])
        written = client.files.download(url, out or folder or Path(), on_progress=shown)
    print_text(f"{written}\n")


def upload_shown(session: Session, client: "Client", path: Path) -> "UploadCompletionResult":
    """Uploads a file, and shows the progress.

    Args:
        session: The run of the program.
        client: Uploads the file.
        path: The file.
    """
    from wriftai_anyio.files import File

    path.stat()  # a missing file is reported before a bar appears
    with session.progress() as progress:
        return client.files.upload(File(path), progress.transfer(path.name))
