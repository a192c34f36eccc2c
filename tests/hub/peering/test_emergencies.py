"""A patient of one hub, an emergency department of the other: her hub opens, the other one keeps to it."""

import logging

import pytest

from consent import declarations
from consent.primitives import b64
from fhir_profiles.problems import Problem
from hub import peer_client, uncovered
from hub.declarations import Opened
from hub.peer_models import endings
from hub.replicas import Replicas
from tests.consent.delegation import appoint
from tests.consent.world import DAY, DOMAIN, START
from tests.hub.people import VITALS
from tests.hub.test_emergencies import SPAN, allow, declare, emergencies, frame


def ready(hubs):
    """A patient of A who wrote something, an emergency department of B, her set, and the grant for emergencies."""
    er, patient = hubs.b.organisation("klinik", "Klinik", "emergency"), hubs.a.patient()
    hubs.read()
    mine = patient.permit(patient.me)
    gid = allow(patient, er)
    return patient, er, mine, gid


def copies(town):
    return {name: len(town.dump()[name]) for name in ("envelopes", "declarations")}


def test_copies_come_with_the_declaration_and_go_with_its_end(both_hubs, clock):
    """Relayed envelopes go only after it; at its end nothing is released, and within the minute nothing is held."""
    patient, er, mine, gid = ready(both_hubs)
    first = patient.write(patient.me, mine)
    both_hubs.read()
    assert copies(both_hubs.b) == {"envelopes": 0, "declarations": 0}
    answer = declare(both_hubs.b, patient, er, gid)
    assert (answer.status_code, answer.json) == (200, {"at": START, "until": START + SPAN})
    second = patient.write(patient.me, mine)
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == [first, second]
    assert copies(both_hubs.b) == {"envelopes": 2, "declarations": 1}
    assert both_hubs.push(both_hubs.b) > 0
    entries = both_hubs.a.get(f"/v1/log/{patient.me.account}", patient.me).json["entries"]
    assert {e["action"] for e in entries if e["actor"] == er.account} == {"emergency", "release"}
    clock.now = START + SPAN
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == []
    both_hubs.pull(both_hubs.b).keep_up()
    assert copies(both_hubs.b)["envelopes"] == 0


def test_a_hub_that_cannot_be_reached_opens_nothing(both_hubs, monkeypatch):
    """Said as such, and nothing waits for later."""
    patient, er, mine, gid = ready(both_hubs)
    patient.write(patient.me, mine)
    both_hubs.read()
    monkeypatch.setattr(peer_client, "clients", both_hubs.line.client)
    both_hubs.line.cut = True
    answer = declare(both_hubs.b, patient, er, gid)
    assert answer.status_code == 503
    both_hubs.line.cut = False
    both_hubs.push(both_hubs.b)
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == []
    assert emergencies(both_hubs.a, patient.me) == []


def test_a_delegate_at_another_hub_is_told(hubs):
    """Whose department is at the patient's own hub."""
    er, relative, patient = hubs.a.organisation("er"), hubs.b.person(), hubs.a.patient()
    patient.permit(patient.me)
    hubs.a.get(f"/v1/chains/acct/{relative.account}", patient.me, fp=relative.state.fingerprint)
    patient.hub.know(relative)
    patient.meet(relative)
    appoint(patient, relative, "manage", START + 90 * DAY)
    gid = allow(patient, er)
    hubs.read()
    assert declare(hubs.a, patient, er, gid).status_code == 200
    hubs.read()
    assert emergencies(hubs.b, relative) == emergencies(hubs.a, patient.me) != []


def test_a_withdrawal_stops_it_at_both_hubs(both_hubs):
    """Ahead of all data."""
    patient, er, mine, gid = ready(both_hubs)
    patient.write(patient.me, mine)
    both_hubs.read()
    declare(both_hubs.b, patient, er, gid)
    both_hubs.read()
    patient.withdraw(er, gid)
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == []
    assert copies(both_hubs.b)["envelopes"] == 0


def test_a_second_department_there_gets_what_is_held_for_the_first(hubs):
    """The copies are there already; they are announced to the second one all the same."""
    patient, er, mine, gid = ready(hubs)
    other = hubs.b.organisation("klinik-b", "Klinik B", "emergency")
    hubs.read()
    second = allow(patient, other)
    written = patient.write(patient.me, mine)
    hubs.read()
    declare(hubs.b, patient, er, gid)
    hubs.read()
    declare(hubs.b, patient, other, second)
    hubs.read()
    assert hubs.b.envelopes(other) == hubs.b.envelopes(er) == [written]


def test_a_hub_speaks_for_its_own_houses_and_patients_only(hubs):
    """A declaration of a house of another hub, and one of a patient who is not at home here: nothing."""
    patient, er, _, gid = ready(hubs)
    local = hubs.a.organisation("er-a")
    mine = allow(patient, local)
    hubs.read()
    client = hubs.line.client(hubs.b.hub)(DOMAIN)
    raw = frame(hubs.a, patient, local, mine)
    with pytest.raises(Problem) as caught:
        client.post("/v1/peer/emergencies", {"device": local.device, "frame": b64(raw)})
    assert caught.value.code == "not-found"
    assert emergencies(hubs.a, patient.me) == []
    assert declare(hubs.b, patient, er, gid).status_code == 200


@pytest.mark.parametrize("fault", ["longer", "another grant", "unsigned", "foreign"])
def test_what_a_hub_makes_up_is_not_kept(hubs, caplog, fault):
    """A longer span, an ordinary grant, no signature of the house, another hub's patient: said, and not kept."""
    patient, er, mine, gid = ready(hubs)
    patient.write(patient.me, mine)
    ordinary = patient.grant(er, {2})
    hubs.read()
    raw = frame(hubs.a, patient, er, ordinary if fault == "another grant" else gid)
    if fault == "unsigned":
        raw = raw[:-64] + bytes(64)
    until = START + SPAN + (fault == "longer")
    opened = Opened(declarations.read(raw), START, until)
    caplog.set_level(logging.ERROR)
    replicas = Replicas(hubs.b.hub, hubs.line.client(hubs.b.hub))
    replicas.take_declaration(opened, "hub-c.example.org" if fault == "foreign" else DOMAIN)
    assert copies(hubs.b)["declarations"] == 0
    assert any(record.levelno == logging.ERROR for record in caplog.records)
    assert emergencies(hubs.b, er) == []


def test_it_opens_what_an_ordinary_grant_had_opened_before(both_hubs):
    """Copies that went with the withdrawal come again with the declaration, and are announced."""
    patient, er, mine, _ = ready(both_hubs)
    ordinary = patient.grant(er, {VITALS})
    written = [patient.write(patient.me, mine) for _ in range(2)]
    both_hubs.read()
    assert set(both_hubs.b.envelopes(er)) == set(written)
    patient.withdraw(er, ordinary)
    both_hubs.read()
    later = patient.write(patient.me, mine)
    both_hubs.read()
    gid = allow(patient, er)
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == []
    assert declare(both_hubs.b, patient, er, gid).status_code == 200
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == [*written, later]


@pytest.mark.parametrize("ahead", [-60, 60])
def test_what_comes_with_a_declaration_is_kept_though_the_clocks_differ(both_hubs, clock, ahead):
    """The other hub releases all of it at once; and at the end, by its own clock, nothing is left there."""
    patient, er, mine, gid = ready(both_hubs)
    both_hubs.b.clock.ahead = ahead
    first = patient.write(patient.me, mine)
    both_hubs.read()
    assert declare(both_hubs.b, patient, er, gid).status_code == 200
    both_hubs.read()
    second = patient.write(patient.me, mine)
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == [first, second]
    clock.now = START + SPAN - ahead
    both_hubs.read()
    assert both_hubs.b.envelopes(er) == []
    both_hubs.pull(both_hubs.b).keep_up()
    assert copies(both_hubs.b)["envelopes"] == 0


def test_what_a_declaration_brought_stays_when_copies_are_looked_through(hubs):
    """As of the moment that was confirmed last, which is before the declaration."""
    patient, er, mine, gid = ready(hubs)
    written = patient.write(patient.me, mine)
    declare(hubs.b, patient, er, gid)
    hubs.read()
    with hubs.b.hub.db.write() as tx:
        tx.conn.execute(endings.delete())
    uncovered.look_through(hubs.b.hub, DOMAIN, START - 1)
    assert hubs.b.envelopes(er) == [written]


@pytest.mark.parametrize("ahead", [-2, 2])
def test_a_grant_for_emergencies_that_begins_later_begins_by_each_clock(hubs, clock, ahead):
    """Declared as it begins at the patient's hub: the other one releases in that second of its own clock."""
    patient, er, mine, _ = ready(hubs)
    hubs.b.clock.ahead = ahead
    gid = allow(patient, er, nb=START + 100)
    written = patient.write(patient.me, mine)
    hubs.read()
    clock.now = START + 100
    assert declare(hubs.b, patient, er, gid).status_code == 200
    hubs.read()
    assert hubs.b.envelopes(er) == ([] if ahead < 0 else [written])
    clock.advance(2)
    hubs.read()
    assert hubs.b.envelopes(er)[-1:] == [written]
