"""What a patient withholds within what she grants: hidden entries, rules of her own, what is older than the grant."""

import json

import pytest

from connectors.patient import restrictions, sharing
from connectors.patient.delegation import Deputy
from consent import categories, identifiers, steps
from consent.categories import INDEX
from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.journeys.conftest import give, name_delegate, obhut
from tests.journeys.sharing import ask, found, write, years_ahead

VITALS, LAB = INDEX["vitals"], INDEX["lab"]
LOINC = "http://loinc.org"


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is tested lies at her client and at the readers'."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


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


def test_she_hides_from_one_alone(client, patient, practice, practices):
    """The other reads on; what is hidden from all comes on top, and is told apart; one grant later knows it, too."""
    other = practices("praxis-b")
    write(client, 1, 2)
    for one in (practice, other):
        sharing.grant(client, one.account, {VITALS})
    assert patient("hide", "Observation/w1", "--from", practice.account).returncode == 0
    assert (found(practice, client), found(other, client)) == ({"w2"}, {"w1", "w2"})
    assert f"hidden    Observation/w1 from {practice.account}\n" in patient("show").stdout
    client.sync()
    sharing.grant(client, practice.account, {VITALS}, purposes=("HPAYMT",))
    restrictions.hide(client, ["Observation/w2"])
    assert (found(practice, client), found(other, client)) == (set(), {"w1"})
    restrictions.show(client, ["Observation/w2"])
    assert "is not hidden" in patient("unhide", "Observation/w1").stderr
    assert patient("unhide", "Observation/w1", "--from", practice.account).returncode == 0
    assert found(practice, client) == found(other, client) == {"w1", "w2"}
    client.sync()
    assert client.vault.hidden_from == {}


def test_a_new_version_of_what_is_hidden_stays_hidden(client, practice):
    """What is corrected under its id is not shown by that."""
    write(client, 1)
    sharing.grant(client, practice.account, {VITALS})
    restrictions.hide(client, ["Observation/w1"])
    write(client, 1, 2)
    assert found(practice, client) == {"w2"}


def test_a_crash_before_anybody_was_told_is_made_up_for(client, patient, practice, monkeypatch):
    """The vault says it is hidden; `obhut patient settle` tells the readers, and so does whatever she does next."""
    write(client, 1, 2)
    sharing.grant(client, practice.account, {VITALS})
    for number, words in ((1, ["settle"]), (2, ["requests"])):
        with monkeypatch.context() as crash:
            crash.setattr(steps, "grant", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                restrictions.hide(client, [f"Observation/w{number}"])
        assert f"w{number}" in found(practice, client)
        assert patient(*words).returncode == 0
        assert f"w{number}" not in found(practice, client)
        client.sync()


def test_what_is_hidden_is_hidden_when_another_device_was_faster(client, practice, monkeypatch):
    """A lost race, at the vault or at the grant, is run again."""
    write(client, 1, 2)
    sharing.grant(client, practice.account, {VITALS})
    post, lost = client.post, iter([True, False, True])

    def race(*args, **more):
        if next(lost, False):
            raise Problem("refused", "another device was faster", reason="head")
        post(*args, **more)

    monkeypatch.setattr(client, "post", race)
    assert restrictions.hide(client, ["Observation/w1"]).unreached == []
    assert next(lost, "used up") == "used up"
    assert found(practice, client) == {"w2"}


def rules(client, practice, id_="c1", **provision):
    """A FHIR Consent of hers about what a practice may do, as R4 writes it."""
    party = {"identifier": {"system": "urn:obhut:account", "value": practice.account}}
    return {
        "resourceType": "Consent", "status": "active", "id": id_, "dateTime": "2020-11-26",
        "scope": {"coding": [{"code": "patient-privacy"}]}, "category": [{"coding": [{"code": "59284-0"}]}],
        "patient": {"identifier": {"system": "urn:obhut:account", "value": client.account}},
        "policyRule": {"coding": [{"code": "OPTIN"}]},
        "provision": {"actor": [{"role": {"coding": [{"code": "IRCP"}]}, "reference": party}], **provision},
    }  # fmt: skip


def permission(client, practice, **more):
    """What she permits: all vitals, for treatment."""
    treat = {"code": "TREAT", "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason"}
    vitals = {"system": categories.SYSTEM, "code": "vitals"}
    return rules(client, practice, type="permit", purpose=[treat], **{"class": [vitals]}, **more)


def without(*references):
    """A refusal of single entries."""
    data = [{"meaning": "instance", "reference": {"reference": one}} for one in references]
    return {"type": "deny", "data": data}


@pytest.fixture
def sign(tmp_path, patient, practice):
    """`obhut patient sign` of these Consents."""

    def run(*consents, more=()):
        files = [tmp_path / f"consent-{number}.json" for number, _ in enumerate(consents)]
        for file, consent in zip(files, consents, strict=True):
            file.write_text(json.dumps(consent))
        return patient("sign", *map(str, files), "--to", practice.account, *more)

    return run


def test_a_consent_of_her_own_is_kept_to_rule_by_rule(client, practice, sign):
    """A FHIR Consent with exceptions by code and by date: granted as one grant, shown as it says."""
    write(client, 1, 2)
    write(client, 3, day="2026-03-01")
    old = {"type": "deny", "dataPeriod": {"end": "2026-09-30"}}
    consent = permission(client, practice, code=[{"coding": [{"system": LOINC, "code": "29463-7"}]}], provision=[old])
    done = sign(consent)
    assert done.returncode == 0, done.stderr
    assert found(practice, client) == {"w1", "w2"}
    client.sync()
    (grant,) = client.record.relations[practice.account].live(client.now)
    shown = resources.parse(practice.inbox.consents.text(client.account, grant))
    assert "dataPeriod" not in json.dumps(shown)
    consent["provision"].pop("purpose")
    refused = sign(consent)
    assert refused.returncode != 0
    assert "Name the purposes" in refused.stderr


def test_a_consent_for_some_of_a_house_is_kept_to_by_it(client, patient, practice, sign):
    """Treatment but no emergency, and no nurse: by FHIR, who is not meant finds nothing; and she is told."""
    write(client, 1, 2)
    urgent = {"code": "ETREAT", "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason"}
    party = {"identifier": {"system": "urn:obhut:account", "value": practice.account}}
    nurse = {"role": {"coding": [{"code": "nurse"}]}, "reference": party}
    exceptions = [{"type": "deny", "purpose": [urgent]}, {"type": "deny", "actor": [nurse]}]
    done = sign(permission(client, practice, provision=exceptions))
    assert done.returncode == 0, done.stderr
    name = identifiers.account(client.account).local
    for role, purpose, total in (
        ("physician", "TREAT", 2), ("Nurse", "TREAT", 0), ("physician", "ETREAT", 0), ("physician", "COC", 2)
    ):  # fmt: skip
        answer = ask(practice, role, path=f"Observation?patient={name}", purpose=purpose)
        assert (answer.status_code, answer.json["total"]) == (200, total), (role, purpose)
    told = patient("who").stdout
    assert "Not for treatment in an emergency." in told and "in the role of nurse does not see it" in told
    seen = [one for line in patient("who", "--json").stdout.splitlines() if (one := json.loads(line))["visible"]]
    assert [one["readers"]["roles"] for one in seen] == [["nurse"]]


def test_a_refusal_of_single_entries_is_no_list_of_hers(client, patient, practice, sign):
    """A Consent that refuses by data is kept to, whatever else is hidden and shown again."""
    write(client, 1, 2)
    refusal = rules(client, practice, "c2", **without("Observation/w1"))
    assert sign(permission(client, practice), refusal).returncode == 0
    assert found(practice, client) == {"w2"}
    assert patient("hide", "Observation/w2").returncode == 0
    assert found(practice, client) == set()
    assert patient("unhide", "Observation/w2").returncode == 0
    assert found(practice, client) == {"w2"}


def test_what_is_signed_takes_the_place_of_what_was_granted_before(client, practice, sign):
    """Of grants and of Consents: the elder ends, and where nothing is permitted, everything; it is said."""
    write(client, 1, 2)
    first = sharing.grant(client, practice.account, {VITALS, LAB})
    narrowed = sign(permission(client, practice, provision=[without("Observation/w1")]))
    assert f"ended {first}, granted before" in narrowed.stdout
    assert found(practice, client) == {"w2"}
    refusal = rules(client, practice, "c2", type="deny")
    ended = sign(permission(client, practice), refusal)
    assert (ended.returncode, ended.stdout.split("\n")[0]) == (
        0, f"nothing is permitted to {practice.account} from now on"
    ), ended.stderr  # fmt: skip
    assert found(practice, client) == set()
    again = sign(refusal)
    assert again.returncode != 0
    assert "Nothing is permitted" in again.stderr


def test_a_refusal_for_a_hospital_reaches_its_wards(client, patient, practices, practice, sign, tmp_path):
    """What was granted to a ward of a ward ends, and is not granted by what permits it; others keep what they have."""
    write(client, 1)
    clinic = practices("klinik", "hospital")
    house = practices("chirurgie", "hospital", "--part-of", clinic.account)
    ward = practices("station-3", "hospital", "--part-of", house.account)
    for one in (ward, practice):
        sharing.grant(client, one.account, {VITALS})
        assert found(one, client) == {"w1"}
    (of_the_ward,) = [known.gid for oth, known, _ in sharing.granted(client) if oth == ward.account]
    refusal, file = rules(client, clinic, type="deny"), tmp_path / "refusal.json"
    file.write_text(json.dumps(refusal))
    done = patient("sign", str(file), "--to", clinic.account)
    assert f"ended {of_the_ward}, granted before to {ward.account}: a part of" in done.stdout, done.stderr
    assert (found(ward, client), found(practice, client)) == (set(), {"w1"})
    client.sync()
    with pytest.raises(Problem, match="Nothing is permitted"):
        restrictions.sign(client, [permission(client, ward), refusal | {"id": "c2"}], ward.account)
    assert restrictions.sign(client, [permission(client, ward)], ward.account).made


def test_a_crash_between_what_is_signed_and_what_ends_is_made_up_for(client, practice, sign, monkeypatch):
    """Until then the wider one counts; to sign it again leaves one grant."""
    write(client, 1, 2)
    sharing.grant(client, practice.account, {VITALS})
    narrow = permission(client, practice, provision=[without("Observation/w1")])
    with monkeypatch.context() as crash:
        crash.setattr(sharing, "end", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            restrictions.sign(client, [narrow], practice.account)
    assert found(practice, client) == {"w1", "w2"}
    assert sign(narrow).returncode == 0
    assert found(practice, client) == {"w2"}
    client.sync()
    assert len(client.record.relations[practice.account].live(client.now)) == 1


def test_what_is_signed_from_now_on_leaves_out_what_is_older(client, practice, sign):
    """Also what is written later and is older by its clinical date."""
    assert sign(permission(client, practice), more=["--from-now-on"]).returncode == 0
    write(client, 1, day="2020-03-01")
    write(client, 2, day=years_ahead(3))
    assert found(practice, client) == {"w2"}


def test_all_is_signed_or_nothing(client, practice, monkeypatch):
    """What is granted already counts among the grants that there can be."""
    sharing.grant(client, practice.account, {LAB})
    monkeypatch.setattr(restrictions, "MAX_GRANTS", 2)
    pause = {"type": "deny", "period": {"start": "2040-01-01", "end": "2040-01-31"}}
    before = client.record.relations[practice.account].head
    with pytest.raises(Problem, match="withdraw") as refused:
        restrictions.sign(client, [permission(client, practice, provision=[pause])], practice.account)
    assert refused.value.code == "unprocessable"
    client.sync()
    assert client.record.relations[practice.account].head == before


def test_a_relative_who_does_not_know_yet_what_is_hidden_shows_it_to_nobody_for_long(ada, ben, practice, monkeypatch):
    """What he grants by the rules of before is signed again when her own client comes."""
    write(ada.client, 1, 2)
    give(ada, ben, VITALS, end=years_ahead(2))
    name_delegate(ada.client, ben.card, years_ahead(3))
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))
    deputy = Deputy(ben.reading, ada.account)
    deputy.sync()
    restrictions.hide(ada.client, ["Observation/w1"])
    monkeypatch.setattr(deputy, "sync", lambda: None)
    deputy.grant(practice.account, {VITALS})
    assert found(practice, ada.client) == {"w1", "w2"}
    ada.client.sync()
    ada.client.settle()
    assert found(practice, ada.client) == {"w2"}


def test_a_relative_hands_on_no_more_than_she_may_see(ada, ben, practice):
    """What Ada hid from Ben is not seen by the practice to which he hands on her vitals; nor what she hides later."""
    write(ada.client, 1, 2, 3)
    restrictions.hide(ada.client, ["Observation/w1"])
    give(ada, ben, VITALS, LAB, end=years_ahead(2))
    name_delegate(ada.client, ben.card, years_ahead(3))
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))
    deputy = Deputy(ben.reading, ada.account)
    deputy.sync()
    deputy.grant(practice.account, {VITALS})
    assert found(practice, ada.client) == {"w2", "w3"}
    settled = restrictions.hide(ada.client, ["Observation/w2"])
    assert (settled.unreached, len(settled.assumed)) == ([], 1)
    assert restrictions.settle(ada.client).assumed == []
    assert found(practice, ada.client) == {"w3"}


def test_a_relative_whose_rules_differ_hands_on_one_by_one(ada, ben, practice):
    """Two grants under two rules are not mixed into one that would say less than either."""
    write(ada.client, 1)
    give(ada, ben, VITALS, end=years_ahead(2))
    sharing.grant(ada.client, ben.account, {LAB}, whole=False, end=years_ahead(2))
    name_delegate(ada.client, ben.card, years_ahead(3))
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {LAB}))
    deputy = Deputy(ben.reading, ada.account)
    deputy.sync()
    with pytest.raises(Problem) as refused:
        deputy.grant(practice.account, {VITALS, LAB})
    assert refused.value.code == "forbidden"
    assert "one by one" in refused.value.detail
