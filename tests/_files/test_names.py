"""Names of files that strangers choose."""

import unicodedata
from itertools import islice
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given

from tests.support.fuzzing import BATCH, Batch, Chance, batches, fuzzed
from wriftai_anyio._files.names import LONGEST_NAME, disposition_name, name_in, name_of, numbered, safe_name

ADDRESS = httpx.URL("https://store.example/outputs/cat.png?signature=x/y.exe")
RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("cat.png", "cat.png"),
        ("Ähre 猫.png", "Ähre 猫.png"),
        (".bash_profile", "bash_profile"),
        ("-rf", "rf"),
        (". -.x", "x"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("C:\\x.png", "x.png"),
        ("x.png:stream", "x.png_stream"),
        ("a\nb\0c\x1b[31m.png", "a_b_c_[31m.png"),
        ("photo\u202egnp.exe", "photo_gnp.exe"),
        ("x.png. . ", "x.png"),
        ("CON", "_CON"),
        ("nul.tar.gz", "_nul.tar.gz"),
        ("com¹.txt", "_com¹.txt"),
        ("console.txt", "console.txt"),
        ("con" + " " * 200 + "x", "_con"),
        ("\udcff.png", "_.png"),
        ("..", ""),
        ("a/", "a"),
        ("/", ""),
        ("", ""),
    ],
)
def test_name_is_made_safe(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_long_name_keeps_its_suffix() -> None:
    safe = safe_name("猫" * 300 + ".png")
    assert safe == "猫" * 38 + ".png"
    assert len(safe_name("x." + "y" * 300).encode()) == LONGEST_NAME


def assert_safe(name: str) -> None:
    assert not name.startswith((".", "-", " "))
    assert not name.endswith((".", " "))
    assert not set('/\\:*?"<>|') & set(name)
    assert not {"Cc", "Cf", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in name}
    assert name.partition(".")[0].strip().lower() not in RESERVED
    assert len(name.encode()) <= LONGEST_NAME + 1


def check_name(name: str) -> None:
    safe = safe_name(name)
    assert_safe(safe)
    assert safe_name(safe) == safe
    for other in islice(numbered(safe or "x"), 3):
        assert Path(other).name == other


PIECES = (*".-/\\ cConNuUlL0\n\0:", "..", "CON", "lpt1", "com¹", ".txt", "é", "e\u0301", "\u202e", "\ud800", "猫" * 20)


def file_names(chance: Chance) -> str:
    """Makes names: of any characters, of pieces that mean something to a file system, and far too long."""
    return chance.any_of(
        lambda chance: chance.text(30),
        lambda chance: chance.joined(PIECES, 12),
        lambda chance: chance.text(5) * chance.randint(1, 80) + chance.joined(PIECES, 3),
    )


@fuzzed(1000, each=BATCH)
@given(batches)
def test_any_name_is_made_safe_once_and_for_all(batch: Batch) -> None:
    for chance in batch:
        check_name(file_names(chance))


def test_name_of_dashes_before_a_dot_is_made_safe() -> None:
    check_name("-" * 200 + ".")


def test_long_name_that_is_reserved_on_windows_is_made_safe() -> None:
    check_name("CON." + "x" * 200)
    check_name("/CON..lpt1" + "猫" * 19 + "o.txt " + "猫" * 18 + ":\x00")


PATHS = ("/%2e%2e%2f.x", "/%00", "/a%2fb", "/..%5c..%5cx", "/%ff%fe", "/", "")


@fuzzed(1000, each=BATCH)
@given(batches)
def test_any_answer_gives_a_safe_name(batch: Batch) -> None:
    for chance in batch:
        disposition = chance.any_of(
            lambda chance: chance.bytes(60),
            lambda chance: file_names(chance).encode("utf-8", "surrogatepass"),
            lambda chance: b'"' + quote(file_names(chance), errors="replace").encode() + b'"',
        )
        headers = httpx.Headers(
            [
                (b"content-disposition", b"attachment; filename=" + disposition),
                (b"content-disposition", b"attachment; filename*=utf-8''" + disposition),
                (b"content-type", chance.bytes(30)),
            ]
        )
        path = chance.any_of(lambda chance: chance.choice(PATHS), file_names)
        try:
            address = httpx.URL("https://store.example").copy_with(path=f"/{path}".replace("//", "/"))
        except (httpx.InvalidURL, UnicodeEncodeError):  # a lone surrogate is no address
            continue
        name = name_of(address, headers)
        assert name
        assert_safe(name)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=cat.png", "cat.png"),
        ('inline; FileName = "a cat.png"', "a cat.png"),
        (r'attachment; filename="a \"cat\"; x.png"', 'a "cat"; x.png'),
        ("attachment; filename=\"plain.png\"; filename*=UTF-8''caf%C3%A9.png", "café.png"),
        ("attachment; filename*=utf-8'en'%e2%82%ac.png; filename=x.png", "€.png"),
        ("attachment; filename*=iso-8859-1''caf%E9.png", "café.png"),
        ("attachment; filename*=koi8-r''caf%E9.png; filename=x.png", "x.png"),
        ("attachment; filename*=nonsense; filename=x.png", "x.png"),
        ("attachment; xfilename=y; filename=x.png; filename=z.png", "x.png"),
        ('attachment; x="; filename=y"; filename=x.png', "x.png"),
        ("attachment", ""),
        ("attachment; filename=", ""),
        ('attachment; filename="unended', ""),
        ("", ""),
    ],
)
def test_name_is_read_from_the_content_disposition(header: str, name: str) -> None:
    assert disposition_name({"content-disposition": header}) == name


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"content-disposition": "attachment; filename=dog.jpg", "content-type": "image/png"}, "dog.jpg"),
        ({"content-disposition": "attachment; filename=dog", "content-type": "image/png"}, "dog.png"),
        ({"content-disposition": "attachment; filename=../.."}, "cat.png"),
        ({"content-disposition": b"attachment; filename=caf\xe9.png"}, "café.png"),
        ({"content-disposition": b"attachment; filename=caf\xc3\xa9.png"}, "café.png"),
        ({}, "cat.png"),
    ],
)
def test_name_is_the_servers_or_that_of_the_address(headers: dict[str, str | bytes], name: str) -> None:
    pairs = [(key.encode(), value.encode() if isinstance(value, str) else value) for key, value in headers.items()]
    assert name_of(ADDRESS, httpx.Headers(pairs)) == name


def test_name_without_a_suffix_gets_that_of_its_type() -> None:
    address = httpx.URL("https://store.example/files/1d2e")
    assert name_of(address, httpx.Headers({"content-type": "audio/x-wav"})) == "1d2e.wav"
    assert name_of(address, httpx.Headers({"content-type": "application/octet-stream"})) == "1d2e"
    assert name_of(httpx.URL("https://store.example"), httpx.Headers({"content-type": "image/webp"})) == "file.webp"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://store.example/a/cat.png?x=/y#/z", "cat.png"),
        ("https://store.example/a%2F.b%20c", "b c"),
        ("https://store.example/caf%C3%A9", "café"),
        ("https://store.example/", ""),
        ("https://store.example", ""),
    ],
)
def test_name_at_the_end_of_an_address(address: str, name: str) -> None:
    assert name_in(address) == name


def test_numbers_come_before_the_suffix() -> None:
    assert list(islice(numbered("cat.tar.gz"), 3)) == ["cat.tar.gz", "cat.tar-2.gz", "cat.tar-3.gz"]
    assert list(islice(numbered("cat"), 2)) == ["cat", "cat-2"]
