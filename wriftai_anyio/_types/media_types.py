"""Media types by file name suffix, the same on every machine."""

import mimetypes
from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

DEFAULT_MEDIA_TYPE: Final = "application/octet-stream"

# The standard library's table differs by version (`image/webp` was added in 3.13), and `guess_type` adds entries of
# the machine's own files, which slim images lack. So the types that models take and give are listed here. Where
# several suffixes have one type, the usual one comes first.
_MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".aac": "audio/aac",
        ".aiff": "audio/aiff",
        ".apng": "image/apng",
        ".avi": "video/x-msvideo",
        ".avif": "image/avif",
        ".bmp": "image/bmp",
        ".css": "text/css",
        ".csv": "text/csv",
        ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ".epub": "application/epub+zip",
        ".flac": "audio/flac",
        ".fbx": "application/octet-stream",
        ".gif": "image/gif",
        ".glb": "model/gltf-binary",
        ".gltf": "model/gltf+json",
        ".heic": "image/heic",
        ".heif": "image/heif",
        ".html": "text/html",
        ".htm": "text/html",
        ".ico": "image/vnd.microsoft.icon",
        ".jpg": "image/jpeg",
        ".jpeg": "image/jpeg",
        ".js": "text/javascript",
        ".json": "application/json",
        ".jsonl": "application/jsonl",
        ".jxl": "image/jxl",
        ".m4a": "audio/mp4",
        ".md": "text/markdown",
        ".mid": "audio/midi",
        ".mkv": "video/x-matroska",
        ".mov": "video/quicktime",
        ".mp3": "audio/mpeg",
        ".mp4": "video/mp4",
        ".m4v": "video/mp4",
        ".mpeg": "video/mpeg",
        ".mpg": "video/mpeg",
        ".ndjson": "application/x-ndjson",
        ".npy": "application/octet-stream",
        ".npz": "application/octet-stream",
        ".obj": "model/obj",
        ".ogg": "audio/ogg",
        ".oga": "audio/ogg",
        ".ogv": "video/ogg",
        ".opus": "audio/opus",
        ".parquet": "application/vnd.apache.parquet",
        ".pdf": "application/pdf",
        ".ply": "application/octet-stream",
        ".png": "image/png",
        ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ".psd": "image/vnd.adobe.photoshop",
        ".safetensors": "application/octet-stream",
        ".srt": "application/x-subrip",
        ".stl": "model/stl",
        ".svg": "image/svg+xml",
        ".tar": "application/x-tar",
        ".tif": "image/tiff",
        ".tiff": "image/tiff",
        ".toml": "application/toml",
        ".tsv": "text/tab-separated-values",
        ".txt": "text/plain",
        ".usdz": "model/vnd.usdz+zip",
        ".vtt": "text/vtt",
        ".wasm": "application/wasm",
        ".wav": "audio/wav",
        ".weba": "audio/webm",
        ".webm": "video/webm",
        ".webp": "image/webp",
        ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ".xml": "application/xml",
        ".yaml": "application/yaml",
        ".yml": "application/yaml",
        ".zip": "application/zip",
    }
)

# Other names that servers use.
_SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {type_: suffix for suffix, type_ in reversed(list(_MEDIA_TYPES.items())) if type_ != DEFAULT_MEDIA_TYPE}
    | {
        "application/x-zip-compressed": ".zip",
        "audio/mp3": ".mp3",
        "audio/vnd.wave": ".wav",
        "audio/wave": ".wav",
        "audio/x-flac": ".flac",
        "audio/x-m4a": ".m4a",
        "audio/x-wav": ".wav",
        "image/jpg": ".jpg",
        "image/x-icon": ".ico",
        "text/xml": ".xml",
    }
)


def media_type_of(name: str) -> str:
    """Returns the media type for a file name; the default if its suffix is unknown."""
    known = _MEDIA_TYPES.get(PurePath(name).suffix.lower())
    if known is not None:
        return known
    guess, compression = _library().guess_type(name, strict=False)
    return guess if guess and not compression else DEFAULT_MEDIA_TYPE


def suffix_of(media_type: str) -> str:
    """Returns the usual suffix of files of a media type, with its dot; empty if there is none."""
    plain = media_type.partition(";")[0].strip().lower()
    known = _SUFFIXES.get(plain)
    if known is not None:
        return known
    return "" if plain == DEFAULT_MEDIA_TYPE else _library().guess_extension(plain, strict=False) or ""


@lru_cache(maxsize=1)
def _library() -> mimetypes.MimeTypes:
    # An instance uses only the library's table, while the module's functions also read the machine's files.
    return mimetypes.MimeTypes()
