"""A request for consent as the house's software writes it: a FHIR Consent of status `proposed` about a patient's card.

It names the patient by the card that she showed, `patient.identifier` of the system `urn:obhut:card`, because an
account alone does not say whose keys to trust. Any other Consent is a resource like all others.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from consent import identifiers
from consent.facts import ACCOUNT_SYSTEM
from consent.fhir_consent import Agreement, agreement, proposed
from consent.identifiers import Card
from consent.primitives import Rejected
from fhir_profiles.problems import Problem

CARD_SYSTEM = "urn:obhut:card"
PROPOSED = "proposed"


def is_proposal(resource: Mapping[str, Any]) -> bool:
    """Whether this asks a patient, by her card."""
    return resource.get("resourceType") == "Consent" and resource.get("status") == PROPOSED and bool(_card(resource))


def read(resource: Mapping[str, Any], house: str) -> tuple[Card, Agreement]:
    """Whom it asks for what. Raises `Problem(unprocessable)` for a card that is none, and for what cannot be granted.

    `house`: the account of this house; a house asks for itself alone.
    """
    try:
        card = identifiers.card(_card(resource))
    except Rejected:
        detail = "This is no Obhut card: it looks like obhut:p-…@hub.example#…"
        raise Problem("unprocessable", detail, expression="Consent.patient.identifier.value") from None
    patient = {"identifier": {"system": ACCOUNT_SYSTEM, "value": str(card.account)}}
    wanted = agreement({**resource, "patient": patient})
    if wanted.counterpart != house:
        detail = f"A house asks for itself: name {house or 'the account of this house'}, by an identifier."
        raise Problem("unprocessable", detail, expression="Consent.provision.provision[0].actor[0]")
    return card, wanted


def written(wanted: Agreement, card: Card, asked: datetime) -> dict[str, Any]:
    """The Consent by which the house's software asks: as it is sent, but without an id, and with the card."""
    consent = proposed(wanted, "", asked) | {"patient": {"identifier": {"system": CARD_SYSTEM, "value": str(card)}}}
    return {name: value for name, value in consent.items() if name != "id"}


def _card(resource: Mapping[str, Any]) -> str:
    patient = resource.get("patient")
    identifier = patient.get("identifier") if isinstance(patient, Mapping) else None
    if not isinstance(identifier, Mapping) or identifier.get("system") != CARD_SYSTEM:
        return ""
    return str(identifier.get("value", ""))
