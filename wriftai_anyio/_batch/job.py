"""What all inputs of a batch have in common, and how to run one of them without a journal."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from wriftai_anyio._parsing.prediction import PredictionParser
from wriftai_anyio._polling.options import AsyncWaitOptions
from wriftai_anyio._predictions.create import Create
from wriftai_anyio._predictions.json_input import JsonInput
from wriftai_anyio._resources.lists import Listing
from wriftai_anyio._types.prediction import Prediction, PredictionWithIO

if TYPE_CHECKING:
    from wriftai_anyio._predictions.operations import Operations  # imported with the first call

Work: TypeAlias = Callable[[], Awaitable[PredictionWithIO]]
"""Runs one input to its end."""


class Kept(NamedTuple):
    """A result of an earlier run.

    Attributes:
        prediction: The ended prediction.
    """

    prediction: PredictionWithIO


class Repeated(NamedTuple):
    """An input that is equal to an earlier one.

    Attributes:
        work: Waits for the result of the earlier input.
    """

    work: Work


Plan: TypeAlias = Kept | Repeated | Work
"""How an input gets its result."""


class Job(NamedTuple):
    """What all inputs of a batch have in common.

    Attributes:
        operations: Creates predictions and waits for them.
        parser: Turns answers into predictions.
        prepare: Turns params and a model into a create, and uploads the files.
        listing: The list of predictions.
        model: The model's reference.
        options: How to wait for each prediction.
        recreate_unknown: Whether to create again predictions that an earlier run may have created.
        find_unknown: Whether to look for those predictions on the server first.
        retry_failed: Whether to create again predictions that an earlier run saw end without success.
    """

    operations: "Operations"
    parser: PredictionParser
    prepare: Callable[[JsonInput, str], Awaitable[Create]]
    listing: Listing[Prediction]
    model: str
    options: AsyncWaitOptions
    recreate_unknown: bool = False
    find_unknown: bool = False
    retry_failed: bool = False

    async def run(self, params: JsonInput) -> PredictionWithIO:
        """Runs one input to its end."""
        create = await self.prepare(params, self.model)
        return await self.operations.create_and_wait(create, self.options)
