"""Whom a resource is about."""

import pytest

from consent.opening import is_about

PATIENT = "p-aaaaaaaaaaaaaaaaaaaaaaaaaa@hub-a.example.org"
HERS, ANOTHERS = ({"reference": f"Patient/{name}"} for name in ("p-aaaaaaaaaaaaaaaaaaaaaaaaaa", "p-b"))


@pytest.mark.parametrize(
    ("kind", "element"),
    [("Observation", "subject"), ("AllergyIntolerance", "patient"), ("Coverage", "beneficiary"), ("Task", "for"),
     ("ResearchSubject", "individual"), ("EnrollmentRequest", "candidate")],
)  # fmt: skip
def test_a_resource_about_somebody_else_is_found_out(kind, element):
    """Each element by which R4 names whom a resource is about is asked."""
    assert is_about({"resourceType": kind, element: HERS}, PATIENT)
    assert not is_about({"resourceType": kind, element: ANOTHERS}, PATIENT)


def test_a_patient_is_herself_or_not():
    """A Patient resource is about the one of its id."""
    assert is_about({"resourceType": "Patient", "id": "p-aaaaaaaaaaaaaaaaaaaaaaaaaa"}, PATIENT)
    assert not is_about({"resourceType": "Patient", "id": "p-b"}, PATIENT)


def test_a_thing_about_nobody_in_particular_passes():
    """A Device without a patient is nobody's."""
    assert is_about({"resourceType": "Device", "id": "watch"}, PATIENT)
