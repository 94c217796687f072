"""Media types, which are the same on every machine."""

import mimetypes

import pytest

from wriftai_anyio._types.media_types import media_type_of, suffix_of


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.webp", "image/webp"),
        ("a.PNG", "image/png"),
        ("a.b.flac", "audio/flac"),
        ("a.glb", "model/gltf-binary"),
        ("a.jsonl", "application/jsonl"),
        ("a.tar.gz", "application/octet-stream"),
        ("a.unheard-of", "application/octet-stream"),
        ("png", "application/octet-stream"),
        (".png", "application/octet-stream"),
        ("", "application/octet-stream"),
    ],
)
def test_type_follows_from_the_suffix(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


def test_tables_of_the_machine_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mimetypes.types_map, ".png", "image/of-this-machine")
    monkeypatch.setitem(mimetypes.types_map, ".of-this-machine", "image/of-this-machine")
    assert media_type_of("a.png") == "image/png"
    assert media_type_of("a.of-this-machine") == "application/octet-stream"


@pytest.mark.parametrize(
    ("media_type", "suffix"),
    [
        ("image/jpeg", ".jpg"),
        ("IMAGE/PNG", ".png"),
        ("text/plain; charset=utf-8", ".txt"),
        ("audio/x-wav", ".wav"),
        ("video/mp4", ".mp4"),
        ("text/html", ".html"),
        ("application/octet-stream", ""),
        ("x/unheard-of", ""),
        ("", ""),
    ],
)
def test_suffix_follows_from_the_type(media_type: str, suffix: str) -> None:
    assert suffix_of(media_type) == suffix
