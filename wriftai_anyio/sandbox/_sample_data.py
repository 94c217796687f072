"""Sample data, so that pages, searches and sorting have something to show."""

import textwrap
from collections.abc import Callable
from typing import Any, Final

from ._catalog import Catalog, categories
from ._models import Model, Models
from ._predictions import PredictionStore
from ._records import Records
from ._users import Users

_USERS: Final = {
    "ada": ("Ada L.", "London"),
    "blaise": ("Blaise P.", "Paris"),
    "carl": ("Carl F. G.", "Göttingen"),
    "emmy": ("Emmy N.", "Erlangen"),
    "grace": ("Grace H.", "New York"),
    "kurt": ("Kurt G.", "Princeton"),
    "srinivasa": ("Srinivasa R.", "Madras"),
    "sofia": ("Sofia K.", "Stockholm"),
}

_FUNCTIONS: Final[dict[str, tuple[str, str, Callable[[str], Any]]]] = {
    "upper": ("Text in capital letters.", "text", str.upper),
    "title": ("Text with each word capitalized.", "text", str.title),
    "reverse": ("Text from its end to its start.", "text", lambda text: text[::-1]),
    "lines": ("Text as a list of its lines.", "text", str.splitlines),
    "unindent": ("Code without the indent that all lines share.", "code", textwrap.dedent),
    "bytes": ("Text as the numbers of its UTF-8 bytes.", "embeddings", lambda text: list(text.encode())),
}

_INPUT_SCHEMA: Final = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
_VARIABLES: Final = ("language", "region", "log-level", "batch-size", "cache-url", "registry-token", "seed")
_PREDICTION_COUNT: Final = 60


def fill(users: Users, catalog: Catalog, functions: Models, variables: Records, predictions: PredictionStore) -> None:
    """Add users, their models, variables and past predictions; existing data is left unchanged."""
    for name, (display_name, location) in _USERS.items():
        users.named(name, display_name=display_name, location=location)
        for model_name in _FUNCTIONS:
            functions.setdefault(f"{name}/{model_name}", _model(model_name))
            _describe(catalog, f"{name}/{model_name}", model_name)
    for name in _VARIABLES:
        if variables.get(name) is None:
            key = name.upper().replace("-", "_")
            secret = name.endswith("token")
            variables.create({"name": name, "key": key, "value": f"the {name}", "secret": secret})
    for number in range(_PREDICTION_COUNT):
        _predict(catalog, predictions, number)


def _model(name: str) -> Model:
    function = _FUNCTIONS[name][2]
    return Model(lambda given: function(given["text"]), _INPUT_SCHEMA)


def _describe(catalog: Catalog, reference: str, name: str) -> None:
    description, category, _ = _FUNCTIONS[name]
    record = catalog.find(reference)
    if record.fields["description"] is None:
        record.fields |= {
            "description": description,
            "categories": categories([category]),
            "overview": f"# {name}\n\n{description}",
        }


def _predict(catalog: Catalog, predictions: PredictionStore, number: int) -> None:
    """Add a past prediction; every seventh failed."""
    owner = list(_USERS)[number % len(_USERS)]
    name = list(_FUNCTIONS)[number * number % len(_FUNCTIONS)]
    record = catalog.find(f"{owner}/{name}")
    text = f"Sample number {number}"
    prediction = predictions.create(record.reference, 1, {"text": text})
    record.predictions_count += 1
    prediction.move("started")
    if number % 7:
        prediction.output = _FUNCTIONS[name][2](text)
        prediction.move("succeeded")
    else:
        prediction.error = {"source": "external", "message": "out of memory", "detail": None}
        prediction.move("failed")
    predictions.retire(prediction)
