"""Deposit: the checks in their order, a result for each envelope, stamps, nothing changed where something is wrong."""

from dataclasses import replace

import pytest

from consent import envelope, steps
from consent.keys import SigningKey
from consent.primitives import unb64
from consent.statements import parse
from hub.deposit import MAX_BYTES
from tests.hub.people import LINE, VITALS, problem


@pytest.fixture
def desk(town):
    """A patient who may write her own set, and that set."""
    patient = town.patient()
    return patient, patient.permit(patient.me)


def results(answer):
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.json["results"]


def test_a_batch_is_stamped_and_can_be_read_back(town, desk):
    """Each envelope gets the hub's signed word, and lies at dense positions in order."""
    patient, mine = desk
    frames = patient.seal(patient.me, mine, 5)
    got = results(town.deposit(patient.me, *frames))
    assert [r["status"] for r in got] == [201] * 5
    for frame, result in zip(frames, got, strict=True):
        envelope.parse_stamp(unb64(result["stamp"])).verify(town.hub.key.public, envelope.parse(frame))
    kept = town.get(f"/v1/streams/{patient.me.account}/{patient.stream(mine)}", patient.me).json["envelopes"]
    assert [(e["pos"], unb64(e["frame"])) for e in kept] == list(enumerate(frames, 1))


def test_the_same_bytes_again_get_the_old_stamp(towns, clock):
    """Idempotent by id, before the epoch or the permit is asked."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    frames = patient.seal(patient.me, mine, 2)
    first = results(towns.deposit(patient.me, *frames))
    clock.advance(5)
    before = towns.dump()
    again = results(towns.deposit(patient.me, *frames))
    assert [r["status"] for r in again] == [200, 200]
    assert [r["stamp"] for r in again] == [r["stamp"] for r in first]
    assert towns.dump() == before


def test_a_known_id_with_other_bytes_is_a_conflict(town, desk):
    """Nobody replaces an envelope by its id."""
    patient, mine = desk
    frame = patient.seal(patient.me, mine, 1)[0]
    results(town.deposit(patient.me, frame))
    other = patient.sealed(patient.me, mine, VITALS, [LINE], bid=envelope.parse(frame).bid)
    before = town.dump()
    (result,) = results(town.deposit(patient.me, other))
    assert (result["status"], result["reason"]) == (409, "conflict")
    assert town.dump() == before


def flipped(frame):
    return frame[:-1] + bytes([frame[-1] ^ 1])


BAD = {
    "forged": (lambda p, mine, frames: [flipped(frames[0])], 403, "signature"),
    "reordered": (lambda p, mine, frames: [frames[1]], 409, "gap"),
    "skipped": (lambda p, mine, frames: [frames[2]], 409, "gap"),
    "garbage": (lambda p, mine, frames: [b"HSE1" + bytes(100)], 400, "canon"),
    "cut short": (lambda p, mine, frames: [frames[0][:60]], 400, "frame"),
    "too long": (lambda p, mine, frames: [frames[0] + bytes(envelope.MAX_FRAME)], 413, "limits"),
    "of another suite": (
        lambda p, mine, frames: [frames[0].replace(b'"suite":"HS1"', b'"suite":"HS9"')], 400, "suite",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_envelope_gets_a_clear_word_and_changes_nothing_but_the_log(town, desk, case):
    """Forged, reordered, malformed, of an unknown suite."""
    patient, mine = desk
    make, status, reason = BAD[case]
    before = town.dump()
    (result,) = results(town.deposit(patient.me, *make(patient, mine, patient.seal(patient.me, mine, 3))))
    assert (result["status"], result["reason"]) == (status, reason)
    after = town.dump()
    for dumped in (before, after):
        del dumped["log"], dumped["accounts"]
    assert before == after


def test_a_gap_says_what_was_last(town, desk):
    """`gap` carries sequence and hash of the last envelope held."""
    patient, mine = desk
    frames = patient.seal(patient.me, mine, 3)
    results(town.deposit(patient.me, frames[0]))
    (result,) = results(town.deposit(patient.me, frames[2]))
    assert (result["seq"], result["hash"]) == (1, envelope.parse(frames[0]).hash)


def test_one_bad_envelope_does_not_spoil_the_others(town, desk):
    """A result for each, in order; what follows a refused one in its stream is a gap."""
    patient, mine = desk
    frames = patient.seal(patient.me, mine, 3)
    other = patient.seal(patient.me, mine, 1, category=2)
    got = results(town.deposit(patient.me, frames[0], flipped(frames[1]), frames[2], *other))
    assert [(r["status"], r.get("reason")) for r in got] == [
        (201, None), (403, "signature"), (409, "gap"), (201, None),
    ]  # fmt: skip


@pytest.mark.parametrize("frames", [[b"x"] * 101, [bytes(MAX_BYTES - 4), b""]], ids=["frames", "bytes"])
def test_an_oversized_batch_is_refused_whole(town, desk, frames):
    """More than 100 envelopes or 8 MiB is 413 before anything is looked at."""
    patient, _ = desk
    before = town.dump()
    answer = town.deposit(patient.me, *frames)
    assert (answer.status_code, problem(answer)["type"]) == (413, "urn:obhut:problem:too-large")
    assert town.dump() == before


@pytest.mark.parametrize("body", [b"\x01", b"\xff\xff\xff\xffx", b"\x05\x00\x00\x00abc"])
def test_a_broken_batch_is_refused_whole(town, desk, body):
    """A length that does not fit is 400."""
    patient, _ = desk
    answer = town.call("POST", "/v1/envelopes", patient.me, data=body, content_type="application/octet-stream")
    assert answer.status_code == 400


def test_only_the_author_deposits_and_only_with_a_permit(town, desk):
    """Another account, an account without a relation, and one whose permit was withdrawn are refused."""
    patient, mine = desk
    practice, stranger = town.organisation("praxis"), town.organisation("klinik")
    theirs = patient.permit(practice)
    frame = patient.seal(practice, theirs, 1)[0]
    refused = [(patient.me, frame, 404, "unknown")]
    refused.append((stranger, patient.seal(stranger, mine, 1)[0], 403, "no-permit"))
    patient.post(steps.unpermit(patient.hub.record, practice.account, theirs, patient.me.signer, town.now))
    refused.append((practice, frame, 403, "no-permit"))
    for who, raw, status, reason in refused:
        (result,) = results(town.deposit(who, raw))
        assert (result["status"], result["reason"]) == (status, reason)


def test_a_removed_device_cannot_deposit(town, desk):
    """The envelope's device must be the account's at its head."""
    patient, mine = desk
    other = patient.me.other_device()
    patient.post(patient.account("device", other.device_body("writer")))
    frame = patient.seal(other, mine, 1)[0]
    patient.post(patient.account("undevice", {"dev": other.device}))
    (result,) = results(town.deposit(patient.me, frame))
    assert (result["status"], result["reason"]) == (403, "device")


def test_an_old_epoch_gets_the_links_of_the_new_one_once_a_stream(town, desk):
    """409 `stale-epoch` carries the links behind the envelope's epoch; sealed anew, the same sequence is taken."""
    patient, mine = desk
    late = patient.seal(patient.me, mine, 2)
    patient.turn()
    first, second = results(town.deposit(patient.me, *late))
    assert (first["reason"], second["reason"]) == ("stale-epoch", "stale-epoch")
    assert [parse(unb64(link)).typ for link in first["links"]] == ["epoch"]
    assert "links" not in second
    assert results(town.deposit(patient.me, *patient.seal(patient.me, mine, 2)))[1]["status"] == 201


def test_a_batch_for_two_patients_is_kept_for_both(towns):
    """An author sends for several patients at once."""
    practice = towns.organisation("praxis")
    frames = []
    for _ in range(2):
        patient = towns.patient()
        frames += patient.seal(practice, patient.permit(practice), 2)
    frames = [frames[0], frames[2], frames[1], frames[3]]
    assert [r["status"] for r in results(towns.deposit(practice, *frames))] == [201] * 4


def test_a_signature_of_a_foreign_key_is_refused(town, desk):
    """A key that the account does not have signs nothing."""
    patient, mine = desk
    thief = replace(patient.me, sign=SigningKey.generate())
    (result,) = results(town.deposit(patient.me, patient.seal(thief, mine, 1)[0]))
    assert (result["status"], result["reason"]) == (403, "signature")
