"""What became of a create that failed: certainly nothing, or perhaps a prediction that runs and costs money."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote

import httpx

from wriftai_anyio._parsing.ids import is_id
from wriftai_anyio._transport.addresses import location_of
from wriftai_anyio.errors import (
    APIConnectionError,
    APIResponseError,
    APIStatusError,
    CreateOutcomeUnknown,
    request_id_of,
)
from wriftai_anyio.json_codec import id_in_json

_GIVEN_UP_ON_THE_WAY: Final = frozenset({408, 499})
"""Answers of 4xx to a create that the server may have taken: request timeout, and client closed request."""


@contextmanager
def outcome_told() -> Generator[None]:
    """Turns a failure of the create in the block into the error that says what the create may have done.

    Raises:
        CreateOutcomeUnknown: If the server may have taken it.
    """
    try:
        yield
    except APIConnectionError as error:
        if not error.request_sent:
            raise
        raise outcome_unknown(error, error.response) from error
    except APIResponseError as error:
        # A redirect to a prediction is how a server may answer that has created it (303).
        if error.response.is_redirect and _told_id(error.response) is None:
            raise
        raise outcome_unknown(error, error.response) from error
    except APIStatusError as error:
        if error.status_code < 500 and error.status_code not in _GIVEN_UP_ON_THE_WAY:
            raise
        raise outcome_unknown(error, error.response) from error


def outcome_unknown(seen: object, response: httpx.Response | None = None) -> CreateOutcomeUnknown:
    """Makes the error for a create that the server may have taken.

    Args:
        seen: What was seen of it, for the message.
        response: Its answer, or what came of it, if there was any.
    """
    prediction_id = None if response is None else _told_id(response)
    if prediction_id is None:
        look = "Check with predictions.list() before you create it again."
    else:
        look = (
            "The part of the answer that arrived names the prediction: check it with "
            f"predictions.get({prediction_id!r})."
        )
    return CreateOutcomeUnknown(
        "The create was sent, but it is not known whether the server created the prediction. It was not sent again. "
        f"{look} ({seen})",
        prediction_id=prediction_id,
        request_id=request_id_of(response) if response is not None else None,
    )


def _told_id(response: httpx.Response) -> str | None:
    """Returns the id in an answer's `Location`, or in a body that is incomplete or not as promised."""
    located = _located(location_of(response))
    if located is not None or not response.is_success:
        return located
    found = id_in_json(response.content.decode("utf-8", "surrogateescape"))
    return found if is_id(found) else None


_LOCATION: Final = r"(?:^|/)predictions/([^/?#]+)/?(?:[?#].*)?"


def _located(location: str) -> str | None:
    # A proxy's answer may lead anywhere.
    match = re.search(_LOCATION, location)
    prediction_id = unquote(match[1]) if match and match.end() == len(location) else None
    return prediction_id if is_id(prediction_id) else None
