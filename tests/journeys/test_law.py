"""What the law closes to a house or a person there (`consent.floor`): from the directory to the gateway's answer."""

import json

import pytest

from connectors.patient import permits, sharing
from connectors.patient.delegation import Deputy
from consent import identifiers
from consent.categories import INDEX
from fhir_profiles.problems import Problem
from tests.journeys.conftest import give, name_delegate, obhut
from tests.journeys.sharing import ask, write

VITALS = INDEX["vitals"]


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the hub keeps what it is told of organisations."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.mark.parametrize(("type_", "total", "status"), [("practice", 1, 201), ("payer", 0, 403), ("pharmacy", 1, 403)])
def test_what_a_house_is_decides_whatever_was_granted(client, hub, practice, type_, total, status):
    """A payer is shown nothing, a pharmacy writes no findings, whatever the person calls herself; the audit tells."""
    write(client, 1)
    name = identifiers.account(client.account).local
    sharing.grant(client, practice.account, {VITALS})
    permits.permit(client, practice.account)
    hub.admit("praxis-a", type_)
    practice.open()
    finding = {
        "resourceType": "Observation", "status": "final", "code": {"text": "pulse"},
        "subject": {"reference": f"Patient/{name}"},
    }  # fmt: skip
    assert ask(practice, "physician", path=f"Observation?patient={name}").json["total"] == total
    assert ask(practice, "physician", "POST", "Observation", finding).status_code == status
    practice.close()
    words = ("--person", "Ina Prüf", "--purpose", "HOPERAT", "--audit")
    done = obhut("gateway", "read", "AuditEvent?agent-name=Ada", *words, **practice.environment)
    assert done.returncode == 0, done.stderr
    events = [entry["resource"] for entry in json.loads(done.stdout)["entry"]]
    told = sorted((one["subtype"][0]["code"], one["outcome"]) for one in events)
    assert told == [("create", "0" if status == 201 else "8"), ("search", "0")]


def test_a_payer_is_given_no_key(client, practices):
    """Nothing is signed: no consent opens it."""
    payer = practices("kasse", "payer")
    with pytest.raises(Problem, match="by law") as refused:
        sharing.grant(client, payer.account, {VITALS})
    assert refused.value.code == "forbidden"
    assert payer.account not in client.record.relations


def test_nor_by_a_relative(ada, ben, hub, practice):
    """Who acts for her is told the same."""
    give(ada, ben, VITALS, end="2099-01-01")
    name_delegate(ada.client, ben.card, "2100-01-01")
    sharing.withdraw(ada.client, practice.account, sharing.grant(ada.client, practice.account, {INDEX["lab"]}))
    hub.admit("praxis-a", "payer")
    deputy = Deputy(ben.reading, ada.account)
    deputy.sync()
    with pytest.raises(Problem, match="by law"):
        deputy.grant(practice.account, {VITALS})
