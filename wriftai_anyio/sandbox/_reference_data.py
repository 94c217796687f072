"""Fixed data of the API: hardware and the categories of models."""

from typing import Any, Final

_SINCE: Final = "2025-01-01T00:00:00+00:00"


def _hardware(name: str, gpus: int, cpus: int, vram_gb: int, ram_gib: int) -> dict[str, Any]:
    return {
        "name": name,
        "identifier": name.lower().replace(" ", "-"),
        "gpus": gpus,
        "cpus": cpus,
        "vram_gb": vram_gb,
        "ram_gib": ram_gib,
        "created_at": _SINCE,
        "description": None if gpus else "For models that need no GPU.",
    }


def _category(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "slug": name.lower().replace(" ", "-"), "description": description}


HARDWARE: Final = [
    _hardware("CPU Small", 0, 2, 0, 4),
    _hardware("CPU Large", 0, 16, 0, 64),
    _hardware("T4", 1, 4, 16, 16),
    _hardware("L4", 1, 8, 24, 32),
    _hardware("A100", 1, 12, 80, 144),
    _hardware("A100 x2", 2, 24, 160, 288),
    _hardware("H100", 1, 13, 80, 192),
]

CATEGORIES: Final = [
    _category("Text", "Reading and writing."),
    _category("Translation", "From one language to another."),
    _category("Code", "Programs that write programs."),
    _category("Image", "Making and changing pictures."),
    _category("Vision", "Understanding pictures."),
    _category("Speech", "From speech to text and back."),
    _category("Music", "Composing and playing."),
    _category("Embeddings", "Texts and pictures as vectors."),
]

CATEGORIES_BY_SLUG: Final = {category["slug"]: category for category in CATEGORIES}
HARDWARE_IDENTIFIERS: Final = [item["identifier"] for item in HARDWARE]
