"""The command for batches."""

from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias, TypeVar

import typer

from wriftai_anyio.plain_text import shell_command

from ._answers import at
from ._failures import ExitCode, failure_of
from ._following import with_paths
from ._help import Command
from ._input_files import is_csv, read_inputs
from ._options import CancelOnExit, Json, ModelOption, examples
from ._printing import print_json, print_sentence
from ._results_file import ResultsFile
from ._saving import Saved, Saves
from ._schemas import text_fields
from ._session import Session
from ._stops import Stopped
from ._versions import version_of

if TYPE_CHECKING:
    from wriftai_anyio import BatchResult, Client
    from wriftai_anyio.errors import APIStatusError, WriftAIError
    from wriftai_anyio.hooks import ResponseEvent
    from wriftai_anyio.predictions import PredictionWithIO

T = TypeVar("T")

commands = typer.Typer(rich_markup_mode=None)

_INCOMPLETE = "incomplete"
"""The status under which results are counted if some of their files are missing."""

_REFUSALS_OF_ALL: Final = frozenset({401, 402, 403, 404})
"""Statuses of refused creates that concern the account or the model, not the input."""

Inputs: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The inputs: one JSON value per line; or a .csv file with the fields' names in its first line.",
        show_default=False,
    ),
]
Out: TypeAlias = Annotated[
    Path,
    typer.Option(metavar="FILE", help="The file to add the results to; a .csv file gets rows.", show_default=False),
]
JournalFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The file that lets later runs go on; by default --out with .journal added.",
        show_default=False,
    ),
]
SaveEach: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="FOLDER",
        help="Download the files of the outputs, into one folder per input, named by its number.",
        show_default=False,
    ),
]
RetryFailed: TypeAlias = Annotated[
    bool,
    typer.Option("--retry-failed", help="Create again predictions that failed or were cancelled in an earlier run."),
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
    typer.Option(
        "--recreate-unknown",
        help="If an earlier run may have created a prediction but it cannot be found, create it again (it may then run "
        "twice).",
    ),
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

    If it is stopped or killed, run the same command again: it goes on where it stopped. Each ended prediction becomes
    one line of the --out file: {"index": 0, "prediction": {…}}, where the index is the number of the input, from 0; or
    in a .csv file a row of index, id, status, output, error and times. An input that ended in an error has no line;
    the next run tries it again.

    In a .csv file of inputs, an empty cell leaves its field out. Cells of fields that are text in the model's schema
    are text; other cells that are valid JSON, such as 12 or true, are read as JSON.
    """
    from wriftai_anyio.predictions import WaitOptions

    session = context.ensure_object(Session)
    total = _checked(session, inputs, out, journal)
    journal = journal or _beside(out)
    run = _Run(session, out, total=total, save=save, is_resumed=journal.exists())
    with (
        run.said_how_to_go_on(),
        session.client(on_response=run.note_answer) as client,
        client.predictions.batch(
            ({"input": value} for value in run.unless_refused(read_inputs(inputs, _texts(client, model, inputs)))),
            model,
            journal=journal,
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


def _checked(session: Session, inputs: Path, out: Path, journal: Path | None) -> int:
    """Reads all inputs, so that mistakes are found before anything is created, and returns their number."""
    if not inputs.is_file():
        raise ValueError(f"There is no file {inputs}. A pipe cannot be used, since the inputs are read twice.")
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder: give a file, such as {out / 'results.jsonl'}.")
    if out.exists() and not out.is_file():  # reading it first may never end
        raise ValueError(f"--out {out} is a device or a pipe: give a file, which the next run reads to go on.")
    if not out.parent.is_dir():
        raise ValueError(f"There is no folder {out.parent} for --out {out.name}.")
    if out.exists() and out.samefile(inputs):
        raise ValueError(f"--out is {inputs}, the file of the inputs: give another.")
    empty: list[int] = []
    total = sum(1 for _ in read_inputs(inputs, on_empty=empty.append))
    if empty:
        lines = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
        session.note(f"{inputs}: left out {len(empty)} rows of empty cells (line {lines}).")
    journal = journal or _beside(out)
    if out.exists() and out.stat().st_size and not journal.exists():
        raise ValueError(
            f"{out} has results, but its journal {journal} is missing, so the batch cannot be resumed. "
            "Use another --out. Nothing was sent."
        )
    return total


def _texts(client: "Client", model: str, inputs: Path) -> frozenset[str]:
    """Returns the fields of a CSV file whose cells are text by the model's schema; none if it is unavailable."""
    from wriftai_anyio import APIStatusError

    if not is_csv(inputs):
        return frozenset()
    try:
        return text_fields(at(version_of(client, model), "schemas", "prediction", "input"))
    except (APIStatusError, ValueError):  # the create will say what is wrong with the model
        return frozenset()


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.journal")


class _Run:
    """One run of a batch: its results, counted by their status, or as `error`.

    If every further create would be refused, such as after the token was revoked, no more inputs are read. Predictions
    under way are paid for, so their results are still awaited.
    """

    def __init__(self, session: Session, out: Path, *, total: int, save: Path | None, is_resumed: bool) -> None:
        self._session = session
        self._out = out
        self._total = total
        self._save = save
        self._counts: Counter[str] = Counter()
        self._may_be_under_way = is_resumed
        self._refusal: APIStatusError | None = None

    def note_answer(self, answer: "ResponseEvent") -> None:
        """Notes whether anything was created."""
        if answer.method == "POST" and answer.status is not None and answer.status < 300:
            self._may_be_under_way = True

    def unless_refused(self, values: Iterator[T]) -> Generator[T]:
        """Yields values until a create is refused for a reason that applies to every create."""
        for value in values:
            if self._refusal is not None:
                return
            yield value

    def write(self, client: "Client", results: "Iterable[BatchResult]", *, retry_failed: bool) -> None:
        """Handles all results."""
        with (
            ResultsFile(self._out, retry_failed=retry_failed) as file,
            self._session.progress() as progress,
            Saves(lambda output, index: client.files.save(output, (self._save or Path()) / str(index))) as saves,
        ):
            for result in progress.batch(results, self._total, self._out.name):
                if result.prediction is not None:
                    self._take(file, saves, result.index, result.prediction)
                elif result.error is not None:
                    self._note_error(result.index, result.error)
            for saved in saves.rest():
                self._add_saved(file, saved)
        if self._refusal is not None:
            raise self._refusal

    def _note_error(self, index: int, error: Exception) -> None:
        refusal = _refusal_of_all(error)
        if refusal is None:
            self._note_problem(index, _sentence(error), kind="error")
            return
        if not self._may_be_under_way:
            raise refusal
        self._counts["error"] += 1
        if self._refusal is None:
            self._refusal = refusal
            self._session.note(
                f"{_sentence(refusal)} No more predictions will be created. Waiting for those already running."
            )

    def _take(self, file: ResultsFile, saves: Saves, index: int, prediction: "PredictionWithIO") -> None:
        if self._save is None or prediction.get("output") is None or index in file.indexes:
            self._add(file, index, prediction)
            return
        for saved in saves.begin(index, prediction):
            self._add_saved(file, saved)

    def _add_saved(self, file: ResultsFile, saved: Saved) -> None:
        """Adds a result to the file once its own files are saved; if they are not, the next run tries again."""
        from wriftai_anyio.errors import WriftAIError

        index, prediction = saved.index, saved.prediction
        try:
            output = with_paths(saved.output.result())
        except WriftAIError as error:
            rest = _saved_for_good(error)
            if rest is not None:
                file.add(index, {**prediction, "output": with_paths(rest)})
            self._note_problem(
                index,
                f"Its files could not be downloaded: {failure_of(error).sentence}",
                kind="error" if rest is None else _INCOMPLETE,
            )
        else:
            self._add(file, index, {**prediction, "output": output})

    def _add(self, file: ResultsFile, index: int, prediction: "PredictionWithIO") -> None:
        file.add(index, prediction)
        self._counts[prediction["status"]] += 1

    def _note_problem(self, index: int, sentence: str, *, kind: str) -> None:
        self._session.note(f"Input {index}: {sentence}")
        self._counts[kind] += 1

    @contextmanager
    def said_how_to_go_on(self) -> Generator[None]:
        """Says how many results there are and how to go on if the block is left early."""
        from wriftai_anyio.errors import APIStatusError, BatchStoppedError, NotFoundError

        try:
            yield
        except (Stopped, APIStatusError, BatchStoppedError, OSError) as error:
            if isinstance(error, NotFoundError) and not self._may_be_under_way:
                raise  # the model was not found, and will not be next time
            done = sum(self._counts.values()) - self._counts["error"]
            self._session.note(f"{self._out} has {done} of {self._total} results.")
            self._session.go_on = shell_command(["wriftai-anyio", *self._session.arguments])
            raise

    def tell(self, *, as_json: bool) -> None:
        """Prints a summary.

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
        if self._counts[_INCOMPLETE]:
            self._session.note("What is incomplete has the addresses of files that could not be downloaded.")
        if self._counts["succeeded"] < self._total:
            if any(self._counts.keys() - {"succeeded", "error", _INCOMPLETE}):
                self._session.note("Add --retry-failed to create again what did not succeed.")
            raise typer.Exit(ExitCode.PREDICTION_FAILED)


def _saved_for_good(error: "WriftAIError") -> object:
    """Returns the output with the saved files if the rest is lost; `None` if another run may save everything."""
    from wriftai_anyio.errors import APIConnectionError, FilesNotSavedError, InternalServerError, RateLimitError

    if not isinstance(error, FilesNotSavedError):
        return None
    passing = (APIConnectionError, InternalServerError, RateLimitError)
    return None if any(isinstance(each, passing) for each in error.failures.values()) else error.saved


def _refusal_of_all(error: Exception) -> "APIStatusError | None":
    """Returns the error if every create would fail with it, whatever the input, so that the rest need not be tried."""
    from wriftai_anyio.errors import APIStatusError

    if isinstance(error, APIStatusError) and error.request.method == "POST":
        return error if error.status_code in _REFUSALS_OF_ALL else None
    return None


def _sentence(error: Exception) -> str:
    from wriftai_anyio import CreateOutcomeUnknown

    if not isinstance(error, CreateOutcomeUnknown):
        return failure_of(error).sentence
    if error.__cause__ is not None:
        return f"Whether it was created is unknown; the next run looks for it. ({error.__cause__})"
    return (
        "An earlier run may have created this prediction, but it was not found. Check with `wriftai-anyio list`. "
        "--recreate-unknown creates it again; you may then pay twice."
    )
