"""The outcome of an ended prediction: its output, as received or converted to a type, or an error."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias, cast

from wriftai_anyio._parsing.arguments import shown
from wriftai_anyio._polling.options import AsyncWaitOptions, WaitOptions
from wriftai_anyio._types.prediction import PredictionWithIO, Status, is_terminal
from wriftai_anyio.errors import OutputTypeError, PredictionFailedError, WriftAIError
from wriftai_anyio.plain_text import one_line

OutputReader: TypeAlias = Callable[[PredictionWithIO], Any]
"""Returns the output of a prediction that has ended."""

LONGEST_REASON: Final = 300
"""Characters of what pydantic says of a type, which goes on with advice for pydantic's own users."""
_MISSING: Final = "output_type needs pydantic: install wriftai-anyio[pydantic], or leave output_type out."


def output_of(prediction: PredictionWithIO) -> Any:  # noqa: ANN401 -- whatever a model returns
    """Returns the output of an ended prediction, as it came.

    Raises:
        PredictionFailedError: If it failed, was cancelled or abandoned.
    """
    if prediction["status"] == Status.succeeded:
        return prediction.get("output")
    if is_terminal(prediction):
        raise PredictionFailedError(prediction)
    raise WriftAIError(f"Prediction {prediction['id']} has not ended: it is {prediction['status']}. Wait for it.")


def output_reader(output_type: object) -> OutputReader:
    """Makes what reads outputs as a type; to be called before anything is sent.

    Args:
        output_type: What pydantic's `TypeAdapter` takes; `None` for outputs as they come.

    Raises:
        ImportError: If there is no pydantic.
        ValueError: If pydantic cannot use the type.
    """
    if output_type is None:
        return output_of
    if isinstance(output_type, str):
        raise ValueError(f"output_type cannot be {shown(output_type)}: give the type, not its name. Nothing was sent.")  # noqa: TRY004 -- as all bad arguments
    try:
        from pydantic import TypeAdapter, ValidationError
        from pydantic_core import from_json, to_json
    except ImportError as error:
        raise ImportError(_MISSING) from error
    try:
        adapter = TypeAdapter[Any](cast("Any", output_type))
    except Exception as error:
        raise ValueError(
            f"output_type cannot be {shown(output_type)}: {one_line(error, LONGEST_REASON)} Nothing was sent."
        ) from error

    def read(prediction: PredictionWithIO) -> Any:  # noqa: ANN401 -- of the output type
        output = output_of(prediction)
        try:
            # As JSON, so that strict models take what JSON writes as strings, such as dates.
            return adapter.validate_json(to_json(output))
        except ValidationError as error:
            reasons = from_json(error.json(include_url=False, include_context=False, include_input=False))
            raise OutputTypeError(prediction, cast("list[Mapping[str, Any]]", reasons)) from error
        except ValueError as error:  # of text that pydantic does not encode
            raise OutputTypeError(prediction, [{"type": "json", "loc": [], "msg": str(error)}]) from error

    return read


def check_waits_for_the_end(options: WaitOptions | AsyncWaitOptions) -> None:
    """Refuses options by which an output might not be there.

    Raises:
        ValueError: If they say not to poll.
    """
    if isinstance(options, (WaitOptions, AsyncWaitOptions)) and not options.poll:
        raise ValueError("poll=False gives no output: use predictions.create. Nothing was sent.")
