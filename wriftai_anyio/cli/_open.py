"""The command that opens pages."""

import os
import re
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import quote

import typer

from ._help import Command
from ._options import examples, recent_names
from ._printing import print_text
from ._session import Session

if TYPE_CHECKING:
    from wriftai_anyio import Client

commands = typer.Typer(rich_markup_mode=None)

SITE: Final = "https://wrift.ai"
SITE_VARIABLE: Final = "WRIFTAI_SITE_URL"
# An address from a server reaches a browser: allow only web schemes, and no characters with another meaning.
_WEB_ADDRESS: Final = re.compile(r"https?://[^\s\x00-\x1f\x7f-\x9f\"'<>\\]+", re.IGNORECASE)


@commands.command(
    "open", cls=Command, epilog=examples("open 018f5c1e-7a3b-7c7e-9a43-000000000000", "open deepseek-ai/deepseek-r1")
)
def open_page(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="ID|MODEL",
            help="The prediction's id, or the model as owner/name.",
            show_default=False,
            autocompletion=recent_names,
        ),
    ],
) -> None:
    """Open the page of a prediction or a model.

    Its address is printed, too. The API does not state it, so it is an assumption: https://wrift.ai/owner/name and
    https://wrift.ai/predictions/ID, unless a server does give a prediction's page. WRIFTAI_SITE_URL names another site.
    """
    import webbrowser

    session = context.ensure_object(Session)
    if "/" in name:
        address = f"{_site()}/{quote(name.partition(':')[0])}"
    else:
        with session.client() as client:
            address = _page_of(client, name)
    print_text(f"{address}\n")
    if not webbrowser.open(address):
        session.note("No browser could be opened here: open the address yourself.")


def _page_of(client: "Client", prediction_id: str) -> str:
    """Returns the address of a prediction's page: the server's, unless it is an address of the API and not a page."""
    prediction = client.predictions.get(prediction_id)
    url = prediction["url"]
    if isinstance(url, str) and _WEB_ADDRESS.fullmatch(url) and not url.startswith(client.api_base_url):
        return url
    return f"{_site()}/predictions/{quote(prediction['id'], safe='')}"


def _site() -> str:
    site = os.environ.get(SITE_VARIABLE) or SITE
    if not _WEB_ADDRESS.fullmatch(site):
        raise ValueError(f"{SITE_VARIABLE} must be a web address, such as {SITE}.")
    return site.rstrip("/")
