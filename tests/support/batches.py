"""What the tests of batches share: a model, inputs for it, and what becomes of them."""

from collections.abc import Iterable
from typing import Any

from wriftai_anyio import Client
from wriftai_anyio.batch import BatchResult
from wriftai_anyio.predictions import AsyncWaitOptions, CreatePredictionParams
from wriftai_anyio.sandbox import Sandbox

MODEL = "me/upper"
QUICK = AsyncWaitOptions(poll_interval=0.02)
SLEEPS: list[CreatePredictionParams] = [{"input": {"seconds": 60}}] * 3


def upper(value: Any) -> str:
    """The model."""
    if value["text"] == "bad":
        raise ValueError("bad input")
    text: str = value["text"].upper()
    return text


def client_of(sandbox: Sandbox, **options: Any) -> Client:
    return Client(sandbox.access_token, sandbox.base_url, **options)


def texts(count: int) -> list[CreatePredictionParams]:
    """Makes inputs for the model."""
    return [{"input": {"text": f"t{number}"}} for number in range(count)]


def expected(count: int) -> dict[int, str]:
    """Says what the model makes of them."""
    return {number: f"T{number}" for number in range(count)}


def outputs(results: Iterable[BatchResult]) -> dict[int, Any]:
    """Returns the outputs of those that have one, by index."""
    return {each.index: each.prediction["output"] for each in results if each.prediction is not None}


async def collected(client: Client, inputs: Any, model: str = MODEL, **options: Any) -> list[BatchResult]:
    """Runs a batch to its end."""
    options.setdefault("wait_options", QUICK)
    async with client.predictions.async_batch(inputs, model, **options) as results:
        return [each async for each in results]
