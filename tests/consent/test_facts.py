"""What a decision knows of a FHIR resource."""

import pytest

from consent.dates import FOREVER, interval, period
from consent.facts import ACCOUNT_SYSTEM, CONFIDENTIALITY_SYSTEM, SENSITIVITY_SYSTEM, facts, reference_text

OBSERVATION = {
    "resourceType": "Observation",
    "id": "hr1",
    "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/heartrate"]},
    "status": "final",
    "category": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
    "subject": {"reference": "Patient/p-1"},
    "encounter": {"reference": "Encounter/e1/_history/3"},
    "performer": [{"reference": "Practitioner/a"}],
    "device": {"reference": "Device/watch"},
    "effectiveDateTime": "2024-05-01T10:00:00+02:00",
    "issued": "2024-05-02T10:00:00Z",
}


def test_facts_of_an_observation():
    """Type, category, profile, codes, clinical time, author and references; the patient is no reference of interest."""
    one = facts(OBSERVATION, authors=["praxis@a.example"])
    assert one.ref == "Observation/hr1"
    assert one.classes == {"Observation", "vitals", "http://hl7.org/fhir/StructureDefinition/heartrate"}
    assert {"8867-4", "http://loinc.org|8867-4"} <= one.codes
    assert one.clinical == interval("2024-05-01T10:00:00+02:00")
    assert one.authors == {"Practitioner/a", "praxis@a.example"}
    assert one.related == one.depends == {"Encounter/e1", "Practitioner/a", "Device/watch"}
    assert (one.confidentiality, one.labels) == ("N", {"N"})


@pytest.mark.parametrize(
    ("labels", "level", "expected"),
    [
        ([(CONFIDENTIALITY_SYSTEM, "R")], "R", {"R"}),
        ([(CONFIDENTIALITY_SYSTEM, "N"), (CONFIDENTIALITY_SYSTEM, "V")], "V", {"V"}),
        ([(CONFIDENTIALITY_SYSTEM, "R"), (CONFIDENTIALITY_SYSTEM, "U")], "R", {"R"}),
        ([(SENSITIVITY_SYSTEM, "ETHUD")], "R", {"R", "ETHUD", "ETH", "SUD", "BH", "SPI"}),
        ([(None, "PSY")], "R", {"R", "PSY", "BH", "SPI"}),
        ([("http://terminology.hl7.org/CodeSystem/v3-ActReason", "HTEST")], "N", {"N"}),
    ],
)
def test_labels(labels, level, expected):
    """The highest confidentiality stands; what is sensitive without one is R; test data are not sensitive."""
    security = [{"code": code} | ({"system": system} if system else {}) for system, code in labels]
    one = facts({**OBSERVATION, "meta": {"security": security}})
    assert (one.confidentiality, one.labels) == (level, expected)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"effectivePeriod": {"start": "2024-05-01", "end": "2024-05-03"}}, period("2024-05-01", "2024-05-03")),
        ({"effectivePeriod": {"start": "2024-05-01"}}, (interval("2024-05-01")[0], FOREVER)),
        ({"effectivePeriod": {"end": "2024-05-01"}, "issued": "2024-06-01T00:00:00Z"}, None),
        ({"issued": "2024-05-01T00:00:00Z"}, interval("2024-05-01T00:00:00Z")),
        ({}, None),
    ],
)
def test_clinical_time(elements, expected):
    """A period, an open one, one whose start nobody knows, the time of writing for want of better, nothing."""
    assert facts({"resourceType": "Observation", "id": "1", **elements}).clinical == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (
            {"identifier": {"system": ACCOUNT_SYSTEM, "value": "praxis@a.example"}, "reference": "Organization/1"},
            "praxis@a.example",
        ),
        ({"reference": "Practitioner/a"}, "Practitioner/a"),
        ({"identifier": {"system": "urn:s", "value": "7"}}, "urn:s|7"),
        ({"identifier": {"value": "7"}}, "7"),
        ({"reference": "#inside"}, None),
        ({"display": "Dr. A"}, None),
        ({}, None),
    ],
)
def test_references_as_text(reference, expected):
    """An account goes by its address; what cannot be resolved is nothing."""
    assert reference_text(reference) == expected


@pytest.mark.parametrize("element", ["performer", "code", "component", "category", "type", "device"])
@pytest.mark.parametrize("value", [None, 1, "x", [1], [[]], {"coding": 1}, [{"coding": [None]}]])
def test_a_malformed_element_tells_nothing(element, value):
    """Facts are read from what is there; the check of resources says what is wrong with the rest."""
    assert facts({**OBSERVATION, element: value}).ref == "Observation/hr1"


@pytest.mark.parametrize(
    "label",
    [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "secret"},
        {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "display": "restricted"},
        {"display": "psychiatry"},
    ],
)
def test_a_label_that_cannot_be_read_makes_the_resource_restricted(label):
    """Whatever else it says: nobody knows what was meant to be kept."""
    for others in ([], [{"code": "N"}]):
        assert facts({"resourceType": "Observation", "meta": {"security": [label, *others]}}).confidentiality == "R"


def test_a_word_of_the_authors_own_is_no_class():
    """A type without a system, or a profile that is no URI, could be named like a category."""
    one = {"resourceType": "Encounter", "id": "1", "meta": {"profile": ["lab", "https://example.org/visit"]}}
    coded = {"coding": [{"code": "vitals"}, {"system": "urn:kinds", "code": "vitals"}]}
    assert facts(one | {"type": [coded]}).classes == {
        "Encounter",
        "care",
        "https://example.org/visit",
        "urn:kinds|vitals",
    }
