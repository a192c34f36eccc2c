"""Primitives: what the vectors do not reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import primitives
from consent.keys import BoxKey, SigningKey
from consent.primitives import Rejected, b32, b64, pad, padme, unb32, unb64, unpad
from tests.consent.verdicts import verdict


@given(st.binary(max_size=3000))
def test_padding_comes_off_as_it_went_on(data):
    """Padding is taken off exactly, and the size is one of Padmé's."""
    assert unpad(pad(data)) == data
    assert len(pad(data)) == padme(len(data) + 1)


@given(st.integers(0, 2**40))
def test_padme_wastes_at_most_an_eighth(length):
    """Never smaller than asked, at most 12 % larger, and a size pads to itself."""
    size = padme(length)
    assert size >= length
    assert size == 256 or size * 100 <= length * 112
    assert padme(size) == size


@given(st.binary(max_size=300))
def test_only_padded_bytes_are_unpadded(data):
    """What can be taken off would be put on the same way."""
    found: list[bytes] = []
    assert verdict(lambda: found.append(unpad(data))) in ("ok", {"kind": "broken", "reason": "padding"})
    assert [pad(plain) for plain in found] in ([], [data])


@given(st.binary(max_size=60))
def test_text_of_bytes_has_one_spelling(data):
    """base64url and base32 go back and forth."""
    assert unb64(b64(data), len(data)) == data
    assert unb32(b32(data), len(data)) == data


@given(st.text(max_size=40))
def test_any_other_text_is_rejected(text):
    """Text that decodes is the one spelling of its bytes; all else is `fields`."""
    for decode, encode in ((unb64, b64), (lambda t: unb32(t, 5), b32)):
        found: list[bytes] = []
        said = verdict(lambda decode=decode, found=found: found.append(decode(text)))
        assert said in ("ok", {"kind": "broken", "reason": "fields"})
        assert [encode(data) for data in found] in ([], [text])


def test_sealed_box_opens_for_its_key_only():
    """Another key, a short box and an empty one are `seal`."""
    key, other = BoxKey.generate(), BoxKey.generate()
    sealed = primitives.seal_box(b"hello", key.public)
    assert key.open(sealed) == b"hello"
    for who, what in ((other, sealed), (key, sealed[:-1]), (key, b""), (key, sealed[:48])):
        with pytest.raises(Rejected, match="seal"):
            who.open(what)


@pytest.mark.parametrize("public", [bytes(32), (1).to_bytes(32, "little"), b"\xff" * 31, b""])
def test_nothing_is_sealed_to_a_key_that_is_none(public):
    """Points of low order, and keys of another size."""
    with pytest.raises(Rejected, match="key"):
        primitives.seal_box(b"hello", public)


@pytest.mark.parametrize("public", [bytes(32), (1).to_bytes(32, "little"), b"\xff" * 32])
def test_no_signature_verifies_under_a_weak_key(public):
    """Points of low order and of no curve verify nothing, not even the zero signature."""
    for signature in (bytes(64), bytes(63) + b"\x10", (1).to_bytes(32, "little") + bytes(32)):
        with pytest.raises(Rejected, match="signature"):
            primitives.verify(public, bytes(32), signature)


def test_signature_with_a_second_spelling_is_refused():
    """S plus the order of the group is the same signature to some libraries; it is not to libsodium."""
    key = SigningKey(bytes(32))
    signature = key.sign(b"digest" * 6)
    order = 2**252 + 27742317777372353535851937790883648493
    other = signature[:32] + (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    primitives.verify(key.public, b"digest" * 6, signature)
    for bad in (other, signature[:-1], signature + b"\x00", b""):
        with pytest.raises(Rejected, match="signature"):
            primitives.verify(key.public, b"digest" * 6, bad)


def test_encryption_is_bound_to_key_nonce_and_data():
    """Each of them altered is `aead`, and so is what is too short to hold a tag."""
    key, nonce = b"k" * 32, b"n" * 24
    sealed = primitives.encrypt(key, nonce, b"data", b"hello")
    assert primitives.decrypt(key, nonce, b"data", sealed) == b"hello"
    for args in (
        (b"l" * 32, nonce, b"data", sealed), (key, b"m" * 24, b"data", sealed), (key, nonce, b"date", sealed),
        (key, nonce, b"data", sealed[:15]), (key, nonce[:23], b"data", sealed), (key[:31], nonce, b"data", sealed),
    ):  # fmt: skip
        with pytest.raises(Rejected, match="aead"):
            primitives.decrypt(*args)
