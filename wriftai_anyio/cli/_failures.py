"""The wording of an error in the terminal, and its exit code."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from wriftai_anyio.plain_text import shell_command

if TYPE_CHECKING:
    from wriftai_anyio.errors import CreateOutcomeUnknown


class ExitCode(IntEnum):
    """The exit codes; a program stopped by a signal exits with 128 plus the signal's number, as usual."""

    DONE = 0
    PREDICTION_FAILED = 1
    USAGE = 2
    REFUSED = 3
    NETWORK = 4
    OUTCOME_UNKNOWN = 5
    DEFECT = 70
    TIMEOUT = 124


@dataclass(frozen=True)
class Failure:
    """An error as shown in the terminal.

    Attributes:
        sentence: What went wrong, and what to do.
        code: The exit code.
    """

    sentence: str
    code: ExitCode


def failure_of(error: Exception) -> Failure:
    """Returns the wording of an error, and its exit code.

    Args:
        error: The error that ended a command.
    """
    from wriftai_anyio.errors import CreateOutcomeUnknown, WaitTimeoutError

    if isinstance(error, CreateOutcomeUnknown):
        return Failure(_outcome_unknown(error), ExitCode.OUTCOME_UNKNOWN)
    if isinstance(error, WaitTimeoutError):
        return Failure(f"Prediction {error.prediction_id} has not ended in time.", ExitCode.TIMEOUT)
    code = _code_of(error)
    if code is ExitCode.DEFECT:
        return Failure(f"{type(error).__name__}: {error} (a defect; --debug shows where)", code)
    if isinstance(error, OSError) and error.strerror:
        return Failure(": ".join(str(part) for part in (error.filename, error.strerror) if part), code)
    return Failure(str(error), code)


def _code_of(error: Exception) -> ExitCode:
    from wriftai_anyio import errors

    for kinds, code in (
        (errors.APIConnectionError, ExitCode.NETWORK),
        (errors.BatchJournalError, ExitCode.USAGE),
        ((errors.BatchStoppedError, errors.PredictionFailedError), ExitCode.PREDICTION_FAILED),
        (errors.WriftAIError, ExitCode.REFUSED),
        ((ValueError, OSError, ImportError), ExitCode.USAGE),
    ):
        if isinstance(error, kinds):
            return code
    return ExitCode.DEFECT


def _outcome_unknown(error: "CreateOutcomeUnknown") -> str:
    command = shell_command(["wriftai-anyio", *(("get", error.prediction_id) if error.prediction_id else ("list",))])
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    return (
        "The prediction may or may not have been created; the request was not sent again. Check with "
        f"`{command}` before you run this again.{cause}"
    )
