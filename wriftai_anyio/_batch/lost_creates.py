"""Finds predictions on the server that a killed run created without learning of them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Final

from wriftai_anyio._concurrency import system
from wriftai_anyio._instrumentation.log import logger
from wriftai_anyio._resources.lists import Listing
from wriftai_anyio._types.prediction import Prediction, PredictionWithIO
from wriftai_anyio.errors import WriftAIError
from wriftai_anyio.json_codec import decode_json, encode_json

CLOCKS_APART: Final = timedelta(minutes=2)
"""How far this machine's clock may be ahead of the server's, beyond what the server's answers show."""
WRONG_TIME_ZONE: Final = timedelta(hours=14)
"""How far a clock that noted a time in the future was ahead, at most: one that took local time for UTC."""
MOST_LISTED: Final = 2000
"""How many of the newest predictions are searched at most."""


@dataclass(frozen=True)
class LostCreates:
    """Predictions that may be what a killed run created."""

    predictions: list[PredictionWithIO]

    def claim(self, given: object) -> PredictionWithIO | None:
        """Removes and returns a prediction with this input, if there is one.

        Args:
            given: The input.
        """
        try:
            wanted = decode_json(encode_json(given))
        except (TypeError, ValueError, RecursionError):
            return None
        for prediction in self.predictions:
            if "input" in prediction and prediction["input"] == wanted:
                self.predictions.remove(prediction)
                return prediction
        return None


async def find_lost_creates(
    listing: Listing[Prediction],
    look: Callable[[str], Awaitable[PredictionWithIO]],
    is_known: Callable[[str], Awaitable[bool]],
    model: str,
    since: datetime,
    clock_lead: Callable[[], float] = float,
) -> LostCreates:
    """Looks for predictions that no journal entry knows; call it before a run creates any itself.

    Args:
        listing: The list of predictions, newest first.
        look: Gets a prediction with its input.
        is_known: Whether an entry of the journal has a prediction's id.
        model: The model's reference.
        since: When the first create was sent whose outcome is unknown.
        clock_lead: Returns the seconds by which this machine's clock is ahead of the server's, going by its latest
            answer.

    Returns:
        What was found; if the API fails, what was found until then.
    """
    lost = LostCreates([])
    seen: set[str] = set()
    try:
        listed = 0
        async for prediction in listing.items({"page_size": 50}):
            listed += 1
            # The answer that brought this item shows how far the clocks are apart.
            earliest = _earliest(since, timedelta(seconds=clock_lead())).isoformat()
            # Both in UTC, so that they compare as strings, whatever digits of a second follow.
            created_at = prediction.get("created_at")
            if listed > MOST_LISTED or (created_at and created_at[:19] < earliest[:19]):
                break
            if prediction["id"] in seen:
                continue  # pages shift while they are read, so that one comes twice
            seen.add(prediction["id"])
            if model in _references(prediction) and not await is_known(prediction["id"]):
                lost.predictions.append(await look(prediction["id"]))
    except WriftAIError as error:
        logger.warning("could not search for predictions that an earlier run of this batch may have created: %s", error)
    return lost


def _earliest(since: datetime, lead: timedelta) -> datetime:
    """Returns the earliest time of the server's clock at which a create can have been taken.

    Args:
        since: When it was sent, by a clock that may have been ahead.
        lead: How far this machine's clock is ahead now.
    """
    earliest = since - CLOCKS_APART - lead
    is_to_come = earliest > datetime.fromtimestamp(system.wall_time(), timezone.utc) - lead
    return earliest - WRONG_TIME_ZONE if is_to_come else earliest


def _references(prediction: Prediction) -> tuple[str, ...]:
    model = prediction.get("model")
    if not model:
        return ()
    name = f"{model['owner']}/{model['name']}"
    return name, f"{name}:{model['version_number']}"
