"""Signed messages: who may say what to whom, and for how long it counts."""

import pytest

from consent import messages
from consent.keys import BoxKey, SigningKey
from consent.messages import MAX_AGE_SECONDS
from consent.primitives import Rejected, b64, pad, random_bytes, seal_box
from tests.consent import world
from tests.consent.world import START


@pytest.fixture(scope="module")
def parties():
    """A practice and a patient."""
    return world.organisation("praxis"), world.person()


def request(practice, patient, typ="request", at=START, content=b"{}", key=None):
    """A message of the practice to the patient."""
    return messages.write(
        key or practice.sign, typ=typ, sender=practice.account, dev=practice.device, to=patient.account, at=at,
        content=content,
    )  # fmt: skip


@pytest.mark.parametrize("typ", messages.TYPES)
def test_message_arrives(parties, typ):
    """Sealed, opened with one of several keys, and verified."""
    practice, patient = parties
    raw = request(practice, patient, typ, content=b'{"resourceType":"Consent"}')
    sealed = messages.seal(raw, patient.state.reading_key())
    found = messages.unseal(sealed, {"x": BoxKey.generate(), **patient.reading})
    found.verify(practice.state, patient.account, START)
    assert (found.typ, found.content) == (typ, b'{"resourceType":"Consent"}')


def test_length_of_a_sealed_message_is_padded(parties):
    """A hundred lengths of content are few lengths of message."""
    practice, patient = parties
    key = patient.state.reading_key()
    sizes = {len(messages.seal(request(practice, patient, content=b"x" * n), key)) for n in range(100)}
    assert len(sizes) < 15


def test_message_counts_for_its_receiver_sender_and_time_only(parties):
    """Another receiver, another sender, older than 90 days, from the future."""
    practice, patient = parties
    found = messages.read(request(practice, patient))
    other = world.organisation("klinik")
    for sender, to, now, reason in (
        (practice.state, other.account, START, "to"), (other.state, patient.account, START, "to"),
        (practice.state, patient.account, START + MAX_AGE_SECONDS + 1, "time"),
        (practice.state, patient.account, START - 601, "time"),
    ):  # fmt: skip
        with pytest.raises(Rejected, match=reason):
            found.verify(sender, to, now)
    found.verify(practice.state, patient.account, START + MAX_AGE_SECONDS)


def test_message_of_a_stranger_or_a_removed_device_is_refused(parties):
    """The signature must be that of a present device of the sender."""
    practice, patient = parties
    forged = messages.read(request(practice, patient, key=SigningKey.generate()))
    with pytest.raises(Rejected, match="signature"):
        forged.verify(practice.state, patient.account, START)
    gone = world.organisation("weg")
    raw = request(gone, patient)
    gone.add("undevice", {"dev": gone.device}, START)
    with pytest.raises(Rejected, match="signer"):
        messages.read(raw).verify(gone.state, patient.account, START)


def test_what_a_device_said_while_it_was_one_stays_said(parties):
    """Judged by the chain as it was when the message came: from the device's first second to the one of its removal."""
    _, patient = parties
    gone = world.organisation("fort")
    said = messages.read(request(gone, patient))
    gone.add("undevice", {"dev": gone.device}, START + 100)
    for came in (gone.state.links[1].iat, START + 99, START + 100):
        said.verify(gone.state, patient.account, START + 99, came=came)
    for came in (START + 101, gone.state.links[0].iat - 1):
        with pytest.raises(Rejected, match="signer"):
            said.verify(gone.state, patient.account, START + 99, came=came)


def test_request_is_no_refusal(parties):
    """Each type is signed under a label of its own."""
    practice, patient = parties
    header = messages.read(request(practice, patient)).frame.header | {"typ": "refusal"}
    raw = messages.frames.sign(header, "obhut-request", practice.sign)
    with pytest.raises(Rejected, match="signature"):
        messages.read(raw).verify(practice.state, patient.account, START)


def test_sealed_message_of_another_is_not_for_you(parties):
    """No key fits; too long is refused before any key is tried; rubbish inside is rejected."""
    practice, patient = parties
    sealed = messages.seal(request(practice, patient), patient.state.reading_key())
    with pytest.raises(Rejected, match="not-for-you"):
        messages.unseal(sealed, practice.reading)
    with pytest.raises(Rejected, match="limits"):
        messages.unseal(bytes(messages.MAX_SEALED + 1), patient.reading)
    for inside in (b"", b"x", pad(b"x")):
        with pytest.raises(Rejected):
            messages.unseal(seal_box(inside, next(iter(patient.reading.values())).public), patient.reading)


@pytest.mark.parametrize("length", range(0, 201, 5))
def test_random_bytes_are_only_rejected(parties, length):
    """Of any length."""
    _, patient = parties
    with pytest.raises(Rejected):
        messages.unseal(random_bytes(length), patient.reading)


def test_device_registers_its_token_key(parties):
    """Signed by the device, within ten minutes, for its own account."""
    practice, patient = parties
    token = SigningKey.generate()
    raw = messages.register(practice.sign, acc=practice.account, dev=practice.device, token_key=token.public, at=START)
    found = messages.read_registration(raw)
    found.verify(practice.state, START + 600)
    assert found.key == token.public
    with pytest.raises(Rejected, match="clock"):
        found.verify(practice.state, START + 601)
    with pytest.raises(Rejected, match="signer"):
        found.verify(patient.state, START)
    forged = messages.register(token, acc=practice.account, dev=practice.device, token_key=token.public, at=START)
    with pytest.raises(Rejected, match="signature"):
        messages.read_registration(forged).verify(practice.state, START)
    assert b64(token.public) not in repr(found)
