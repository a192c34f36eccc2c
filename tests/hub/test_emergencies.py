"""What the home hub does with a declared emergency: it opens one grant for its span, tells, logs, and nothing else."""

import pytest

from consent import declarations
from consent.identifiers import new_id
from consent.keys import SigningKey
from consent.primitives import b64, unb64
from tests.consent.delegation import appoint
from tests.consent.world import DAY, START
from tests.hub.people import ACTIVITY, VITALS, problem

SPAN = 1800
ROLES = ("nurse-ed", "physician")
PURPOSES = ("BTG", "ETREAT")


def allow(patient, house, *categories, **more):
    """A grant for emergencies."""
    return patient.grant(
        house, set(categories or (VITALS,)), purposes=PURPOSES, emergency=(SPAN, *ROLES), **more
    )  # fmt: skip


def frame(town, patient, house, gid, **more):
    """A declaration, as a gateway of the house signs it."""
    said = {
        "acc": patient.me.account, "sender": house.account, "gid": gid, "person": "Dr. Eva Not", "role": "physician",
        "reason": "unconscious", "rnd": new_id(), "at": town.now, "reading_key": patient.me.state.reading_key(),
    }  # fmt: skip
    return declarations.write(more.pop("key", house.sign), **{**said, **more})


def declare(town, patient, house, gid, **more):
    return town.post("/v1/emergencies", {"frame": b64(frame(town, patient, house, gid, **more))}, house)


def stream(town, patient, mine, house):
    return town.get(f"/v1/streams/{patient.me.account}/{patient.stream(mine)}", house).status_code


def emergencies(town, who):
    return [event for event in town.feed(who) if event["type"] == "declare"]


def test_a_declaration_opens_for_the_span(towns, clock):
    """Nothing is announced or released before; all of it then, what is written meanwhile too; and nothing after."""
    er, patient = towns.organisation("er"), towns.patient()
    mine = patient.permit(patient.me)
    before = patient.write(patient.me, mine)
    gid = allow(patient, er)
    assert towns.envelopes(er) == []
    assert stream(towns, patient, mine, er) == 404
    answer = declare(towns, patient, er, gid)
    assert (answer.status_code, answer.json) == (200, {"at": START, "until": START + SPAN})
    assert towns.envelopes(er) == [before]
    during = patient.write(patient.me, mine)
    assert towns.envelopes(er) == [before, during]
    assert stream(towns, patient, mine, er) == 200
    clock.now = START + SPAN
    patient.now = towns.now
    patient.write(patient.me, mine)
    assert towns.envelopes(er) == []
    assert stream(towns, patient, mine, er) == 404


def test_patient_delegate_and_house_are_told_at_once(towns):
    """The same event for each; what is sealed in it only the patient opens. Nobody else hears of it."""
    er, other, relative, patient = towns.organisation("er"), towns.organisation("ward"), towns.person(), towns.patient()
    patient.permit(patient.me)
    patient.grant(other, {VITALS})
    appoint(patient, relative, "manage", START + 90 * DAY)
    gid = allow(patient, er)
    assert declare(towns, patient, er, gid).status_code == 200
    (told,) = emergencies(towns, patient.me)
    assert emergencies(towns, relative) == emergencies(towns, er) == [told]
    assert emergencies(towns, other) == []
    word = declarations.read(unb64(told["frame"]))
    assert word.tell(patient.me.reading) == ("Dr. Eva Not", "unconscious")
    assert (told["acc"], told["at"], told["until"]) == (patient.me.account, START, START + SPAN)


def test_the_log_bears_the_declaration_before_anything_is_released(towns):
    """Who, role, until when, and the signed frame; then the release for the purposes of that grant alone."""
    er, patient = towns.organisation("er"), towns.patient()
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    patient.grant(er, {ACTIVITY}, purposes=("HRESCH",))
    declare(towns, patient, er, allow(patient, er))
    towns.envelopes(er)
    entries = towns.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    mine = [(e["action"], e["purpose"]) for e in entries if e["actor"] == er.account]
    assert mine == [("emergency", "BTG"), ("release", "BTG,ETREAT,HRESCH")]
    (entry,) = [e for e in entries if e["action"] == "emergency"]
    assert (entry["detail"]["role"], entry["detail"]["until"]) == ("physician", START + SPAN)
    assert declarations.read(unb64(entry["detail"]["frame"])).sender == er.account


def test_the_keys_are_given_out_only_in_an_emergency(towns, clock):
    """The bundle of a grant for emergencies: to the patient always, to the house while one is declared."""
    er, patient = towns.organisation("er"), towns.patient()
    patient.permit(patient.me)
    gid = allow(patient, er)
    bundles = [b.hash for b in patient.hub.record.relations[er.account].grants[gid].bundles]

    def given(who):
        return {towns.get(f"/v1/bundles/{patient.me.account}/{lst}", who).status_code for lst in bundles}

    assert (given(patient.me), given(er)) == ({200}, {404})
    assert not any("blob" in event for event in towns.feed(er))
    declare(towns, patient, er, gid)
    assert given(er) == {200}
    clock.now = START + SPAN
    assert given(er) == {404}


def test_the_same_declaration_opens_once(towns, clock):
    """Sent again it is answered as the first time, during the span and after, and opens nothing anew."""
    er, patient = towns.organisation("er"), towns.patient()
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    gid = allow(patient, er)
    raw = {"frame": b64(frame(towns, patient, er, gid))}
    first = towns.post("/v1/emergencies", raw, er)
    clock.advance(60)
    assert towns.post("/v1/emergencies", raw, er).json == first.json
    clock.now = START + SPAN
    assert towns.post("/v1/emergencies", raw, er).json == first.json
    assert towns.envelopes(er) == []
    assert len(emergencies(towns, patient.me)) == 1


def test_its_number_counts_for_one_declaration(town):
    """Another one with the same number opens nothing."""
    er, patient = town.organisation("er"), town.patient()
    patient.permit(patient.me)
    gid, rnd = allow(patient, er), new_id()
    assert declare(town, patient, er, gid, rnd=rnd).status_code == 200
    assert declare(town, patient, er, gid, rnd=rnd, person="Somebody else").status_code == 404


def test_what_depends_on_the_patient_is_answered_alike(towns, clock):
    """Nobody, another house's grant, an ordinary one, one ended, another role: one answer, noted in her log."""
    er, ward, patient, other = towns.organisation("er"), towns.organisation("ward"), towns.patient(), towns.patient()
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    gids = [allow(patient, ward), patient.grant(er, {ACTIVITY}), new_id()]
    ended = allow(patient, er)
    patient.withdraw(er, ended)
    good = allow(patient, er)
    answers = [declare(towns, patient, er, gid) for gid in (*gids, ended)]
    answers += [declare(towns, other, er, good), declare(towns, patient, er, good, role="paramedic")]
    nobody = towns.organisation("nobody")
    answers += [declare(towns, patient, nobody, good)]
    unknown = f"p-{'a' * 26}@{towns.domain}"
    answers += [declare(towns, patient, er, good, acc=unknown)]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.get_data() for answer in answers}) == 1
    assert towns.envelopes(er) == []
    entries = towns.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    reasons = [e["detail"]["reason"] for e in entries if e["action"] == "refusal"]
    assert reasons == ["unknown", "emergency", "unknown", "ended", "role"]
    assert emergencies(towns, patient.me) == []


def test_what_does_not_depend_on_her_is_said(town):
    """Another's declaration, a wrong clock, a stranger's signature, what is no declaration."""
    er, ward, patient = town.organisation("er"), town.organisation("ward"), town.patient()
    patient.permit(patient.me)
    gid = allow(patient, er)

    def reason(who, raw):
        answer = town.post("/v1/emergencies", {"frame": b64(raw)}, who)
        assert answer.status_code in (400, 409)
        return problem(answer)["reason"]

    assert reason(ward, frame(town, patient, er, gid)) == "signer"
    assert reason(er, frame(town, patient, er, gid, at=town.now - 601)) == "clock"
    assert reason(er, frame(town, patient, er, gid, key=SigningKey.generate())) == "signature"
    assert reason(er, b"OBS1") == "frame"
    assert town.envelopes(er) == []


def test_it_ends_with_the_grant(towns, clock):
    """By its `until`, though the span is longer; and at once by a withdrawal."""
    er, patient = towns.organisation("er"), towns.patient()
    mine = patient.permit(patient.me)
    patient.write(patient.me, mine)
    short = allow(patient, er, until=START + 600)
    assert declare(towns, patient, er, short).json["until"] == START + 600
    long = allow(patient, er)
    assert declare(towns, patient, er, long).json["until"] == START + SPAN
    assert towns.envelopes(er)
    patient.withdraw(er, long)
    patient.withdraw(er, short)
    assert towns.envelopes(er) == []
    assert stream(towns, patient, mine, er) == 404


def test_a_second_declaration_brings_all_again(towns, clock):
    """The gateway has purged what the first one opened: everything is announced anew, from its first position."""
    er, patient = towns.organisation("er"), towns.patient()
    mine = patient.permit(patient.me)
    written = [patient.write(patient.me, mine) for _ in range(2)]
    gid = allow(patient, er)
    declare(towns, patient, er, gid)
    page = towns.get("/v1/feed", er).json
    clock.advance(DAY)
    assert towns.envelopes(er, page["next"]) == []
    declare(towns, patient, er, gid)
    assert towns.envelopes(er, page["next"]) == written


def test_a_device_that_is_given_nothing_declares_nothing(town):
    """The token of a writer."""
    er, patient = town.organisation("er"), town.patient()
    patient.permit(patient.me)
    gid = allow(patient, er)
    assert town.post("/v1/emergencies", {"frame": b64(frame(town, patient, er, gid))}).status_code == 401
    assert declare(town, patient, er, gid).status_code == 200


@pytest.mark.parametrize("body", [{}, {"frame": ""}, {"frame": "!"}, {"frame": "AA", "more": 1}])
def test_a_body_of_another_shape_is_refused(town, body):
    """Nothing of it is looked up."""
    er = town.organisation("er")
    assert town.post("/v1/emergencies", body, er).status_code == 400
