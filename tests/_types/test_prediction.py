"""What a prediction says of its failure, whatever a server makes of the field."""

from typing import Any

import pytest

from tests.support.clients import ID
from wriftai_anyio import PredictionFailedError
from wriftai_anyio.batch import BatchResult

LONG = 10**5000


@pytest.mark.parametrize(
    ("error", "source", "said", "cell"),
    [
        (None, None, ".", None),
        (5, None, ".", None),
        ([{"message": "no"}], None, ".", None),
        ("out of memory", None, ": out of memory", "out of memory"),
        ({"message": "no", "source": 5}, None, ": no", "no"),
        ({"message": ["no"], "source": "internal"}, "internal", ": ['no']", '["no"]'),
        ({"message": LONG}, None, f": {hex(LONG)}", f"1{'0' * 5000}"),
    ],
    ids=["none", "number", "list", "string", "source", "message", "long"],
)
def test_an_error_of_any_shape_is_told(error: object, source: str | None, said: str, cell: str | None) -> None:
    prediction: Any = {"id": ID, "status": "failed", "error": error}
    failed = PredictionFailedError(prediction)
    assert (str(failed), failed.source) == (f"Prediction {ID} failed{said}", source)
    assert BatchResult(0, {"input": {}}, prediction, None).to_row()["error"] == cell
