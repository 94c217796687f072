"""Arguments and options that several commands share, and the examples in their help."""

from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer


def _recent_models(incomplete: str) -> list[str]:
    from ._recent import MODELS, recent

    return [name for name in recent(MODELS) if name.startswith(incomplete)]


def _recent_predictions(incomplete: str) -> list[str]:
    from ._recent import PREDICTIONS, recent

    return [name for name in recent(PREDICTIONS) if name.startswith(incomplete)]


def recent_names(incomplete: str) -> list[str]:
    """Returns the names of models and the ids of predictions that were seen lately and begin with `incomplete`."""
    return [*_recent_models(incomplete), *_recent_predictions(incomplete)]


MODEL_HELP: Final = "owner/name, or owner/name:version."
Model: TypeAlias = Annotated[
    str, typer.Argument(metavar="MODEL", help=MODEL_HELP, show_default=False, autocompletion=_recent_models)
]
ModelOption: TypeAlias = Annotated[
    str, typer.Option("--model", metavar="MODEL", help=MODEL_HELP, show_default=False, autocompletion=_recent_models)
]
PredictionID: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="ID", help="The prediction's id.", show_default=False, autocompletion=_recent_predictions),
]
Save: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--save", metavar="FOLDER", help="Download the files of the output into a folder.", show_default=False
    ),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON, one value per line.")]
Timeout: TypeAlias = Annotated[
    float | None,
    typer.Option(
        min=0, metavar="SECONDS", help="Stop waiting after this time, with exit code 124.", show_default=False
    ),
]
CancelOnExit: TypeAlias = Annotated[
    bool, typer.Option("--cancel-on-exit", help="Also cancel on the server when leaving early, by Ctrl-C or an error.")
]

Limit: TypeAlias = Annotated[int, typer.Option(min=1, metavar="N", help="List at most N.")]


def page_size(limit: int) -> int:
    """Returns the size of the pages to ask for, which the API wants to be between 5 and 50."""
    return max(5, min(limit, 50))


def examples(*lines: str) -> str:
    """Makes the end of a command's help.

    Args:
        *lines: Command lines without the program's name.
    """
    # The first line keeps the others from being rewrapped.
    return "\n".join(
        ["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  wriftai-anyio {line}" for line in lines)]
    )
