"""Signatures: the published verifier's verdicts where it gives one, a typed error where it crashes."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fuzzing import BATCH, Batch, Chance, batches, fuzzed
from tests.support.signing import SECRET, now, signature_of, signed
from wriftai_anyio import (
    WebhookNoSignatureError,
    WebhookNoTimestampError,
    WebhookSignatureMismatchError,
    WebhookSignatureVerificationError,
    WebhookTimestampOutsideToleranceError,
    WriftAIError,
    verify_webhook,
)

BODY = b'{"id": "1", "status": "succeeded"}'


@pytest.mark.parametrize("age", [0, 298, -298])
def test_a_right_signature_within_the_tolerance_is_accepted(age: int) -> None:
    verify_webhook(BODY, signed(BODY, age=age), SECRET)


@pytest.mark.parametrize("age", [302, -302])
def test_a_timestamp_outside_the_tolerance_is_refused_either_way(age: int) -> None:
    with pytest.raises(WebhookTimestampOutsideToleranceError):
        verify_webhook(BODY, signed(BODY, age=age), SECRET)


def test_the_tolerance_can_be_set() -> None:
    verify_webhook(BODY, signed(BODY, age=302), SECRET, 400)
    with pytest.raises(WebhookTimestampOutsideToleranceError):
        verify_webhook(BODY, signed(BODY, age=12), SECRET, tolerance=10)


def test_any_of_several_secrets_and_any_of_several_signatures_will_do() -> None:
    signed_at = now()
    header = f"t={signed_at},v1={'0' * 64},v1={signature_of(BODY, signed_at, 'new')}"
    verify_webhook(BODY, header, ["old", "new"])
    with pytest.raises(WebhookSignatureMismatchError):
        verify_webhook(BODY, header, ["old", "older"])


def test_the_scheme_can_be_another() -> None:
    header = signed(BODY).replace("v1=", "v2=")
    verify_webhook(BODY, header, SECRET, scheme="v2")
    with pytest.raises(WebhookNoSignatureError):
        verify_webhook(BODY, header, SECRET)


def test_a_header_as_bytes_is_read_as_well() -> None:
    verify_webhook(BODY, signed(BODY).encode(), SECRET)


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        (None, WebhookNoTimestampError),
        ("", WebhookNoTimestampError),
        ("v1=aa", WebhookNoTimestampError),
        ("t,v1=aa", WebhookNoTimestampError),
        ("t=,v1=aa", WebhookNoTimestampError),
        ("t=12.5,v1=aa", WebhookNoTimestampError),
        ("t=" + "9" * 5000 + ",v1=aa", WebhookNoTimestampError),
        ("t=1", WebhookNoSignatureError),
        ("t=1,v1=", WebhookNoSignatureError),
        ("t=1, v1=aa", WebhookNoSignatureError),
        ("t=" + "9" * 4000 + ",v1=aa", WebhookTimestampOutsideToleranceError),
        ("t=-1,v1=aa", WebhookTimestampOutsideToleranceError),
        (b"t=\xff,v1=\xfe", WebhookNoTimestampError),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_malformed_header_is_an_error_of_its_kind(header: str | bytes | None, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        verify_webhook(BODY, header, SECRET)
    assert isinstance(caught.value, (WriftAIError, ValueError))


@pytest.mark.parametrize("noise", ["é", "\udc80", "\u2028", "\x00"])
def test_a_signature_that_is_no_ascii_is_a_mismatch(noise: str) -> None:
    with pytest.raises(WebhookSignatureMismatchError):
        verify_webhook(BODY, f"t={now()},v1={noise}", SECRET)


@pytest.mark.parametrize("timestamp", ["9" * 4000, "-" + "9" * 4000])
def test_timestamps_of_any_size_are_compared(timestamp: str) -> None:
    with pytest.raises(WebhookTimestampOutsideToleranceError):
        verify_webhook(BODY, f"t={timestamp},v1=aa", SECRET)


@pytest.mark.parametrize("tolerance", [10**4001, -1, 300.0, float("inf"), float("nan"), "300", None, True])
def test_a_tolerance_that_cannot_be_right_is_refused_whatever_the_header_says(tolerance: Any) -> None:
    for header in (signed(BODY), "t=1e999,v1=aa", None):
        with pytest.raises(ValueError, match="tolerance must be a whole number"):
            verify_webhook(BODY, header, SECRET, tolerance)


@pytest.mark.parametrize("header", [5, ["t=1,v1=aa"], 1.5, {"t": 1}])
def test_a_header_that_is_not_a_string_is_a_typed_error(header: Any) -> None:
    with pytest.raises(WebhookSignatureVerificationError):
        verify_webhook(BODY, header, SECRET)


@pytest.mark.parametrize("scheme", ["", None, 1])
def test_a_scheme_that_cannot_be_right_is_refused(scheme: Any) -> None:
    with pytest.raises(ValueError, match="scheme must be a string"):
        verify_webhook(BODY, signed(BODY), SECRET, scheme=scheme)


def test_a_payload_that_was_decoded_is_refused() -> None:
    with pytest.raises(WebhookSignatureVerificationError, match="raw bytes"):
        verify_webhook(BODY.decode(), signed(BODY), SECRET)  # type: ignore[arg-type]


def test_a_payload_that_is_every_other_byte_of_a_buffer_is_verified_as_what_it_is() -> None:
    spread = memoryview(bytes(byte for pair in zip(BODY, b"x" * len(BODY), strict=True) for byte in pair))[::2]
    verify_webhook(spread, signed(BODY), SECRET)  # type: ignore[arg-type]
    with pytest.raises(WebhookSignatureMismatchError):
        verify_webhook(spread[1:], signed(BODY), SECRET)  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", ["", [], [""], ["good", ""], [None], "\udc80", " \t\n", "\0\0", [" \0"]])
def test_a_secret_that_anyone_could_know_is_refused_as_a_bad_argument(secret: str | list[str]) -> None:
    with pytest.raises(ValueError, match="secret") as caught:
        verify_webhook(BODY, signed(BODY), secret)
    assert not isinstance(caught.value, WebhookSignatureVerificationError)


KINDS = (
    WebhookNoTimestampError,
    WebhookNoSignatureError,
    WebhookTimestampOutsideToleranceError,
    WebhookSignatureMismatchError,
)


def published_verdict(payload: bytes, header: str) -> str:
    """Returns "accepted", the name of the error, or "crash"."""
    published = pytest.importorskip("wriftai")
    return _verdict(lambda: published.verify_webhook(payload, header, SECRET))


def our_verdict(payload: bytes, header: str) -> str:
    return _verdict(lambda: verify_webhook(payload, header, SECRET))


def _verdict(verify: Callable[[], None]) -> str:
    try:
        verify()
    except Exception as error:
        name = type(error).__name__
        return name if name in {kind.__name__ for kind in KINDS} else "crash"
    return "accepted"


ORDERS = ((0, 1), *permutations(range(3)), *permutations(range(3), 2), (0,), (1,), ())


def timestamps(chance: Chance) -> str:
    """Makes timestamps: right ones, dressed up ones, and noise."""
    near = str(now() + chance.randint(-280, 280))
    dressed = chance.choice([near, f" {near} ", f"+{near}", f"000{near}", f"1_{near}"])
    other = chance.any_of(lambda chance: str(chance.integer() % 10**40), lambda chance: chance.text(8))
    return chance.choice([near, near, dressed, other, "9" * 5000 if chance.random() < 0.1 else "-1"])


def noise(chance: Chance) -> str:
    """Makes an item of a header that is not a second signature."""
    text = chance.text(6).replace(",", "")
    return "" if text.startswith("v1=") else text


def headers(chance: Chance, payload: bytes) -> str:
    """Makes headers: right ones, nearly right ones, and noise; with one signature at most."""
    timestamp = timestamps(chance)
    try:
        right = signature_of(payload, int(timestamp))
    except ValueError:
        right = "0" * 64
    signature = chance.choice([right, right, right.upper(), right[:-1], "0" * 64, "é" * 64, "", "\udcff"])
    items = [f"t={timestamp}", f"v1={signature}", noise(chance)]
    return chance.choice([",", ",", ", "]).join(items[index] for index in chance.choice(ORDERS))


@fuzzed(5000, each=BATCH)
@given(batches)
def test_generated_headers_and_bodies_get_the_published_verdict_or_a_typed_error(batch: Batch) -> None:
    for chance in batch:
        payload = chance.bytes(64)
        header = chance.text() if chance.random() < 0.2 else headers(chance, payload)
        expected = published_verdict(payload, header)
        ours = our_verdict(payload, header)
        right = {kind.__name__ for kind in KINDS} if expected == "crash" else {expected}
        assert ours in right, (payload, header)


@fuzzed(200)
@given(st.lists(st.sampled_from(["right", "0" * 64, "", "é"]), min_size=1, max_size=4))
def test_several_signatures_are_accepted_exactly_if_the_published_verifier_accepts_one(marks: list[str]) -> None:
    signed_at = now()
    values = [signature_of(BODY, signed_at) if mark == "right" else mark for mark in marks]
    alone = {published_verdict(BODY, f"t={signed_at},v1={value}") for value in values}
    together = our_verdict(BODY, ",".join([f"t={signed_at}", *(f"v1={value}" for value in values)]))
    assert (together == "accepted") == ("accepted" in alone)


@fuzzed(5000, each=BATCH)
@given(batches)
def test_a_header_of_any_bytes_is_a_typed_error(batch: Batch) -> None:
    for chance in batch:
        with pytest.raises(WebhookSignatureVerificationError):
            verify_webhook(BODY, chance.bytes(80), SECRET)
