"""Equal inputs of a batch, which are created once."""

from functools import partial

import anyio

from wriftai_anyio._parsing.json_copy import copy_json
from wriftai_anyio._predictions.json_input import JsonInput
from wriftai_anyio._types.prediction import PredictionWithIO

from .digest import digest
from .job import Kept, Plan, Repeated, Work


class _Shared:
    """The outcome of an input, for inputs that are equal to it."""

    def __init__(self) -> None:
        self._ended = anyio.Event()
        self._prediction: PredictionWithIO | None = None
        self._error: Exception | None = None

    async def run(self, work: Work) -> PredictionWithIO:
        try:
            prediction = await work()
        except Exception as error:
            self._error = error
            self._ended.set()
            raise
        self.keep(prediction)
        return prediction

    def keep(self, prediction: PredictionWithIO) -> None:
        # Its own copy, since the caller may change the result.
        self._prediction = copy_json(prediction)
        self._ended.set()

    async def wait(self) -> PredictionWithIO:
        await self._ended.wait()
        if self._prediction is None:
            raise self._error or AssertionError("an input ended without an outcome")
        return copy_json(self._prediction)


class Duplicates:
    """Remembers the earlier inputs of a batch.

    Args:
        model: The model's reference.
    """

    def __init__(self, model: str) -> None:
        self._model = model
        self._known: dict[bytes, _Shared] = {}

    def work(self, params: JsonInput, plan: Kept | Work | None, create: Work) -> Plan:
        """Returns how to bring an input to its end.

        Args:
            params: The input.
            plan: How to continue it, if an earlier run has begun it.
            create: Creates it.
        """
        try:
            identity = digest(params.value, self._model)
        except ValueError:  # a stream, which equals no other
            return plan or create
        if identity in self._known:
            return plan or Repeated(self._known[identity].wait)
        shared = self._known[identity] = _Shared()
        if isinstance(plan, Kept):
            shared.keep(plan.prediction)
            return plan
        return partial(shared.run, plan or create)
