"""What journeys about sharing have in common: a patient who writes weights, and what a practice finds of them."""

from datetime import UTC, datetime

from connectors.gateway.visibility import Scope
from connectors.outbox import Entry
from connectors.patient.client import Client
from consent.categories import INDEX
from consent.identifiers import account
from fhir_profiles.search import parse

VITALS = INDEX["vitals"]


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
