"""The inbox: nothing lost on the way, nothing shown that may not be, and nobody who can make it stop."""

import itertools
import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from connectors.gateway import access, inbox
from connectors.gateway.access import Reader
from connectors.gateway.change import Change
from connectors.gateway.confirmation import CONFIRMED_SECONDS, RETRY_SECONDS
from connectors.gateway.inbox import Inbox
from connectors.gateway.keystore import READING, Keystore
from connectors.gateway.records import Deletion, Item, Source
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope
from connectors.keyring import write_private
from consent import identifiers, owed, statements, steps
from consent.envelope import DELETE
from consent.fhir_consent import Agreement, build
from consent.identifiers import new_id
from consent.objects import object_hash
from consent.primitives import b64, random_bytes
from consent.purposes import purposes_above
from consent.sealing import Author, Destination, object_key, seal_object, seal_reference
from consent.vault import Terms
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.connectors.wire import Wire, keep_keys
from tests.consent import world

VITALS = 1
HANDLE = b64(bytes(16))


class Crash(Exception):  # noqa: N818 - what happens, not what went wrong
    """The process dies here."""


class Scene:
    """A patient who writes her own vitals, and a practice's gateway that follows a hub."""

    def __init__(self, directory, store: Store):
        self.patient, self.practice = world.client(), world.organisation("praxis-a")
        self.own = self.patient.permit(self.patient.me)
        self.patient.meet(self.practice)
        self.wire = Wire(self.patient, self.practice)
        self.now = self.patient.now
        keep_keys(directory, self.practice, self.patient.hub)
        write_private(directory / READING, json.dumps([b64(bytes(k)) for k in self.practice.reading.values()]).encode())
        self.store, self.directory = store, directory
        self.open()

    def open(self):
        self.keys = Keystore.open(self.directory)
        self.inbox = Inbox(self.keys, self.store, clock=lambda: self.now)
        self.inbox.hub = self.inbox.chains._hub = self.wire

    def terms(self, consent=None, whole=True):
        agreed = Agreement(self.patient.me.account, self.practice.account, frozenset({VITALS}), ("TREAT",))
        text = consent or resources.dump(build(agreed, "c1", datetime.fromtimestamp(self.now, UTC)))
        return Terms(
            self.practice.account, frozenset({VITALS}), whole, True, ("TREAT",), 0, self.now + 90 * world.DAY, text,
            random_bytes(16),
        )  # fmt: skip

    def grant(self, consent=None, gid=None, rules=None):
        gid, terms, patient = gid or new_id(), replace(self.terms(consent), rules=rules), self.patient
        patient.save(patient.vault.with_terms(gid, terms))
        patient.post(steps.grant(patient.hub.record, patient.vault, gid, terms, patient.me.signer, patient.now))
        patient.settle()
        self.wire.publish()
        return gid

    def write(self, *lines, **changes):
        """Seal and deposit as the patient; returns the envelope's id."""
        raw = self.patient.sealed(self.patient.me, self.own, VITALS, list(lines), **changes)
        self.patient.hub.deposit(raw, self.patient.hub.record.account, self.patient.now)
        self.wire.publish()
        return self.patient.hub.order[-1]

    def found(self, at=None, purpose="TREAT", role=""):
        scope = Scope(tuple(purposes_above(purpose)), at or self.now, role=role)
        return {n for n in range(10) if self.store.read("Observation", f"w{n}", scope) is not None}

    def body(self, number):
        return self.store.read("Observation", f"w{number}", Scope(("TREAT",), self.now)).body


@pytest.fixture
def scene(tmp_path, store):
    return Scene(tmp_path / "keys", store)


def weight(scene, number, kilograms="72.5", **more):
    name = identifiers.account(scene.patient.me.account).local
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    resource = {
        "resourceType": "Observation", "id": f"w{number}", "status": "final",
        "category": [{"coding": [{"system": system, "code": "vital-signs"}]}], "code": {"text": "weight"},
        "subject": {"reference": f"Patient/{name}"}, "valueQuantity": {"value": float(kilograms), "unit": "kg"},
    } | more  # fmt: skip
    return json.dumps({key: value for key, value in resource.items() if value is not None}).encode()


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


# --- what may be shown


def test_under_finer_rules_that_cannot_be_kept_to_nothing_is_shown(scene, caplog):
    """They are not taken for permission to show everything."""
    scene.grant(rules={"since": "2026-01-01"})
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    assert scene.found() == set()
    assert "finer rules" in caplog.text


def rules(**limits):
    """Finer rules: of the vitals only what meets these limits."""
    return {"v": 1, "policies": [{"opt-in": True, "provision": {"type": "permit", "class": ["vitals"]} | limits}]}


PULSE = {"code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}}
ONLY_PULSE = rules(code=["8867-4"])


def test_finer_rules_decide_of_each_resource(scene):
    """Of what the hub releases, only what they permit is found; a new version is decided anew."""
    scene.grant(rules=ONLY_PULSE)
    scene.write(weight(scene, 1), hd=HANDLE)
    scene.write(weight(scene, 2, **PULSE))
    scene.inbox.catch_up()
    assert scene.found() == {2}
    scene.write(weight(scene, 1, **PULSE), hd=HANDLE)
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == {1, 2}
    scene.write(weight(scene, 1), hd=HANDLE)
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_amended_finer_rules_count_for_what_is_here_already(scene):
    """Narrower, other and none at all, under the same grant and though no seed comes with them."""
    gid = scene.grant()
    scene.write(weight(scene, 1))
    scene.write(weight(scene, 2, **PULSE))
    for given, found in ((ONLY_PULSE, {2}), (rules(code=["1-1"]), set()), (None, {1, 2}), (ONLY_PULSE, {2})):
        scene.grant(gid=gid, rules=given)
        scene.inbox.catch_up()
        assert scene.found() == found


BUT_NURSES_IN_EMERGENCIES = {
    "purposes": ["ETREAT", "TREAT"], "roles": ["nurse"],
    "admitted": [["ETREAT", ""], ["TREAT", ""], ["TREAT", "nurse"]],
}  # fmt: skip
NURSES = {"purposes": ["TREAT"], "roles": ["nurse"], "admitted": [["TREAT", "nurse"]]}


def test_who_is_not_admitted_finds_nothing(scene, monkeypatch):
    """By the lowest purpose told apart, and by role; for what comes later too, and anew when the table changes."""
    gid = scene.grant(rules=ONLY_PULSE | {"readers": BUT_NURSES_IN_EMERGENCIES})
    scene.write(weight(scene, 1), weight(scene, 2, **PULSE))
    scene.inbox.catch_up()
    scene.write(weight(scene, 3, **PULSE))
    scene.inbox.catch_up()
    for purpose, role, seen in (
        ("TREAT", "", {2, 3}), ("TREAT", "nurse", {2, 3}), ("BTG", "physician", {2, 3}), ("ETREAT", "nurse", set()),
        ("BTG", "nurse", set()), ("HRESCH", "", set()),
    ):  # fmt: skip
        assert scene.found(purpose=purpose, role=role) == seen, (purpose, role)
    scene.grant(gid=gid, rules=ONLY_PULSE | {"readers": NURSES})
    with monkeypatch.context() as crash:
        crash.setattr(scene.store, "decide", lambda *_: (_ for _ in ()).throw(Crash))
        with pytest.raises(Crash):
            scene.inbox.catch_up()
    assert scene.found(role="nurse") == scene.found() == set()
    scene.open()
    scene.inbox.catch_up()
    assert (scene.found(role="nurse"), scene.found()) == ({2, 3}, set())
    scene.grant(gid=gid, rules=ONLY_PULSE)
    scene.inbox.catch_up()
    assert scene.found(purpose="ETREAT", role="nurse") == scene.found() == {2, 3}


def test_what_either_of_two_grants_permits_is_found(scene):
    """Each grant opens by its own rules; when one ends, what it alone permitted is not found any more."""
    scene.grant(rules=ONLY_PULSE)
    other = scene.grant(rules=rules(code=["29463-7"]))
    scene.write(weight(scene, 1, code={"coding": [{"code": "29463-7"}]}), weight(scene, 3))
    scene.write(weight(scene, 2, **PULSE))
    scene.inbox.catch_up()
    assert scene.found() == {1, 2}
    scene.patient.withdraw(scene.practice, other)
    scene.wire.publish()
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_what_is_taken_back_goes_though_what_is_given_cannot_be_fetched(scene, monkeypatch):
    """A hub that is too busy for a bundle does not keep alive what ended on the same page."""
    gid = scene.grant()
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    scene.patient.withdraw(scene.practice, gid)
    scene.grant(rules=ONLY_PULSE)
    bundle = scene.wire.bundle
    monkeypatch.setattr(scene.wire, "bundle", lambda *_: (_ for _ in ()).throw(Problem("busy", "")))
    with pytest.raises(Problem):
        scene.inbox.catch_up()
    assert scene.found() == set()
    monkeypatch.setattr(scene.wire, "bundle", bundle)
    scene.write(weight(scene, 2, **PULSE))
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_a_crash_while_finer_rules_are_decided_shows_nothing_that_they_do_not_permit(scene, monkeypatch):
    """Nothing is found until all is decided; it goes on by itself."""
    gid = scene.grant()
    scene.write(weight(scene, 1))
    scene.write(weight(scene, 2, **PULSE))
    scene.inbox.catch_up()
    assert scene.found() == {1, 2}
    scene.grant(gid=gid, rules=ONLY_PULSE)
    permit = Change.permit
    monkeypatch.setattr(Change, "permit", lambda *_: (_ for _ in ()).throw(Crash))
    with pytest.raises(Crash):
        scene.inbox.catch_up()
    assert scene.found() == set()
    monkeypatch.setattr(Change, "permit", permit)
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_what_a_consent_does_not_name_is_not_shown_though_its_key_is_here(scene):
    """A key without a rule opens nothing: the grant covers vitals, the Consent says activity."""
    agreed = Agreement(scene.patient.me.account, scene.practice.account, frozenset({2}), ("TREAT",))
    scene.grant(resources.dump(build(agreed, "c1", datetime.fromtimestamp(scene.now, UTC))))
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    assert scene.found() == set()


def test_a_consent_for_another_party_shows_nothing(scene):
    """A Consent counts for whom it names."""
    agreed = Agreement(scene.patient.me.account, "klinik@a.example", frozenset({VITALS}), ("TREAT",))
    scene.grant(resources.dump(build(agreed, "c1", datetime.fromtimestamp(scene.now, UTC))))
    scene.write(weight(scene, 1))
    scene.inbox.catch_up()
    assert scene.found() == set()


def test_a_withdrawal_takes_the_consent_and_what_waits_along(scene):
    """After the end of the last grant nothing of the patient's is left but what chains say."""
    gid = scene.grant()
    scene.inbox.catch_up()
    late = scene.write(weight(scene, 1))
    scene.patient.withdraw(scene.practice, gid)
    scene.wire.publish()
    scene.inbox.catch_up()
    scene.inbox.take_page()
    assert late and scene.found() == set()
    for table in ("seeds", "agreements", "finer_rules", "deferred", "opened"):
        assert scene.keys.db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


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


def test_an_envelope_that_comes_late_does_not_replace_a_newer_one(scene):
    """A hub that holds an envelope back cannot bring an older value back with it."""
    scene.grant()
    first = scene.write(weight(scene, 1, "72.5"))
    held_back = scene.wire.events.pop()
    scene.write(weight(scene, 1, "80.5"))
    scene.inbox.catch_up()
    assert first and b"80.5" in scene.body(1)
    scene.wire.events.append(held_back)
    scene.inbox.catch_up()
    assert b"80.5" in scene.body(1)


def test_a_late_envelope_does_not_bring_back_what_was_deleted(scene):
    """A deletion that came first wins over what the same device wrote before it; what is written after it is there."""
    scene.grant()
    scene.write(weight(scene, 1), hd=HANDLE)
    held_back = scene.wire.events.pop()
    scene.write(hd=HANDLE, cty=DELETE)
    scene.inbox.catch_up()
    scene.wire.events.append(held_back)
    scene.inbox.catch_up()
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


# --- objects over 1 MiB


def write_object(scene, *lines, **changes):
    """As `scene.write`, in an object; the hub gives it out while it is in `wire.objects`."""
    patient, me = scene.patient, scene.patient.me
    state, keys = patient.hub.record.sets[scene.own], patient.vault.sets[scene.own]
    index, plaintext = keys.index(VITALS), b"\n".join(lines)
    to = Destination(me.account, keys.ids[index], state.current, state.epoch(state.current).publics[index])
    by = Author(me.account, me.device, me.sign)
    last, prev = patient.hub.last(me.account, me.device, to.stream) or (0, "")
    bid = new_id()
    key = object_key(to, by, bid, last + 1)
    sealed = b"".join(seal_object([plaintext], len(plaintext), key))
    hash_ = object_hash([sealed], len(sealed))
    raw = seal_reference(
        key, len(plaintext), hash_, len(lines), to, by, bid=bid, seq=last + 1, prev=prev, at=patient.now, **changes
    )
    patient.hub.deposit(raw, patient.hub.record.account, patient.now)
    scene.wire.objects[bid] = sealed
    scene.wire.publish()
    return bid


def test_what_came_in_an_object_is_found_like_anything_else(scene):
    """Fetched, opened and shown, in order with what came in envelopes."""
    scene.grant()
    scene.write(weight(scene, 1))
    write_object(scene, weight(scene, 2), weight(scene, 3))
    scene.write(weight(scene, 4))
    scene.inbox.catch_up()
    assert scene.found() == {1, 2, 3, 4}
    assert scene.body(2) == weight(scene, 2)


def test_an_object_that_cannot_be_had_holds_nothing_back_and_is_asked_for_again(scene):
    """What is behind it is shown; it is asked for after growing pauses, and shown once it can be had."""
    scene.grant()
    bid = write_object(scene, weight(scene, 1))
    scene.write(weight(scene, 2))
    kept = scene.wire.objects.pop(bid)
    asked = []
    for _ in range(120):
        before = scene.wire.fetched
        scene.inbox.take_page()
        if scene.wire.fetched > before:
            asked.append(scene.now)
        scene.now += 1
    assert scene.found() == {2}
    assert [later - earlier for earlier, later in itertools.pairwise(asked)] == [5, 10, 20, 40]
    scene.wire.objects[bid] = kept
    scene.now += 80
    scene.inbox.catch_up()
    assert scene.found() == {1, 2}
    assert scene.keys.waiting() == []


def test_an_object_is_asked_for_again_after_a_restart(scene):
    """Whatever waited when the process died is tried at once."""
    scene.grant()
    bid = write_object(scene, weight(scene, 1))
    kept = scene.wire.objects.pop(bid)
    scene.inbox.catch_up()
    scene.wire.objects[bid] = kept
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == {1}


def test_a_hub_that_breaks_off_is_no_reason_to_stop(scene):
    """An object of which half came is not opened; the feed goes on."""
    scene.grant()
    bid = write_object(scene, weight(scene, 1))
    scene.wire.objects[bid] = Problem("busy", "the hub's answer broke off")
    scene.write(weight(scene, 2))
    scene.inbox.catch_up()
    assert scene.found() == {2}
    assert scene.keys.waiting() == [bid]


def test_an_object_that_does_not_hold_is_told_and_never_shown(scene, caplog):
    """Another object in its place, cut or altered: broken for ever, and nothing waits."""
    scene.grant()
    bids = [write_object(scene, weight(scene, number)) for number in (1, 2, 3)]
    objects = scene.wire.objects
    objects[bids[0]], objects[bids[1]] = objects[bids[1]], objects[bids[0]][:-1]
    objects[bids[2]] = objects[bids[2]][:-1] + bytes([objects[bids[2]][-1] ^ 1])
    scene.write(weight(scene, 4))
    scene.inbox.catch_up()
    assert scene.found() == {4}
    assert [record.reason for record in caplog.records if hasattr(record, "reason")] == ["hash", "size", "hash"]
    assert scene.keys.waiting() == []


def test_what_was_taken_back_while_its_object_was_awaited_is_never_shown(scene):
    """The deletion came first; the object can be had later."""
    scene.grant()
    handle = b64(bytes(16))
    bid = write_object(scene, weight(scene, 1), hd=handle)
    other = write_object(scene, weight(scene, 2), hd=b64(bytes(range(16))))
    kept = {name: scene.wire.objects.pop(name) for name in (bid, other)}
    scene.inbox.catch_up()
    scene.write(hd=handle, cty=DELETE)
    scene.inbox.catch_up()
    assert scene.keys.waiting() == [other]
    scene.wire.objects |= kept
    scene.open()
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_an_object_in_the_place_of_an_earlier_envelope_replaces_it(scene):
    """The handle of its envelope counts."""
    scene.grant()
    handle = b64(bytes(16))
    scene.write(weight(scene, 1), hd=handle)
    write_object(scene, weight(scene, 2), hd=handle)
    scene.inbox.catch_up()
    assert scene.found() == {2}


def test_many_objects_of_one_page_are_not_held_at_once(scene, monkeypatch):
    """What was opened goes into the store before more is fetched than may be held."""
    scene.grant()
    monkeypatch.setattr(inbox, "KEPT_BYTES", 3000)
    note = [{"text": "x" * 2000}]
    for number in range(1, 7):
        write_object(scene, weight(scene, number, note=note))
    held, kept = [], scene.store.put_many

    def put_many(items, state):
        held.append(len(items))
        return kept(items, state)

    monkeypatch.setattr(scene.store, "put_many", put_many)
    scene.inbox.catch_up()
    assert scene.found() == {1, 2, 3, 4, 5, 6}
    assert max(held) == 2
