"""The access log for people and for programs: sentences in two languages, AuditEvents that are R4."""

import json
from dataclasses import replace

import pytest

from connectors.balp import PROFILE
from connectors.patient.access_log import Entry
from connectors.patient.audit_events import audit_event, bundle
from connectors.patient.log_proof import Proof
from connectors.patient.log_words import ACTIONS, FAULTS, LANGUAGES, STATEMENTS, TYPES, line, report
from consent import log, statements
from fhir_profiles import resources
from fhir_profiles.resources import model
from tests.consent import world

ACC, HOUSE = f"p-{'a' * 26}@hub.example.org", "praxis@hub.example.org"
AT = 1_795_000_000
CONSENT = {"grant": "G" * 22, "at": AT - 86400, "by": ACC, "emergency": False, "own": False}
DETAIL = {
    "typ": "grant", "oth": HOUSE, "count": 3, "entry": 4, "to": HOUSE, "last": 9, "reason": "no-permit", "kind": "rel",
    "seq": 1,
}  # fmt: skip


def entry(action="read", **more):
    given = {"actor": HOUSE, "purpose": "TREAT", "detail": DETAIL, "name": "Praxis am Markt", "device": "d" + "a" * 16}
    return Entry(7, AT, action=action, **(given | more))


READ = entry(person="Dr. Ada", role="physician", what="Observation", number=3, basis=[CONSENT])
ALL = [
    READ,
    entry("release", categories=["vitals"], basis=[CONSENT], automated=True),
    entry(number=0, what="Condition"),
    entry(person="Dr. Ada", what="Observation", number=1, kept="treatment"),
    entry("refusal", detail={"what": "stream", "name": "x", "reason": "consent"}),
    entry("refusal", detail={"stream": "x", "reason": "no-permit"}),
    entry("deposit", detail={"count": 2, "deletes": 2, "stream": "x"}),
    *(entry("statement", detail=DETAIL | {"typ": typ}, actor=ACC, name="") for typ in STATEMENTS),
    *(entry(action) for action in ACTIONS),
    *(entry("health-link", detail={"what": what, "link": "x" * 22, "until": AT, "left": left}, person="Dr. Ada",
            actor=ACC if what in ("made", "extended", "revoked") else "hub.example.org", name="")
      for what, left in (("made", 0), ("opened", 0), ("wrong", 9), ("wrong", 0), ("extended", 0), ("revoked", 0))),
    entry("something-new"),
]  # fmt: skip


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.action} {one.detail.get('typ', '')}")
def test_every_entry_is_a_sentence(one, language):
    """Nothing is left open in it, and it ends."""
    said = line(one, ACC, language)
    assert said.endswith(".")
    assert not set("{}") & set(said)


def test_a_read_says_who_when_what_why_on_which_basis_and_that_a_person_looked():
    """In both languages, the organisation by its name in the directory."""
    assert line(READ, ACC)[25:] == (
        "Dr. Ada (physician), Praxis am Markt (praxis@hub.example.org) looked at 3 measured values or findings;"
        " for your treatment; by your consent of 17 November 2026; by a person."
    )
    german = line(READ, ACC, "de")
    assert (
        "hat 3 Messwerte oder Befunde angesehen; für Ihre Behandlung; aufgrund Ihrer Einwilligung vom 17. November 2026"
        in german
    )
    assert german.endswith("durch einen Menschen.")


def test_a_single_finding_is_called_one():
    """In both languages; and whatever has a name for many has one for a single."""
    once = replace(READ, number=1)
    assert "looked at 1 measured value or finding;" in line(once, ACC)
    assert "hat 1 Messwert oder Befund angesehen;" in line(once, ACC, "de")
    for name in TYPES:
        for language in LANGUAGES:
            said = [line(replace(READ, number=number, what=name), ACC, language) for number in (1, 2)]
            assert said[0].replace(" 1 ", " 2 ", 1) != said[1]


@pytest.mark.parametrize(
    ("count", "english", "german"),
    [(1, "was given a sealed packet: vital", "hat ein versiegeltes Paket erhalten: Vital"),
     (2, "was given 2 sealed packets: vital", "hat 2 versiegelte Pakete erhalten: Vital")],
)  # fmt: skip
def test_a_single_packet_is_called_one(count, english, german):
    """Neither "1 packets" nor a number where there is one."""
    one = entry("release", categories=["vitals"], detail={"count": count})
    assert english in line(one, ACC)
    assert german in line(one, ACC, "de")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"basis": []}, "no consent of yours was in force then"),
        ({"basis": [CONSENT | {"emergency": True}]}, "by your consent for emergencies of"),
        ({"basis": [CONSENT | {"by": "p-rel@hub"}]}, "that p-rel@hub gave for you"),
        ({"basis": [CONSENT | {"own": True}]}, "as what it wrote itself, by your permit of"),
        ({"automated": True, "person": ""}, "by a program, no person looked"),
        ({"objection": "Not me.", "answer": ""}, "you objected: Not me; not answered yet"),
        ({"objection": "Not me.", "answer": "Sorry."}, "you objected: Not me; answer: Sorry"),
        ({"purpose": "XYZ,HPAYMT"}, "for XYZ and billing"),
        ({"name": ""}, "Dr. Ada (physician), praxis@hub.example.org looked"),
    ],
)
def test_what_it_rested_on_is_said(change, said):
    """No consent, one for emergencies, one that a representative gave; a program; objections; unknown purposes."""
    given = {name: getattr(READ, name) for name in READ.__dataclass_fields__} | change
    assert said in line(Entry(**given), ACC)


@pytest.mark.parametrize("one", ALL, ids=lambda one: f"{one.action} {one.detail.get('typ', '')}")
def test_every_entry_is_an_audit_event(one):
    """By HL7's definitions and by the typed model, under the pattern of BALP that it follows."""
    event = audit_event(one, ACC)
    resources.check(event)
    model(event)


def test_a_release_is_a_decision_on_consent():
    """Permit with the consent it rested on; a refusal is a failure that says why."""
    event = audit_event(entry("release", basis=[CONSENT]), ACC)
    assert event["meta"]["profile"] == [PROFILE + "AuthZconsent"]
    assert (event["type"]["code"], event["subtype"][0]["code"], event["outcome"]) == ("110113", "AuthZ-Consent", "0")
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    kinds = [entity["type"]["code"] for entity in event["entity"]]
    assert (kinds, event["entity"][1]["what"]["identifier"]["value"]) == (["1", "Consent"], "G" * 22)
    roles = [agent["type"]["coding"][0]["code"] for agent in event["agent"]]
    assert roles == ["110150", "IRCP", "PROV", "authserver"]
    refused = audit_event(ALL[4], ACC)
    assert (refused["outcome"], refused["outcomeDesc"]) == ("8", "No consent of the patient permits it.")


def test_a_read_names_person_role_and_patient():
    """BALP's PatientRead."""
    event = audit_event(READ, ACC)
    assert (event["meta"]["profile"], event["action"]) == ([PROFILE + "PatientRead"], "R")
    (user,) = [agent for agent in event["agent"] if agent["requestor"]]
    assert (user["name"], user["role"]) == ("Dr. Ada", [{"text": "physician"}])
    assert event["entity"][0]["what"]["reference"] == f"Patient/{ACC.partition('@')[0]}"
    assert event["entity"][1]["what"]["display"] == "3 measured values or findings"


def test_an_emergency_has_its_place():
    """A declared emergency is the event that FHIR and DICOM have for it."""
    event = audit_event(entry("emergency", basis=[CONSENT | {"emergency": True}]), ACC)
    assert event["subtype"][0]["code"] == "110127"


def test_a_bundle_of_all_is_one_resource():
    """A collection that is R4 itself."""
    made = bundle([replace(one, seq=seq) for seq, one in enumerate(ALL, 1)], ACC)
    resources.check(json.loads(json.dumps(made)))
    assert len(made["entry"]) == len(ALL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_fault_is_a_sentence(language):
    """And a statement that the log does not tell of is one, too."""
    me = world.person()
    link = statements.parse(me.frames[1])
    assert FAULTS.keys() == log.FAULTS.keys()
    head = log.Head("hub.example.org", ACC, 1, "", AT, link.frame)
    found = [log.Entry(ACC, 5, AT, ACC, "", "vault", "", {})]
    for kind in FAULTS:
        said = report(Proof(found, head, [log.Fault(3, 4, kind)], 1, [link], known_key=False), language)
        assert len(said) == 5
        assert not set("{}") & set(" ".join(said))
