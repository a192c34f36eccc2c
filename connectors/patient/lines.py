"""A resource as one readable line: when, what, how much, and its address."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fhir_profiles import resources

if TYPE_CHECKING:
    from connectors.gateway.records import Stored

DATES = (
    "effectiveDateTime", "effectivePeriod", "effectiveInstant", "performedDateTime", "performedPeriod",
    "occurrenceDateTime", "onsetDateTime", "period", "started", "authoredOn", "recordedDate", "dateAsserted", "date",
    "issued", "created", "sent",
)  # fmt: skip
CODES = ("code", "vaccineCode", "medicationCodeableConcept", "type", "category")


def line(stored: "Stored") -> str:
    """`date  what  value  Type/id  author`; signs that could move a terminal's cursor are taken out."""
    resource = resources.parse(stored.body, max_bytes=len(stored.body))
    parts = (
        _date(resource), _code(resource), _value(resource), f"{stored.type}/{stored.id}", f"by {stored.author}"
    )  # fmt: skip
    text = "  ".join(part for part in parts if part)
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def _date(resource: Mapping[str, Any]) -> str:
    found = next((resource[name] for name in DATES if name in resource), "")
    if isinstance(found, Mapping):
        found = found.get("start") or found.get("end") or ""
    return str(found)[:16]


def _code(resource: Mapping[str, Any]) -> str:
    for name in CODES:
        concept = resource.get(name)
        concept = concept[0] if isinstance(concept, list) and concept else concept
        if isinstance(concept, Mapping):
            coding: Mapping[str, Any] = next(iter(concept.get("coding") or []), {})
            return str(concept.get("text") or coding.get("display") or coding.get("code") or "")
    return ""


def _value(resource: Mapping[str, Any]) -> str:
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, Mapping):
        return f"{quantity.get('value', '')} {quantity.get('unit', quantity.get('code', ''))}".strip()
    concept = resource.get("valueCodeableConcept")
    if isinstance(concept, Mapping):
        return _code({"code": concept})
    return str(resource.get("valueString", ""))[:80]
