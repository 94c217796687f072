"""Finds the model version for a reference."""

from typing import TYPE_CHECKING

from ._answers import at

if TYPE_CHECKING:
    from wriftai_anyio import Client


def version_of(client: "Client", reference: str) -> object:
    """Gets a version of a model.

    Args:
        client: Sends the requests.
        reference: `owner/name:number`, or `owner/name` for the latest version.

    Raises:
        ValueError: If the model has no version yet.
        APIStatusError: If the API refuses.
    """
    if ":" in reference:
        return client.model_versions.get(reference)
    version = at(client.models.get(reference), "latest_version")
    if version is None:
        raise ValueError(f"{reference} has no version yet, and so no schemas.")
    return version
