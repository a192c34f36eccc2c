"""What the law closes to a house or a person there (`consent.floor`): from the directory to the gateway's answer."""

import pytest

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from connectors.patient import permits, sharing
from consent import identifiers
from consent.categories import INDEX
from tests.journeys.sharing import write


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: the hub keeps what it is told of organisations."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


def ask(house, client, role, method="GET", path="Observation", body=None):
    """What the house's gateway answers to a person in a role, once it has taken in what is new."""
    house.inbox.catch_up()
    token = access.issue_token(house.store.database, Reader("Ada", role, "TREAT", writes=True), 600)
    app = create_app(Config(database=house.database, hub_url="http://hub.test", keystore="keys"))
    headers = {"Authorization": f"Bearer {token}"}
    answer = app.test_client().open(f"/fhir/{path}", method=method, headers=headers, json=body)
    app.extensions["gateway"].store.database.close()
    return answer


def test_a_payer_is_shown_nothing_and_a_pharmacy_writes_no_findings(client, practices):
    """Whatever was granted, and whatever the person calls herself: the directory says what the house is."""
    write(client, 1)
    name = identifiers.account(client.account).local
    finding = {
        "resourceType": "Observation", "status": "final", "code": {"text": "pulse"},
        "subject": {"reference": f"Patient/{name}"},
    }  # fmt: skip
    for type_, total, status in (("practice", 1, 201), ("payer", 0, 403), ("pharmacy", 1, 403)):
        house = practices(f"{type_}-1", type_)
        sharing.grant(client, house.account, {INDEX["vitals"]})
        permits.permit(client, house.account)
        assert ask(house, client, "physician").json["total"] == total
        assert ask(house, client, "physician", "POST", "Observation", finding).status_code == status
