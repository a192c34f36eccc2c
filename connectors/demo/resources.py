"""What the story writes: a blood pressure, and the reason for an emergency."""

from typing import Any

UNCONSCIOUS = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "reason",
            "valueCodeableConcept": {
                "coding": [{"system": "https://fhir.obhut.org/CodeSystem/emergency-reason", "code": "unconscious"}],
                "text": "found in the street",
            },
        }
    ],
}  # fmt: skip


def blood_pressure(id_: str, patient: str, systolic: int) -> dict[str, Any]:
    """A measured blood pressure of a patient, named by her `Patient.id`; the upper value in mmHg."""

    def part(code: str, value: int) -> dict[str, Any]:
        quantity = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
        return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, "valueQuantity": quantity}

    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "vital-signs",
                    }
                ]
            }
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-02T09:30:00+01:00",
        "component": [part("8480-6", systolic), part("8462-4", 80)],
    }
