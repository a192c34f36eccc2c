"""What a patient withholds within what she grants: hidden entries, rules of her own, what is older than the grant."""

import json

import pytest

from connectors.patient import delegation, enrolment, restrictions, sharing
from connectors.patient.delegation import Deputy
from consent.categories import INDEX
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.journeys.conftest import give, obhut
from tests.journeys.sharing import found, write

VITALS, LAB = INDEX["vitals"], INDEX["lab"]
LOINC = "http://loinc.org"


@pytest.fixture
def client(tmp_path, hub):
    """An enrolled patient, in the directory `patient`."""
    client, _ = enrolment.enrol(tmp_path / "patient", hub.url)
    yield client
    client.close()


@pytest.fixture
def patient(tmp_path, client):
    """The patient's command line."""
    return lambda *words: obhut("patient", *words, "--account", str(tmp_path / "patient"))


def test_what_she_hides_is_found_by_nobody_and_shown_again(client, patient, practice, practices):
    """From readers of now and from those to come, at once; nothing of it is asked of the hub but a new Consent."""
    other = practices("praxis-b")
    write(client, 1, 2)
    sharing.grant(client, practice.account, {VITALS})
    assert found(practice, client) == {"w1", "w2"}
    done = patient("hide", "Observation/w1")
    assert (done.returncode, done.stdout) == (0, "hidden: Observation/w1\n"), done.stderr
    assert found(practice, client) == {"w2"}
    client.sync()
    sharing.grant(client, other.account, {VITALS})
    assert found(other, client) == {"w2"}
    assert "hidden    Observation/w1" in patient("show").stdout
    assert "w1" in patient("read", "Observation?_id=w1").stdout
    assert patient("unhide", "Observation/w1").returncode == 0
    assert found(practice, client) == found(other, client) == {"w1", "w2"}
    unknown = patient("unhide", "Observation/w9")
    assert unknown.returncode != 0
    assert "is not hidden" in unknown.stderr
    assert "is no entry" in patient("hide", "everything").stderr


def test_a_new_version_of_what_is_hidden_stays_hidden(client, practice):
    """What is corrected under its id is not shown by that."""
    write(client, 1)
    sharing.grant(client, practice.account, {VITALS})
    restrictions.hide(client, ["Observation/w1"])
    write(client, 1, 2)
    assert found(practice, client) == {"w2"}


def test_a_crash_before_anybody_was_told_is_made_up_for(client, patient, practice, monkeypatch):
    """The vault says it is hidden; `obhut patient settle` tells the readers."""
    write(client, 1, 2)
    sharing.grant(client, practice.account, {VITALS})
    monkeypatch.setattr(restrictions.steps, "grant", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        restrictions.hide(client, ["Observation/w1"])
    assert found(practice, client) == {"w1", "w2"}
    assert patient("settle").returncode == 0
    assert found(practice, client) == {"w2"}


def test_a_consent_of_her_own_is_kept_to_rule_by_rule(client, patient, practice, tmp_path):
    """A FHIR Consent with exceptions by code and by date: granted as one grant, shown as it says."""
    write(client, 1, 2)
    write(client, 3, day="2026-03-01")
    party = {"identifier": {"system": "urn:obhut:account", "value": practice.account}}
    old = {"type": "deny", "dataPeriod": {"end": "2026-09-30"}}
    consent = {
        "resourceType": "Consent", "status": "active", "id": "c1", "dateTime": "2026-11-26",
        "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"coding": [{"code": "59284-0"}]}],
        "patient": {"identifier": {"system": "urn:obhut:account", "value": client.account}},
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "provision": {"type": "permit", "purpose": [{"code": "TREAT",
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason"}],
            "actor": [{"role": {"coding": [{"code": "IRCP"}]}, "reference": party}],
            "code": [{"coding": [{"system": LOINC, "code": "29463-7"}]}], "provision": [old]},
    }  # fmt: skip
    file = tmp_path / "consent.json"
    file.write_text(json.dumps(consent))
    done = patient("sign", str(file), "--to", practice.account)
    assert done.returncode == 0, done.stderr
    assert found(practice, client) == {"w1", "w2"}
    client.sync()
    (grant,) = client.record.relations[practice.account].live(client.now)
    shown = resources.parse(practice.inbox.consents.text(client.account, grant))
    assert "dataPeriod" not in json.dumps(shown)
    consent["provision"].pop("purpose")
    file.write_text(json.dumps(consent))
    refused = patient("sign", str(file), "--to", practice.account)
    assert refused.returncode != 0
    assert "Name the purposes" in refused.stderr


def test_a_relative_hands_on_no_more_than_she_may_see(ada, ben, practice):
    """What Ada hid from Ben is not seen by the practice to which he hands on her vitals; nor what she hides later."""
    write(ada.client, 1, 2, 3)
    restrictions.hide(ada.client, ["Observation/w1"])
    give(ada, ben, VITALS, LAB, end="2029-01-01")
    delegation.appoint(ada.client, ben.card, "2030-01-01")
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))
    deputy = Deputy(ben.reading, ada.account)
    deputy.sync()
    deputy.grant(practice.account, {VITALS})
    assert found(practice, ada.client) == {"w2", "w3"}
    assert restrictions.hide(ada.client, ["Observation/w2"]) == []
    assert found(practice, ada.client) == {"w3"}


def test_a_relative_whose_rules_differ_hands_on_one_by_one(ada, ben, practice):
    """Two grants under two rules are not mixed into one that would say less than either."""
    write(ada.client, 1)
    give(ada, ben, VITALS, end="2029-01-01")
    sharing.grant(ada.client, ben.account, {LAB}, whole=False, end="2029-01-01")
    delegation.appoint(ada.client, ben.card, "2030-01-01")
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))
    deputy = Deputy(ben.reading, ada.account)
    deputy.sync()
    with pytest.raises(Problem) as refused:
        deputy.grant(practice.account, {VITALS, LAB})
    assert refused.value.code == "forbidden"
    assert "one by one" in refused.value.detail
