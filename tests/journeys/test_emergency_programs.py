"""Emergency access with whole programs: patient's commands, hubs, a served gateway and one that is used by command."""

import json

import pytest
import requests

from connectors.gateway.emergency import DECLARED, NO_ACCESS, REASON_SYSTEM
from connectors.patient import enrolment, sharing
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles import resources
from tests.journeys.conftest import Practice, obhut, serving
from tests.journeys.sharing import write
from tests.journeys.test_two_hubs import hubs, until  # noqa: F401 - a fixture

VITALS = INDEX["vitals"]
REASON = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "reason",
            "valueCodeableConcept": {
                "coding": [{"system": REASON_SYSTEM, "code": "unconscious"}], "text": "Found in the street.",
            },
        }
    ],
}  # fmt: skip


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: tests/hub asks both."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def other_url(tmp_path):
    return f"sqlite:///{tmp_path / 'other.sqlite'}"


class Clinic(Practice):
    """An emergency department."""

    def __init__(self, directory, hub, name="notaufnahme"):
        super().__init__(directory, hub, name, "emergency")
        self.close()

    def run(self, *words):
        done = obhut("gateway", *words, **self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def token(self, person, role="physician", purpose="TREAT"):
        words = ("token", "create", "--person", person, "--role", role, "--purpose", purpose)
        return {"Authorization": f"Bearer {self.run(*words)}"}


@pytest.fixture
def patient(tmp_path, hub):
    """A patient who wrote something, and her commands."""
    made = Patient(tmp_path / "patient", hub)
    yield made
    made.client.close()


class Patient:
    def __init__(self, directory, hub):
        self.directory = directory
        self.client, _ = enrolment.enrol(directory, hub.url)
        write(self.client, 1, 2)

    @property
    def id(self):
        return account(self.client.account).local

    def run(self, *words):
        done = obhut("patient", *words, "--account", str(self.directory))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


def test_a_served_gateway_declares_alike_for_everybody(tmp_path, hub, patient):
    """From opting in to her objection, by the commands and the FHIR operation; the same answer for four patients."""
    er = Clinic(tmp_path, hub)
    ordinary, stranger = (Patient(tmp_path / name, hub) for name in ("ordinary", "stranger"))
    sharing.grant(ordinary.client, er.account, {VITALS})
    assert patient.run("emergency", "on", er.account, "--categories", "vitals,medication", "--span", "1200")
    shown = patient.run("emergency", "show")
    assert f"{er.account}: vitals, medication, when declared by nurse-ed or paramedic or physician" in shown
    doctor, clerk = er.token("Dr. Eva Not"), er.token("Udo Empfang", "receptionist")
    with serving(er) as (url, _):
        statement = requests.get(f"{url}/metadata", timeout=60).json()
        (one,) = [r for r in statement["rest"][0]["resource"] if r["type"] == "Patient"]
        (operation,) = one["operation"]
        described = requests.get(operation["definition"], timeout=60)
        resources.check(described.json())

        def declare(who, headers=doctor, body=REASON):
            return requests.post(f"{url}/Patient/{who}/$emergency", json=body, headers=headers, timeout=60)

        def total(who, headers):
            return requests.get(f"{url}/Observation?patient={who}", headers=headers, timeout=60).json()["total"]

        until(lambda: total(ordinary.id, doctor))
        nobody = "p-" + "a" * 26
        answers = [declare(who) for who in (patient.id, ordinary.id, stranger.id, nobody, "local-7")]
        assert {a.status_code for a in answers} == {200}
        assert len({a.content for a in answers}) == 1
        assert answers[0].json()["issue"][0]["diagnostics"] == DECLARED
        assert {tuple(sorted(a.headers)) for a in answers} == {tuple(sorted(answers[0].headers))}
        assert declare(patient.id, clerk).status_code == 403
        assert declare(patient.id, body={"resourceType": "Parameters"}).status_code == 400
        assert requests.post(f"{url}/Patient/{patient.id}/$emergency", json=REASON, timeout=60).status_code == 401

        assert until(lambda: total(patient.id, doctor)) == 2
        assert total(patient.id, er.token("Dr. Another")) == 0
        assert total(stranger.id, doctor) == 0
        assert "Dr. Eva Not, physician" in patient.run("show")
        (told,) = until(lambda: [one for one in reviews(patient) if one["read"]])
        assert (told["person"], told["code"], told["text"]) == ("Dr. Eva Not", "unconscious", "Found in the street.")
        assert told["read"]["Observation"] >= 2
        assert "emergency" in patient.run("log")
        assert "is told" in patient.run("emergency", "review", "--object", told["id"], "--text", "I was awake.")
        assert "notice" not in patient.run("show")
        until(lambda: "objected: I was awake." in er.run("emergencies"))
        hub.kill()
        refused = declare(patient.id)
        assert (refused.status_code, refused.json()["issue"][0]["diagnostics"]) == (503, NO_ACCESS)
        hub.start()
        assert "ended 1" in patient.run("emergency", "off", er.account)
        until(lambda: total(patient.id, doctor) == 0)
    for one in (ordinary, stranger):
        one.client.close()


def reviews(patient):
    return [json.loads(line) for line in patient.run("emergency", "review", "--json").splitlines()]


def test_a_department_of_another_hub_by_its_command(tmp_path, hubs):  # noqa: F811
    """She allows all departments that her hub's directory lists; the house has no server; its hub lies elsewhere."""
    patient, er = Patient(tmp_path / "patient", hubs[0]), Clinic(tmp_path, hubs[1])
    words = ("emergency", "on", "--all", "--account", str(patient.directory))
    until(lambda: er.account in obhut("patient", *words).stdout)
    declare = (
        "emergency", "--patient", patient.id, "--person", "Kai Dienst", "--role", "nurse-ed", "--reason-code",
        "cannot-consent", "--text", "Stroke, cannot speak.",
    )  # fmt: skip
    read = ("read", f"Observation?patient={patient.id}", "--person", "Kai Dienst", "--role", "nurse-ed")
    until(lambda: er.run(*declare) and reviews(patient))
    assert until(lambda: json.loads(er.run(*read))["total"]) == 2
    assert json.loads(er.run("read", f"Observation?patient={patient.id}", "--person", "Other"))["total"] == 0
    (told,) = until(lambda: [one for one in reviews(patient) if one["read"]])
    assert (told["house"], told["person"], told["code"]) == (er.account, "Kai Dienst", "cannot-consent")
    hubs[0].kill()
    (listed,) = {tuple(json.loads(line)) for line in er.run("emergencies", "--json").splitlines()}
    assert {"person", "state", "review"} <= set(listed) and not {"until", "gid", "patient"} & set(listed)
    refused = obhut("gateway", *declare, **er.environment)
    assert refused.returncode != 0 and "no emergency access now" in refused.stderr
    hubs[0].start()
    patient.client.close()
