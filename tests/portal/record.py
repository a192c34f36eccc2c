"""A record such as a patient has: measurements of her own, days of a watch, findings and letters of practices."""

import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import sin
from struct import pack

from connectors.entries import Entry
from consent.categories import category
from fhir_profiles import resources
from fhir_profiles.codes import METRICS
from fhir_profiles.documents import PNG, TEXT, Document, document_reference
from fhir_profiles.observations import Context, Period, blood_pressure, identity, quantity, series

NOW = datetime.now(UTC).replace(microsecond=0)
LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"

__all__ = ["PNG", "TEXT"]


def days_ago(days: float) -> str:
    """A FHIR dateTime so long ago."""
    return (NOW - timedelta(days=days)).isoformat()


def picture() -> bytes:
    """A small PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + bytes(value for x in range(90) for value in (60 + x, 140, 130 + y)) for y in range(60))
    header = chunk(b"IHDR", pack(">IIBBBBB", 90, 60, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def person(patient: str) -> dict:
    """Who she is."""
    return {"resourceType": "Patient", "id": patient, "name": [{"given": ["Erika"], "family": "Brandt"}]}


def observations(patient: str, days: int) -> list[dict]:
    """Weights, blood pressures and steps of so many days."""
    context, made = Context(patient), []
    for day in range(days):
        at, key = days_ago(day), identity(patient, "seed", str(day))
        weight = Decimal("72.50") + Decimal(day % 7) / 10
        made.append(quantity(METRICS["body-weight"], weight, at, key, context, entered_by_patient=True))
        made.append(blood_pressure(120 + day % 15, 78 + day % 8, at, identity(patient, "bp", str(day)), context))
        period = Period(days_ago(day + 0.5)[:11] + "00:00:00+00:00", days_ago(day + 0.5)[:11] + "23:59:59+00:00")
        key = identity(patient, "steps", str(day))
        made.append(quantity(METRICS["steps-day"], 6000 + 431 * (day % 13), period, key, context))
    return made


def heart_rates(patient: str, days: int) -> list[dict]:
    """Minute by minute, a series a day."""
    context, made = Context(patient), []
    for day in range(days):
        values = [62 + int(14 * sin(minute / 180)) + (minute * 7 + day) % 9 for minute in range(1440)]
        start = days_ago(day + 1)[:11] + "00:00:00+00:00"
        key = identity(patient, "minutes", str(day))
        period = Period(start, start[:11] + "23:59:00+00:00")
        data = " ".join(map(str, values))
        made.append(series(METRICS["heart-rate-minute"], data, 60_000, period, key=key, context=context))
    return made


def finding(patient: str, id_: str, name: str, value: str, unit: str, low: str, high: str, days: float) -> dict:
    """A finding of a laboratory with its reference range."""

    def amount(digits: str) -> dict:
        return {"value": Decimal(digits), "unit": unit, "system": UCUM, "code": unit}

    return {
        "resourceType": "Observation", "id": id_, "status": "final",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                  "code": "laboratory"}]}],
        "code": {"text": name}, "subject": {"reference": f"Patient/{patient}"}, "effectiveDateTime": days_ago(days),
        "valueQuantity": amount(value), "referenceRange": [{"low": amount(low), "high": amount(high)}],
    }  # fmt: skip


def clinical(patient: str) -> list[dict]:
    """One or two of each kind that a practice writes."""
    subject = {"reference": f"Patient/{patient}"}
    clinical_status = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    allergy_status = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    return [
        finding(patient, "lab-1", "Kalium", "5.40", "mmol/L", "3.5", "5.1", 3),
        finding(patient, "lab-2", "Hämoglobin", "13.2", "g/dL", "12.0", "15.5", 3),
        finding(patient, "lab-3", "Ferritin", "9", "ng/mL", "15", "150", 3),
        finding(patient, "lab-4", "Kalium", "4.2", "mmol/L", "3.5", "5.1", 120),
        {"resourceType": "MedicationStatement", "id": "med-1", "status": "active", "subject": subject,
         "medicationCodeableConcept": {"text": "Ramipril 5 mg"}, "effectiveDateTime": days_ago(90),
         "dosage": [{"text": "1-0-0-0"}], "reasonCode": [{"text": "Bluthochdruck"}]},
        {"resourceType": "Condition", "id": "con-1", "subject": subject, "onsetDateTime": "2019-05",
         "clinicalStatus": {"coding": [{"system": clinical_status, "code": "active"}]},
         "code": {"text": "Bluthochdruck"}},
        {"resourceType": "AllergyIntolerance", "id": "all-1", "patient": subject, "criticality": "high",
         "clinicalStatus": {"coding": [{"system": allergy_status, "code": "active"}]},
         "code": {"text": "Penicillin"}, "recordedDate": "2011",
         "reaction": [{"manifestation": [{"text": "Ausschlag"}]}]},
        {"resourceType": "Immunization", "id": "imm-1", "status": "completed", "patient": subject,
         "vaccineCode": {"text": "Tetanus, Diphtherie"}, "occurrenceDateTime": "2023-04-12", "lotNumber": "A123B",
         "protocolApplied": [{"doseNumberPositiveInt": 3}]},
    ]  # fmt: skip


def document(patient: str, id_: str, content: bytes, kind: str, title: str) -> dict:
    """A document of the patient."""
    return document_reference(Document(content, kind, title, days_ago(10)), patient, id_)


def put(client, made: list[dict], handle: str = "") -> None:
    """Write resources into the record, those of a category in one envelope; without `handle` each under its own."""
    by_category: dict[int, list[bytes]] = {}
    for resource in made:
        line = resources.dump(resource)
        if handle:
            by_category.setdefault(category(resource), []).append(line)
        else:
            name = f"{resource['resourceType']}/{resource['id']}"
            client.outbox.put([Entry(client.account, category(resource), [line], name)])
    for number, lines in by_category.items():
        client.outbox.put([Entry(client.account, number, lines, handle)])
