"""Identifies inputs, so that equal ones are recognized, in this run or a later one."""

import hashlib
from collections.abc import Mapping
from os import PathLike, fsdecode

from wriftai_anyio._types.file import File
from wriftai_anyio.json_codec import encode_json


def digest(params: Mapping[str, object], model: str) -> bytes:
    """Identifies an input: equal ones have equal digests, in every process.

    Args:
        params: The input's params, as JSON with files in it.
        model: The model's reference.

    Raises:
        ValueError: If the params have a stream in them, which cannot be compared.
    """
    try:
        text = encode_json([model, params], sort_keys=True, default=_file_identity)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"params cannot be written to a journal: {error}.") from None
    return hashlib.sha256(text.encode()).digest()


def _file_identity(value: object) -> object:
    if isinstance(value, File) and isinstance(value.content, bytes):
        return {"sha256": hashlib.sha256(value.content).hexdigest(), "mime_type": value.mime_type}
    if isinstance(value, File) and isinstance(value.content, PathLike):
        return {"path": fsdecode(value.content), "mime_type": value.mime_type}
    raise TypeError(f"a {type(value).__name__} cannot be compared with that of an earlier run")
