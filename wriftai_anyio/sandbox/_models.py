"""The models that predictions run: functions with names."""

import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from ._schemas import Schema

ModelFunction = Callable[[Any], Any]
"""Takes a prediction's input; a function, coroutine function, generator function or async generator function."""

_NAME = re.compile(r"[^/:\s]+/[^/:\s]+")
_REFERENCE = re.compile(r"(?P<name>[^/:\s]+/[^/:\s]+)(?::(?P<number>[0-9]+))?")


class ModelError(Exception):
    """A model's failure, with details.

    Args:
        message: What happened.
        detail: Further details, as any JSON.
        source: `"external"` if the model is to blame, `"internal"` if the service is.
    """

    def __init__(self, message: str, detail: object = None, source: str = "external") -> None:
        super().__init__(message)
        self.detail = detail
        self.source = source


class Model:
    """A function, and the schema of its input.

    Args:
        function: Takes a prediction's input and returns its output. A coroutine function runs on the sandbox's event
            loop (asyncio), any other in a worker thread. The values that a generator function yields are streamed; its
            output is what it returns, or else the yielded values: joined if all are strings, otherwise as a list. Any
            exception makes the prediction fail.
        input_schema: A JSON Schema of the input, for predictions created with `validate_input`.

    Raises:
        ValueError: If `function` is not a function, or `input_schema` is not a JSON Schema.
    """

    def __init__(self, function: ModelFunction, input_schema: Mapping[str, Any] | None = None) -> None:
        if not callable(function):
            raise ValueError(f"a model must be a function of the input, not {function!r}")  # noqa: TRY004 -- like all bad arguments
        Schema(input_schema or {})
        self.function = function
        self.input_schema: Mapping[str, Any] = input_schema or {}


class Models(MutableMapping[str, ModelFunction | Model]):
    """The registered models by `owner/name`; a plain function becomes a `Model`."""

    def __init__(self, *sources: Mapping[str, ModelFunction | Model]) -> None:
        self._models: dict[str, Model] = {}
        for source in sources:
            if not isinstance(source, Mapping):
                raise ValueError(f"models must be like {{'owner/name': function}}, not {source!r}")  # noqa: TRY004 -- like all bad arguments
            self.update(source)

    def __getitem__(self, name: str) -> Model:
        return self._models[name]

    def __setitem__(self, name: str, model: ModelFunction | Model) -> None:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError(f"a model is named 'owner/name', not {name!r}")
        if not isinstance(model, Model) and not callable(model):
            raise ValueError(f"the model {name} must be a function of the input, or a Model, not {model!r}")  # noqa: TRY004
        self._models[name] = model if isinstance(model, Model) else Model(model)

    def __delitem__(self, name: str) -> None:
        del self._models[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._models.copy())

    def __len__(self) -> int:
        return len(self._models)

    def find(self, name: str) -> Model | None:
        """Return a model by its name."""
        return self._models.get(name)

    def copy(self) -> "Models":
        """Return another mapping of the same models."""
        return Models(self._models)


def parse_reference(reference: str) -> tuple[str, int | None]:
    """Split `owner/name` or `owner/name:number`.

    Raises:
        ValueError: If it is neither.
    """
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError("must be 'owner/name' or 'owner/name:number'")
    number = match["number"]
    return match["name"], None if number is None else int(number)
