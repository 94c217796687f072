"""Paths below the base URL, made of checked ids, names and model references."""

import re
from typing import NamedTuple

from wriftai_anyio._parsing.arguments import shown
from wriftai_anyio._parsing.ids import segment

_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)


class ModelReference(NamedTuple):
    """A model as users name it, `owner/name` or `owner/name:number`."""

    owner: str
    name: str
    version: str | None

    @property
    def path(self) -> str:
        """The model's path below the base URL."""
        return f"/models/{segment(self.owner, 'model')}/{segment(self.name, 'model')}"


def model_reference(value: str, argument: str = "model") -> ModelReference:
    """Parses a model reference.

    Args:
        value: `owner/name` or `owner/name:number`.
        argument: The name of the caller's argument.

    Raises:
        ValueError: If it is neither.
    """
    owner, slash, rest = value.partition("/") if isinstance(value, str) else ("", "", "")
    name, colon, version = rest.partition(":")
    is_whole = bool(owner and slash and name) and bool(colon) == bool(_VERSION.fullmatch(version))
    if not is_whole or "/" in name or ":" in owner:
        raise ValueError(f"{argument} must be owner/name or owner/name:number, not {shown(value)}.")
    for part in (owner, name):
        segment(part, argument)
    return ModelReference(owner, name, version or None)


def model_path(identifier: str) -> str:
    """Returns the path of a model.

    Args:
        identifier: `owner/name`.

    Raises:
        ValueError: If it is anything else.
    """
    reference = model_reference(identifier, "identifier")
    if reference.version is not None:
        raise ValueError(f"identifier must be owner/name, without a version number: not {shown(identifier)}.")
    return reference.path


def version_path(identifier: str) -> str:
    """Returns the path of a model version.

    Args:
        identifier: `owner/name:number`.

    Raises:
        ValueError: If it is anything else.
    """
    reference = model_reference(identifier, "identifier")
    if reference.version is None:
        raise ValueError(f"identifier must be owner/name:number, not {shown(identifier)}.")
    return f"{reference.path}/versions/{reference.version}"


def prediction_path(prediction_id: str, below: str = "") -> str:
    """Returns the path of a prediction.

    Args:
        prediction_id: The prediction's id.
        below: The rest of the path, with a leading slash.

    Raises:
        ValueError: If the id is not valid.
    """
    return f"/predictions/{segment(prediction_id, 'prediction_id')}{below}"
