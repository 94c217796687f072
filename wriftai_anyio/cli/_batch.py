"""The command of batches."""

import shlex
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._failures import ExitCode, failure_of
from ._inputs import parse_json
from ._options import CancelOnExit, Json, examples
from ._printing import print_json, print_text
from ._results_file import ResultsFile
from ._session import Session
from ._stops import Stopped

if TYPE_CHECKING:
    from wriftai_anyio import BatchResult
    from wriftai_anyio.common_types import JsonValueWithFile

commands = typer.Typer(rich_markup_mode=None)


@commands.command(epilog=examples("batch inputs.jsonl --model sandbox/word-count --out results.jsonl"))
def batch(
    context: typer.Context,
    inputs: Annotated[
        Path, typer.Argument(metavar="FILE", help="The inputs: one JSON value a line.", show_default=False)
    ],
    model: Annotated[str, typer.Option(metavar="MODEL", help="owner/name, or owner/name:version.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where the results are added.", show_default=False)],
    journal: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What later runs go on by; by default the name of --out and .journal."),
    ] = None,
    recreate_unknown: Annotated[
        bool,
        typer.Option("--recreate-unknown", help="Create again what an earlier run may have created, but is not found."),
    ] = False,
    cancel_on_exit: CancelOnExit = False,
    as_json: Json = False,
) -> None:
    """Run a model on each line of a file.

    Stopped or killed, the same command goes on where it was. Each ended prediction becomes a line of the --out file,
    once: {"index": 0, "prediction": {…}}, where the index is the number of the input from 0. An input that ended in
    an error has none, and is tried again by the next run.
    """
    from wriftai_anyio.predictions import WaitOptions

    session = context.ensure_object(Session)
    if not inputs.is_file():
        raise ValueError(f"There is no file {inputs}; a pipe will not do, since it is read twice.")
    total = sum(1 for _ in _read_inputs(inputs))
    journal = journal or out.with_name(f"{out.name}.journal")
    if out.exists() and out.stat().st_size and not journal.exists():
        raise ValueError(f"{out} holds results, but {journal}, by which it went on, is gone: give another --out.")
    counts: Counter[str] = Counter()
    with (
        _said_how_to_go_on(session, out, counts, total),
        session.client() as client,
        client.predictions.batch(
            ({"input": value} for value in _read_inputs(inputs)),
            model,
            journal=journal,
            wait_options=WaitOptions(cancel_on_exit=cancel_on_exit),
            recreate_unknown=recreate_unknown,
            find_unknown=True,
        ) as results,
    ):
        _write(session, results, out, counts, total)
    if as_json:
        print_json({"out": str(out), "inputs": total, **counts})
    else:
        print_text(f"{total} inputs, results in {out}: {_listed(counts)}\n")
    if counts["error"]:
        session.note("Run the same command again to try again what ended in an error.")
    if counts["succeeded"] < total:
        raise typer.Exit(ExitCode.PREDICTION_FAILED)


@contextmanager
def _said_how_to_go_on(session: Session, out: Path, counts: Counter[str], total: int) -> Generator[None]:
    from wriftai_anyio.errors import APIStatusError

    try:
        yield
    except (Stopped, APIStatusError, OSError):
        session.note(f"{out} has {counts.total() - counts['error']} of {total} results.")
        session.go_on = shlex.join(["wriftai-anyio", *session.arguments])
        raise


def _write(session: Session, results: Iterable["BatchResult"], out: Path, counts: Counter[str], total: int) -> None:
    """Takes all results, and counts them by their status, or as `error`."""
    with ResultsFile(out) as file, session.progress() as progress:
        for result in progress.batch(results, total, out.name):
            if result.prediction is not None:
                file.add(result.index, result.prediction)
                counts[result.prediction["status"]] += 1
            elif result.error is not None:
                _raise_if_all_would_end_so(result.error)
                session.note(f"Input {result.index}: {_sentence(result.error)}")
                counts["error"] += 1


def _raise_if_all_would_end_so(error: Exception) -> None:
    """Raises what the API says of a create whatever its input, so that not all inputs are tried in vain."""
    from wriftai_anyio import AuthenticationError, NotFoundError, PermissionDeniedError

    if (
        isinstance(error, (AuthenticationError, NotFoundError, PermissionDeniedError))
        and error.request.method == "POST"
    ):
        raise error


def _sentence(error: Exception) -> str:
    from wriftai_anyio import CreateOutcomeUnknown

    if not isinstance(error, CreateOutcomeUnknown):
        return failure_of(error).sentence
    if error.__cause__ is not None:
        return f"Whether it was created is unknown; the next run looks for it. ({error.__cause__})"
    return "An earlier run may have created it, but it was not found; --recreate-unknown creates it again."


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"


def _read_inputs(path: Path) -> "Iterator[JsonValueWithFile]":
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            try:
                yield parse_json(line)
            except ValueError as error:
                raise ValueError(f"{path}, line {number}, is not JSON: {error}.") from None
