"""The command of batches."""

from collections import Counter
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from wriftai_anyio.plain_text import shell_command

from ._failures import ExitCode, failure_of
from ._following import with_paths
from ._help import Command
from ._input_files import read_inputs
from ._options import CancelOnExit, Json, ModelOption, examples
from ._printing import print_json, print_sentence
from ._results_file import ResultsFile
from ._session import Session
from ._stops import Stopped

if TYPE_CHECKING:
    from wriftai_anyio import BatchResult, Client
    from wriftai_anyio.predictions import PredictionWithIO

commands = typer.Typer(rich_markup_mode=None)

Inputs: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The inputs: a JSON value a line; or a .csv file, whose first line names the fields.",
        show_default=False,
    ),
]
Out: TypeAlias = Annotated[
    Path, typer.Option(metavar="FILE", help="Where the results are added; a .csv file gets rows.", show_default=False)
]
JournalFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="By what later runs go on; by default the name of --out and .journal.", show_default=False
    ),
]
SaveEach: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="FOLDER",
        help="Download the files of the outputs, each input's into a folder of its number.",
        show_default=False,
    ),
]
RetryFailed: TypeAlias = Annotated[
    bool, typer.Option("--retry-failed", help="Create again what failed in an earlier run, or was cancelled.")
]
MaxFailures: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Stop after N results that did not succeed.", show_default=False),
]
Deduplicate: TypeAlias = Annotated[
    bool, typer.Option("--deduplicate", help="Create equal inputs once; each gets the result.")
]
RecreateUnknown: TypeAlias = Annotated[
    bool,
    typer.Option("--recreate-unknown", help="Create again what an earlier run may have created, but is not found."),
]


@commands.command(
    cls=Command,
    epilog=examples(
        "batch in.jsonl --model sandbox/word-count --out out.jsonl",
        "batch in.csv --model me/draw --out out.csv --save pictures",
        "batch in.csv --model me/draw --out out.csv --retry-failed",
    ),
)
def batch(
    context: typer.Context,
    inputs: Inputs,
    model: ModelOption,
    out: Out,
    journal: JournalFile = None,
    save: SaveEach = None,
    retry_failed: RetryFailed = False,
    max_failures: MaxFailures = None,
    deduplicate: Deduplicate = False,
    recreate_unknown: RecreateUnknown = False,
    cancel_on_exit: CancelOnExit = False,
    as_json: Json = False,
) -> None:
    """Run a model on each line of a file.

    Stopped or killed, the same command goes on where it was. Each ended prediction becomes a line of the --out file,
    once: {"index": 0, "prediction": {…}}, where the index is the number of the input from 0; in a .csv file a row of
    index, id, status, output, error and times. An input that ended in an error has none, and is tried again by the
    next run.
    """
    from wriftai_anyio.predictions import WaitOptions

    session = context.ensure_object(Session)
    run = _Run(session, out, total=_checked(inputs, out, journal), save=save)
    with (
        run.said_how_to_go_on(),
        session.client() as client,
        client.predictions.batch(
            ({"input": value} for value in read_inputs(inputs)),
            model,
            journal=journal or _beside(out),
            wait_options=WaitOptions(cancel_on_exit=cancel_on_exit),
            recreate_unknown=recreate_unknown,
            find_unknown=True,
            retry_failed=retry_failed,
            max_failures=max_failures,
            deduplicate=deduplicate,
        ) as results,
    ):
        run.write(client, results, retry_failed=retry_failed)
    run.tell(as_json=as_json)


def _checked(inputs: Path, out: Path, journal: Path | None) -> int:
    """Reads all inputs, so that a mistake is found before anything is created; returns their number."""
    if not inputs.is_file():
        raise ValueError(f"There is no file {inputs}; a pipe will not do, since it is read twice.")
    total = sum(1 for _ in read_inputs(inputs))
    journal = journal or _beside(out)
    if out.exists() and out.stat().st_size and not journal.exists():
        raise ValueError(f"{out} holds results, but {journal}, by which it went on, is gone: give another --out.")
    return total


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.journal")


class _Run:
    """One run of a batch: its results, counted by their status, or as `error`."""

    def __init__(self, session: Session, out: Path, *, total: int, save: Path | None) -> None:
        self._session = session
        self._out = out
        self._total = total
        self._save = save
        self._counts: Counter[str] = Counter()

    def write(self, client: "Client", results: "Iterable[BatchResult]", *, retry_failed: bool) -> None:
        """Takes all results."""
        with ResultsFile(self._out, retry_failed=retry_failed) as file, self._session.progress() as progress:
            for result in progress.batch(results, self._total, self._out.name):
                if result.prediction is not None and self._add(client, file, result.index, result.prediction):
                    self._counts[result.prediction["status"]] += 1
                elif result.error is not None:
                    _raise_if_all_would_end_so(result.error)
                    self._note_error(result.index, _sentence(result.error))

    def _add(self, client: "Client", file: ResultsFile, index: int, prediction: "PredictionWithIO") -> bool:
        """Adds a result to the file, after its files; returns whether that went well."""
        output = prediction.get("output")
        if self._save is not None and output is not None and index not in file.indexes:
            from wriftai_anyio.errors import WriftAIError

            try:
                saved = client.files.save(output, self._save / str(index))
            except WriftAIError as error:
                self._note_error(index, f"Its files could not be downloaded: {failure_of(error).sentence}")
                return False
            prediction = {**prediction, "output": with_paths(saved)}
        file.add(index, prediction)
        return True

    def _note_error(self, index: int, sentence: str) -> None:
        self._session.note(f"Input {index}: {sentence}")
        self._counts["error"] += 1

    @contextmanager
    def said_how_to_go_on(self) -> Generator[None]:
        """Says how many results there are, and how to go on, if the block is left early."""
        from wriftai_anyio.errors import APIStatusError, BatchStoppedError

        try:
            yield
        except (Stopped, APIStatusError, BatchStoppedError, OSError):
            done = sum(self._counts.values()) - self._counts["error"]
            self._session.note(f"{self._out} has {done} of {self._total} results.")
            self._session.go_on = shell_command(["wriftai-anyio", *self._session.arguments])
            raise

    def tell(self, *, as_json: bool) -> None:
        """Prints what came of it.

        Raises:
            typer.Exit: If not all succeeded.
        """
        if as_json:
            print_json({"out": str(self._out), "inputs": self._total, **self._counts})
        else:
            listed = ", ".join(f"{count} {name}" for name, count in sorted(self._counts.items())) or "none"
            print_sentence(f"{self._total} inputs, results in {self._out}: {listed}")
        if self._counts["error"]:
            self._session.note("Run the same command again to try again what ended in an error.")
        if self._counts["succeeded"] < self._total:
            if sum(self._counts.values()) - self._counts["succeeded"] > self._counts["error"]:
                self._session.note("Add --retry-failed to create again what did not succeed.")
            raise typer.Exit(ExitCode.PREDICTION_FAILED)


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
