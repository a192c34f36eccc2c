"""Messages, the access log, and the reads that houses report."""

import pytest

from consent import messages
from consent.identifiers import new_person
from consent.primitives import b64, unb64
from tests.consent.world import DOMAIN


def sealed(town, sender, to, content=b"{}"):
    raw = messages.write(
        sender.sign,
        typ="request",
        sender=sender.account,
        dev=sender.device,
        to=to.account,
        at=town.now,
        content=content,
    )
    return messages.seal(raw, to.state.reading_key())


def test_a_practice_asks_by_card_and_the_patient_reads_it(towns):
    """Sealed to her reading key, delivered in her feed, once however often it is sent."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    frame = sealed(towns, practice, patient.me)
    body = {"to": patient.me.account, "frame": b64(frame), "fp": patient.hub.record.account.fingerprint}
    assert [towns.post("/v1/messages", body, practice).status_code for _ in range(2)] == [202, 202]
    (event,) = [e for e in towns.feed(patient.me) if e["type"] == "message"]
    assert event["from"] == practice.account
    assert messages.unseal(unb64(event["frame"]), patient.me.reading).sender == practice.account


def test_who_holds_no_card_gets_the_answer_for_nobody(town):
    """A stranger cannot tell by sending whether a person exists."""
    patient, practice = town.patient(), town.organisation("praxis")
    body = {"to": patient.me.account, "frame": b64(b"x")}
    answers = [
        town.post("/v1/messages", body | change, practice)
        for change in ({}, {"fp": "a" * 32}, {"to": str(new_person(DOMAIN))}, {"to": "no account"})
    ]
    assert {(a.status_code, a.data) for a in answers} == {(404, answers[0].data)}


def test_patients_answer_houses_and_relations_need_no_card(town):
    """Organisations take messages from everybody; a counterpart writes without a card."""
    patient, practice = town.patient(), town.organisation("praxis")
    assert town.post("/v1/messages", {"to": practice.account, "frame": b64(b"x")}, patient.me).status_code == 202
    patient.meet(practice)
    assert town.post("/v1/messages", {"to": patient.me.account, "frame": b64(b"x")}, practice).status_code == 202


@pytest.mark.parametrize(("frame", "status"), [("", 400), ("A" * 4, 202), (b64(bytes(64 * 1024 + 1)), 413), ("?", 400)])
def test_a_message_has_a_size(town, frame, status):
    """Empty, good, too large, no base64url."""
    practice = town.organisation("praxis")
    assert town.post("/v1/messages", {"to": practice.account, "frame": frame}, practice).status_code == status


def test_the_log_tells_who_did_what(towns):
    """Statements, deposits, refusals, messages and vault fetches are there, dense from 1, for the patient alone."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    patient.meet(practice)
    towns.deposit(practice, patient.seal(practice, mine, 1)[0])
    towns.post("/v1/messages", {"to": patient.me.account, "frame": b64(b"x")}, practice)
    towns.get(f"/v1/vault/{patient.me.account}", patient.me)
    entries = towns.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert {"statement", "client", "deposit", "refusal", "message", "vault"} == {entry["action"] for entry in entries}
    (refusal,) = [entry for entry in entries if entry["action"] == "refusal"]
    assert (refusal["actor"], refusal["detail"]["reason"]) == (practice.account, "no-permit")
    after = towns.get(f"/v1/log/{patient.me.account}", patient.me, after=3, limit=2).json
    assert ([entry["seq"] for entry in after["entries"]], after["next"]) == ([4, 5], 5)
    assert towns.get(f"/v1/log/{patient.me.account}", practice).status_code == 404


def test_reported_reads_reach_the_log_once(towns):
    """A house reports what was read in it; sent twice it counts once; strangers' reports count nowhere."""
    patient, practice, stranger = towns.patient(), towns.organisation("praxis"), towns.organisation("klinik")
    patient.meet(practice)
    report = {"acc": patient.me.account, "at": towns.now, "purpose": "TREAT", "sealed": b64(b"sealed")}
    for _ in range(2):
        answer = towns.post("/v1/reads", {"reports": [report]}, practice)
        assert (answer.status_code, answer.json) == (202, {"results": [{"status": 202}]})
    assert towns.post("/v1/reads", {"reports": [report]}, stranger).json == {"results": [{"status": 404}]}
    entries = towns.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    (read,) = [entry for entry in entries if entry["action"] == "read"]
    assert (read["actor"], unb64(read["sealed"]), read["detail"]) == (practice.account, b"sealed", {"at": towns.now})
