"""What may be shown: by finer rules, by Consents, to whom they admit, and no longer than it is granted."""

from datetime import UTC, datetime

import pytest

from connectors.gateway.change import Change
from consent.fhir_consent import Agreement, build
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.connectors.gateway.scene import HANDLE, VITALS, Crash, weight


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
