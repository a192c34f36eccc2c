"""A practice writes back: the patient permits it, her other readers find each state, and nothing is lost or doubled."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import islice

import orjson
import pytest
import requests

from connectors.entries import Entry
from connectors.gateway import access, outgoing
from connectors.gateway.access import Reader
from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from connectors.gateway.outgoing import Sender
from connectors.gateway.store import Store
from connectors.gateway.visibility import Scope
from connectors.hub_client import HubClient
from connectors.outbox import Outbox
from connectors.patient import enrolment, permits, sharing
from connectors.patient.reading import Reading
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles.search import parse
from tests.connectors.gateway.conftest import FHIR_JSON
from tests.journeys.conftest import obhut, serving

VITALS, LAB = INDEX["vitals"], INDEX["lab"]
VITAL = [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}]
OTHER = [{"coding": [{"system": VITAL[0]["coding"][0]["system"], "code": "laboratory"}]}]
PATIENCE_SECONDS = 60


class Crash(Exception):  # noqa: N818 - what happens, not what went wrong
    """The process dies here."""


class Ward:
    """A practice whose people write over its FHIR API; `pass_on` is one turn of the process that follows the feed."""

    def __init__(self, practice):
        self.practice = practice
        practice.inbox.catch_up()
        self.open()
        config = Config(database=practice.database, hub_url="http://hub.test", keystore="keys")
        self.app = create_app(config)
        reader = Reader("Nurse Ada", "assistant", "TREAT", writes=True)
        token = access.issue_token(practice.store.database, reader, 3600)
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": FHIR_JSON}

    def open(self):
        """As after a restart of that process."""
        self.practice.open()
        self.sender = Sender(self.practice.inbox)

    def close(self):
        self.app.extensions["gateway"].store.database.close()

    def pass_on(self):
        self.practice.inbox.catch_up()
        sent = self.sender.send()
        self.practice.inbox.catch_up()
        return sent

    def call(self, method, path, body=None):
        data = None if body is None else orjson.dumps(body)
        return self.app.test_client().open(f"/fhir/{path}", method=method, data=data, headers=self.headers)

    def put(self, resource):
        answer = self.call("PUT", f"{resource['resourceType']}/{resource['id']}", resource)
        assert answer.status_code in (200, 201), answer.text
        return answer

    def shown(self, patient):
        """Id → version of what a search gives now, each once."""
        answer = self.call("GET", f"Observation?patient={account(patient.account).local}&_count=1000")
        found = [entry["resource"] for entry in answer.json.get("entry", [])]
        assert len({each["id"] for each in found}) == len(found)
        return {each["id"]: int(each["meta"]["versionId"]) for each in found}


def pressure(patient, id_, value=120, **members):
    """A blood pressure in `vitals`."""
    return {
        "resourceType": "Observation", "id": id_, "status": "final", "category": VITAL,
        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
        "subject": {"reference": f"Patient/{account(patient.account).local}"},
        "effectiveDateTime": "2026-11-25T08:00:00+01:00",
        "valueQuantity": {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"},
    } | members  # fmt: skip


@pytest.fixture
def reader(practices, client):
    """Another practice, which may read the patient's vitals."""
    other = practices("praxis-b")
    sharing.grant(client, other.account, {VITALS})
    return other


@pytest.fixture
def ward(practice, client, reader):
    """A practice that the patient lets write."""
    permits.permit(client, practice.account)
    ward = Ward(practice)
    yield ward
    ward.close()


def read(practice, client):
    """Id → version and value of what another house finds of the patient, each once."""
    practice.inbox.catch_up()
    query = parse("Observation", [("patient", account(client.account).local), ("_count", "1000")])
    scope = Scope(("TREAT",), int(datetime.now(UTC).timestamp()))
    matches = practice.store.search(query, scope).matches
    assert len({match.id for match in matches}) == len(matches)
    return {match.id: (match.version, orjson.loads(match.body)["valueQuantity"]["value"]) for match in matches}


def read_herself(client, tmp_path):
    """Id, version and author of what the patient finds in her own record."""
    reading = Reading(tmp_path / "patient", client)
    reading.refresh()
    found = [(one.id, one.version, one.author) for one in reading.read("Observation")]
    reading.close()
    return found


def states(practice):
    """State and reason of what is not at the hub."""
    return [(each.id, each.state, each.reason) for each in outgoing.waiting(practice.store.database)]


def test_a_value_an_update_and_a_deletion_reach_the_other_practice(ward, reader, client, tmp_path):
    """Each state is found at once where it was written, and after the next turn by the patient's other reader."""
    ward.put(pressure(client, "bp", 150))
    assert ward.shown(client) == {"bp": 1}
    assert ward.pass_on() == 1
    assert read(reader, client) == {"bp": (1, 150)}
    assert ward.shown(client) == {"bp": 1}
    ward.put(pressure(client, "bp", 130))
    ward.pass_on()
    assert read(reader, client) == {"bp": (2, 130)}
    assert ward.shown(client) == {"bp": 2}
    assert read_herself(client, tmp_path) == [("bp", 2, ward.practice.account)]
    assert ward.call("DELETE", "Observation/bp").status_code == 204
    assert ward.shown(client) == {}
    ward.pass_on()
    assert read(reader, client) == {}
    assert read_herself(client, tmp_path) == []
    assert (ward.shown(client), states(ward.practice)) == ({}, [])
    assert ward.call("GET", "Observation/bp").status_code == 410


def test_what_was_written_faster_than_sent_arrives_as_it_was_left(ward, reader, client):
    """Several versions, a move to another category, a deletion and a new beginning wait together; the last counts."""
    for value in (150, 140):
        ward.put(pressure(client, "bp", value))
    ward.put(pressure(client, "moved", 1, category=OTHER))
    ward.put(pressure(client, "moved", 2))
    ward.put(pressure(client, "away", 3))
    ward.put(pressure(client, "away", 4, category=OTHER))
    ward.put(pressure(client, "again", 5))
    ward.call("DELETE", "Observation/again")
    ward.put(pressure(client, "again", 6))
    ward.pass_on()
    assert read(reader, client) == {"bp": (2, 140), "moved": (2, 2), "again": (3, 6)}
    assert ward.shown(client) == {"bp": 2, "moved": 2, "away": 2, "again": 3}
    assert states(ward.practice) == []


def test_a_rotation_meanwhile_reseals_what_waits(ward, reader, client, practices):
    """An epoch that ended by a withdrawal: the hub says 409, the outbox seals anew, the remaining reader opens it."""
    third = practices("praxis-c")
    sharing.grant(client, third.account, {VITALS})
    ward.put(pressure(client, "one"))
    ward.pass_on()
    sharing.withdraw(client, third.account)
    ward.put(pressure(client, "two"))
    assert ward.sender.send() == 1  # it has not heard of the new epoch
    assert set(read(reader, client)) == {"one", "two"}
    assert set(ward.shown(client)) == {"one", "two"}


def test_a_permit_that_ends_while_something_waits_keeps_it_in_the_house(ward, reader, client):
    """What was sent stays with the readers; what was not is documented in the house, and the house can see why."""
    ward.put(pressure(client, "sent"))
    ward.pass_on()
    ward.put(pressure(client, "sent", 99))
    ward.put(pressure(client, "kept"))
    permits.unpermit(client, ward.practice.account)
    ward.pass_on()
    assert read(reader, client) == {"sent": (1, 120)}
    assert ward.shown(client) == {"sent": 2, "kept": 1}
    assert states(ward.practice) == [("sent", "refused", "no-permit"), ("kept", "refused", "no-permit")]
    assert ward.call("POST", "Observation", pressure(client, "x")).status_code == 403
    shown = obhut("gateway", "outbox", "--database", ward.practice.database, "--json")
    assert [orjson.loads(line)["reason"] for line in shown.stdout.splitlines()] == ["no-permit"] * 2
    assert obhut("gateway", "outbox", "--database", ward.practice.database, "--forget-refused").returncode == 0
    assert (states(ward.practice), ward.shown(client)) == ([], {"sent": 2, "kept": 1})


def test_a_permit_that_ends_before_the_house_hears_of_it_keeps_it_in_the_house(ward, client):
    """The hub refuses first; the feed says why; other patients' writing is not held back."""
    ward.put(pressure(client, "kept"))
    permits.unpermit(client, ward.practice.account)
    assert ward.sender.send() == 0
    assert states(ward.practice) == [("kept", "queued", "")]
    ward.pass_on()
    assert states(ward.practice) == [("kept", "refused", "no-permit")]
    permits.permit(client, ward.practice.account)
    ward.practice.inbox.catch_up()
    ward.put(pressure(client, "kept", 1))
    ward.put(pressure(client, "new"))
    assert ward.pass_on() == 2
    assert ward.shown(client) == {"kept": 2, "new": 1}


def test_a_large_resource_goes_out_too(ward, client):
    """Over 1 MiB: acknowledged, found in the house, and taken by the hub."""
    ward.put(pressure(client, "large", note=[{"text": "x" * 800_000}] * 2))
    assert ward.pass_on() == 1
    assert (ward.shown(client), states(ward.practice)) == ({"large": 1}, [])


def test_after_the_end_of_everything_the_house_keeps_what_it_wrote(ward, client):
    """Reading and writing taken back: what others wrote is gone, the own documentation is there."""
    sharing.grant(client, ward.practice.account, {VITALS})
    line = orjson.dumps(pressure(client, "hers", meta={"versionId": "1"}))
    client.outbox.put([Entry(client.account, VITALS, [line], "Observation/hers")])
    client.flush()
    ward.put(pressure(client, "own"))
    ward.pass_on()
    assert set(ward.shown(client)) == {"own", "hers"}
    sharing.withdraw(client, ward.practice.account)
    permits.unpermit(client, ward.practice.account)
    ward.pass_on()
    assert ward.shown(client) == {"own": 1}


def test_a_linked_patients_earlier_documentation_goes_out_when_told(ward, reader, client):
    """By the card, checked at the hub; what was house-local before stays, until --send-earlier."""
    ward.call("PUT", "Patient/4711", {"resourceType": "Patient", "id": "4711"})
    ward.put(pressure(client, "early", subject={"reference": "Patient/4711"}))
    card = str(enrolment.card(client))
    common = ("--database", ward.practice.database, "--keystore", str(ward.practice.directory / "keys"))
    wrong = card[:-1] + ("a" if card[-1] != "a" else "b")
    assert obhut("gateway", "link", "--patient", "4711", "--card", wrong, *common).returncode == 2
    assert obhut("gateway", "link", "--patient", "4712", "--card", card, *common).returncode == 2
    done = obhut("gateway", "link", "--patient", "4711", "--card", card, *common)
    assert (done.returncode, done.stdout) == (0, f"Patient/4711 is {client.account}\n"), done.stderr
    ward.put(pressure(client, "late", subject={"reference": "Patient/4711"}))
    ward.pass_on()
    assert read(reader, client) == {"late": (1, 120)}
    assert ward.shown(client) == {"early": 1, "late": 1}
    again = obhut("gateway", "link", "--patient", "4711", "--card", card, "--send-earlier", *common)
    assert "on its way: 1" in again.stdout
    ward.pass_on()
    assert read(reader, client) == {"early": (2, 120), "late": (1, 120)}
    listed = obhut("gateway", "links", "--database", ward.practice.database)
    assert listed.stdout == f"Patient/4711  {client.account}\n"
    assert obhut("gateway", "unlink", "--patient", "4711", "--database", ward.practice.database).returncode == 0


# --- crashes

STEPS = [
    (Outbox, "put"), (Outbox, "_seal_some"), (HubClient, "deposit"), (Outbox, "_settle"), (outgoing, "_move"),
    (outgoing, "_forget_sent"), (Store, "put_many"),
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_between_any_two_steps_loses_and_doubles_nothing(ward, reader, client, monkeypatch, after):
    """The process dies before and after each of its writes; started anew, each resource is there once, as last left."""
    for number, (owner, name) in enumerate(STEPS):
        ward.put(pressure(client, f"r{number}", 1))
        ward.put(pressure(client, "all", number))
        with monkeypatch.context() as patch:
            whole = getattr(owner, name)

            def dies(*args, whole=whole, **kwargs):
                if after:
                    whole(*args, **kwargs)
                raise Crash

            patch.setattr(owner, name, dies)
            with pytest.raises(Crash):
                ward.pass_on()
        assert ward.shown(client)["all"] == number + 1, name
        ward.open()
        ward.pass_on()
        expected = {f"r{n}": (1, 1) for n in range(number + 1)} | {"all": (number + 1, number)}
        assert read(reader, client) == expected, name
        assert states(ward.practice) == [], name


def test_what_was_acknowledged_reaches_the_hub_through_kills(ward, reader, client, hub):
    """kill -9 of the gateway while people write: whatever was acknowledged the other practice finds, once."""
    ward.practice.close()
    ward.close()
    acknowledged = {}
    for turn in range(3):
        with serving(ward.practice) as (url, process), ThreadPoolExecutor(4) as threads:
            bodies = [pressure(client, f"k{turn}-{number}", number) for number in range(60)]
            answers = threads.map(lambda body, url=url: written(url, body, ward.headers), bodies)
            known = list(islice((one for one in answers if one[0]), 30))
            process.kill()
            acknowledged |= {id_: value for id_, value in [*known, *answers] if id_}
    with serving(ward.practice):
        until = time.monotonic() + PATIENCE_SECONDS
        while b"{" in waiting(ward.practice) and time.monotonic() < until:
            time.sleep(0.2)
    found = read(reader, client)
    assert len(acknowledged) >= 90
    assert {id_: found.get(id_) for id_ in acknowledged} == {id_: (1, value) for id_, value in acknowledged.items()}


def waiting(practice):
    """What the command says of what is not at the hub."""
    return obhut("gateway", "outbox", "--database", practice.database, "--json").stdout.encode()


def written(url, body, headers):
    """Id and value of what was acknowledged; an empty id otherwise."""
    try:
        answer = requests.put(f"{url}/Observation/{body['id']}", json=body, headers=headers, timeout=PATIENCE_SECONDS)
    except requests.RequestException:
        return "", 0
    return (body["id"], body["valueQuantity"]["value"]) if answer.status_code == 201 else ("", 0)
