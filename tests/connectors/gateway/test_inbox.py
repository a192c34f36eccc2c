"""The inbox: nothing lost on the way, and nobody who can make it stop."""

import json
from dataclasses import replace

import pytest

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.confirmation import CONFIRMED_SECONDS, RETRY_SECONDS
from connectors.gateway.records import Deletion, Item, Source
from consent import owed, statements, steps
from consent.envelope import DELETE
from consent.primitives import b64
from fhir_profiles.problems import Problem
from tests.connectors.gateway.scene import HANDLE, Crash, weight
from tests.consent import world

# --- nothing is lost


def test_what_waits_aside_survives_a_crash_on_its_way_in(scene, monkeypatch):
    """An envelope that waited for its seeds is forgotten only when its resources are in the store."""
    scene.wire.broken_bundles = True
    gid = scene.grant()
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    assert scene.found() == set()
    scene.wire.broken_bundles = False
    scene.grant(gid=gid)
    kept = scene.store.put_many
    monkeypatch.setattr(scene.store, "put_many", lambda *_: (_ for _ in ()).throw(Crash))
    with pytest.raises(Crash):
        scene.inbox.catch_up()
    monkeypatch.setattr(scene.store, "put_many", kept)
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == {1}


def test_a_second_candidate_for_an_epoch_takes_the_place_of_the_first(scene):
    """Seeds handed out for an epoch that then began with other keys do not keep the right ones out."""
    scene.grant()
    patient = scene.patient
    for _ in range(2):
        open_sets = [s for s, state in patient.hub.record.sets.items() if not state.closed]
        patient.save(steps.prepare(patient.hub.record, patient.vault, open_sets, patient.now))
        step = owed.owed(patient.hub.record, patient.vault, patient.now)
        assert isinstance(step, owed.HandOut)
        patient.do(step)
        scene.wire.publish()
        scene.inbox.catch_up()
    patient.settle()
    assert patient.hub.record.sets[scene.own].current == 2
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    assert scene.found() == {1}


def test_a_grant_that_has_ended_meanwhile_does_not_stop_the_feed(scene):
    """The hub shows nothing of a grant that ended while the gateway was away; the feed goes on behind it."""
    gid = scene.grant()
    scene.wire.events = [event for event in scene.wire.events if event["kind"] != "set"]
    scene.wire.page_size = len(scene.wire.events)
    scene.patient.withdraw(scene.practice, gid)
    scene.wire.hidden = {("set", scene.patient.me.account, set_id) for set_id in scene.patient.hub.record.sets}
    scene.wire.publish()
    scene.inbox.catch_up()
    assert not scene.inbox.chains.relations[scene.patient.me.account, scene.practice.account].live(scene.now)


# --- nobody can make it stop


@pytest.mark.parametrize(
    "more",
    [{"id": None}, {"effectiveDateTime": "9999-12-31"}, {"effectiveDateTime": "2016-12-31T23:59:60Z"}],
    ids=["no id", "the end of days", "a leap second"],
)
def test_an_odd_resource_does_not_stop_the_feed(scene, more):
    """What an author writes is never a reason to stop: what comes behind it is read."""
    scene.grant()
    scene.write(weight(scene, 1, **more))
    scene.write(weight(scene, 2))
    scene.inbox.catch_up()
    assert 2 in scene.found()


@pytest.mark.parametrize("element", ["scope", "provision"])
def test_an_odd_consent_permits_nothing_and_stops_nothing(scene, element):
    """A Consent of an impossible shape is none."""
    consent = json.loads(scene.terms().consent)
    consent[element] = {"coding": [{"code": []}]} if element == "scope" else {"type": []}
    scene.grant(json.dumps(consent).encode())
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    assert scene.found() == set()


# --- what comes late


def test_a_late_envelope_replaces_what_is_older(scene):
    """Between two that came before, it takes the place of the first and leaves that of the second."""
    scene.grant()
    for kilograms in ("71.5", "72.5"):
        scene.write(weight(scene, 1, kilograms))
    held_back = scene.wire.events.pop()
    scene.write(weight(scene, 2))
    scene.inbox.catch_up()
    scene.wire.events.append(held_back)
    scene.inbox.catch_up()
    assert b"72.5" in scene.body(1)


@pytest.fixture(params=[False, True], ids=["at once", "again"])
def take_late(request, scene, monkeypatch):
    """Takes in what came late, at once or after the store has failed on it."""

    def take():
        if request.param:
            busy = Problem("busy", "The disk is full.")
            kept = scene.store.put_many
            monkeypatch.setattr(scene.store, "put_many", lambda *_: (_ for _ in ()).throw(busy))
            with pytest.raises(Problem, match="busy"):
                scene.inbox.catch_up()
            monkeypatch.setattr(scene.store, "put_many", kept)
        scene.inbox.catch_up()

    return take


def test_an_envelope_that_comes_late_does_not_replace_a_newer_one(scene, take_late):
    """A hub that holds an envelope back cannot bring an older value back with it."""
    scene.grant()
    first = scene.write(weight(scene, 1, "72.5"))
    held_back = scene.wire.events.pop()
    scene.write(weight(scene, 1, "80.5"))
    scene.inbox.catch_up()
    assert first and b"80.5" in scene.body(1)
    scene.wire.events.append(held_back)
    take_late()
    assert b"80.5" in scene.body(1)


def test_a_new_grant_brings_the_newest_again_in_whatever_order(scene):
    """Purged and granted anew, what comes late is late as before."""
    scene.grant()
    scene.write(weight(scene, 1, "72.5"))
    held_back = scene.wire.events.pop()
    scene.write(weight(scene, 1, "80.5"))
    scene.wire.events.append(held_back)
    scene.inbox.catch_up()
    scene.store.purge(scene.patient.me.account, keep_author=scene.practice.account)
    assert scene.store.read("Observation", "w1") is None
    scene.wire.events += [event for event in scene.wire.events if event["type"] == "envelope"]
    scene.inbox.catch_up()
    assert b'"value": 80.5' in scene.store.read("Observation", "w1").body


def test_a_late_envelope_does_not_bring_back_what_was_deleted(scene, take_late):
    """A deletion that came first wins over what the same device wrote before it; what is written after it is there."""
    scene.grant()
    scene.write(weight(scene, 1), hd=HANDLE)
    held_back = scene.wire.events.pop()
    scene.write(hd=HANDLE, cty=DELETE)
    scene.inbox.catch_up()
    scene.wire.events.append(held_back)
    take_late()
    assert scene.found() == set()
    scene.write(weight(scene, 1), hd=HANDLE)
    scene.inbox.catch_up()
    assert scene.found() == {1}


def test_a_deletion_by_another_device_wins_by_the_hubs_stamps(scene):
    """An author's other device took it back a minute later: what comes late brings nothing back."""
    items = [source(scene, bid, at) for bid, at in (("deleted", 60), ("before", 0), ("after", 120))]
    resource = json.loads(weight(scene, 1))
    scene.store.put_many([Deletion(items[0]), Item(weight(scene, 1), resource, items[1])])
    assert scene.store.read("Observation", "w1") is None
    scene.store.put_many([Item(weight(scene, 1), resource, items[2])])
    assert scene.store.read("Observation", "w1") is not None


def source(scene, bid, at):
    """Where an envelope of the patient's stream came from; none is known to be of the same device."""
    name = scene.patient.me.account
    return Source(owner=name, stream="s", author=name, bid=bid, handle=HANDLE, at=scene.now + at)


def test_a_late_envelope_brings_what_nothing_newer_says(scene):
    """What came late and was not replaced is there."""
    scene.grant()
    scene.write(weight(scene, 1))
    held_back = scene.wire.events.pop()
    scene.write(weight(scene, 2))
    scene.inbox.catch_up()
    scene.wire.events.append(held_back)
    scene.inbox.catch_up()
    assert scene.found() == {1, 2}


def test_a_chain_that_does_not_hold_is_no_longer_confirmed(scene):
    """After a link that does not verify, what was shared is shown as long as it was confirmed, and no longer."""
    scene.grant()
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    assert scene.found() == {1}
    patient, oth = scene.patient, scene.practice.account
    relation = patient.hub.record.relations[oth]
    other = replace(patient.me, sign=patient.me.other_device().sign)
    forged = steps.end(patient.hub.record, oth, next(iter(relation.grants)), other.signer, patient.now)
    scene.wire.tell("rel", patient.me.account, oth, forged.frame)
    scene.wire.hidden = {("rel", patient.me.account, oth)}
    shown_until = scene.now + CONFIRMED_SECONDS
    scene.now += 600
    scene.inbox.catch_up()
    assert scene.found() == {1}
    scene.now = shown_until
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == set()
    scene.wire.hidden = set()
    scene.now += RETRY_SECONDS
    scene.inbox.catch_up()
    assert scene.found() == {1}


def test_a_permit_that_the_patient_did_not_sign_is_not_pinned(scene):
    """A hub that shows a wrong permit first cannot keep the right one out."""
    scene.grant()
    scene.write(weight(scene, 1))
    stranger = world.organisation("praxis-b")
    forged = statements.permit(
        stranger.sign, acc=scene.patient.me.account, aut=stranger.account, fp=stranger.state.fingerprint,
        set_id=scene.own, iat=scene.now, by=scene.patient.me.signer.by,
        cite={scene.patient.me.account: scene.patient.hub.record.account.head},
    )  # fmt: skip
    honest = scene.wire.feed
    scene.wire.feed = lambda *a, **k: honest(*a, **k) | {"permits": {scene.own: b64(forged)}}
    scene.inbox.take_page()
    scene.wire.feed = honest
    scene.write(weight(scene, 2))
    scene.inbox.catch_up()
    assert scene.found() == {1, 2}


# --- what the patient is told


def note_reads(scene, count, patient=None):
    for number in range(count):
        who = Reader(f"Dr. {number}", "physician", "TREAT")
        access.report(scene.store.database, who, "Observation", {patient or scene.patient.me.account: 1})


def test_many_reads_are_reported_in_parts_that_the_hub_takes(scene):
    """However many waited, all of them arrive."""
    scene.grant()
    scene.inbox.catch_up()
    note_reads(scene, 230)
    assert scene.inbox.report_reads() == 230
    assert len(scene.wire.reports) == 230
    assert access.pending_reports(scene.store.database) == []


def test_a_report_that_is_sent_again_is_the_same(scene):
    """Whether the hub has heard is not known: the same sealed bytes count once."""
    scene.grant()
    scene.inbox.catch_up()
    note_reads(scene, 2)
    forget, sent = scene.inbox.hub.report_reads, []

    def lost(reports):
        sent.extend(reports)
        raise Problem("busy", "no answer")

    scene.wire.report_reads = lost
    with pytest.raises(Problem):
        scene.inbox.report_reads()
    scene.wire.report_reads = forget
    scene.open()
    assert scene.inbox.report_reads() == 2
    assert scene.wire.reports == sent
    assert scene.keys.db.execute("SELECT count(*) FROM reports").fetchone() == (0,)


def test_a_patient_who_cannot_be_told_does_not_silence_the_others(scene):
    """Without a reading key nothing can be sealed to her; the others hear."""
    scene.grant()
    scene.inbox.catch_up()
    mute = world.person()
    mute.frames = mute.frames[:2]
    scene.inbox.chains.take("acct", mute.account, "", mute.frames)
    note_reads(scene, 1, mute.account)
    note_reads(scene, 1)
    scene.inbox.report_reads()
    assert [report["acc"] for report in scene.wire.reports] == [scene.patient.me.account]
    assert access.pending_reports(scene.store.database) == []
