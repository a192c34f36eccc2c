"""What journeys about sharing have in common: a patient who writes weights, and what a practice finds of them."""

from datetime import UTC, date, datetime, timedelta

from connectors.gateway import access
from connectors.gateway.access import Reader
from connectors.gateway.app import create_app
from connectors.gateway.config import Config
from connectors.gateway.visibility import Scope
from connectors.outbox import Entry
from connectors.patient.client import Client
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles.search import parse

VITALS = INDEX["vitals"]


def years_ahead(years: float) -> str:
    """A day so far from today, as programs here with the clock of this machine are told it."""
    return (date.today() + timedelta(365 * years)).isoformat()  # noqa: DTZ011 - a day more or less does not matter


def weight(client: Client, number: int, kilograms: str = "72.50", day: str = "") -> bytes:
    """An Observation in `vitals`, digits kept; of a day in October 2026, or another `day`."""
    day = day or f"2026-10-{number % 28 + 1:02}"
    return (
        f'{{"resourceType":"Observation","id":"w{number}","status":"final","category":[{{"coding":[{{"system":'
        f'"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],"code":{{"coding":['
        f'{{"system":"http://loinc.org","code":"29463-7"}}]}},"subject":{{"reference":"Patient/'
        f'{account(client.account).local}"}},"effectiveDateTime":"{day}T08:00:00+02:00",'
        f'"valueQuantity":{{"value":{kilograms},"unit":"kg","system":"http://unitsofmeasure.org","code":"kg"}}}}'
    ).encode()


def write(client: Client, *numbers: int, day: str = "") -> None:
    client.outbox.put(Entry(client.account, VITALS, [weight(client, n, day=day)]) for n in numbers)
    client.flush()


def found(practice, client: Client) -> set[str]:
    """Ids that the practice's search gives for the patient now."""
    practice.inbox.catch_up()
    args = [("patient", account(client.account).local), ("_count", "1000")]
    scope = Scope(("TREAT",), int(datetime.now(UTC).timestamp()))
    return {match.id for match in practice.store.search(parse("Observation", args), scope).matches}


def ask(house, role, method="GET", path="Observation", body=None, purpose="TREAT"):
    """What the house's gateway answers to a person in a role, once it has taken in what is new."""
    house.inbox.catch_up()
    token = access.issue_token(house.store.database, Reader("Ada", role, purpose, writes=True), 600)
    app = create_app(Config(database=house.database, hub_url="http://hub.test", keystore="keys"))
    headers = {"Authorization": f"Bearer {token}"}
    answer = app.test_client().open(f"/fhir/{path}", method=method, headers=headers, json=body)
    app.extensions["gateway"].store.database.close()
    return answer
