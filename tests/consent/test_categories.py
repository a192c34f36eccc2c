"""Each resource has one category, the one a patient would expect."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consent.categories import BY_TYPE, INDEX, NAMES, SYSTEM, category, name
from fhir_profiles import definitions
from fhir_profiles.problems import Problem

OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
V2_0074 = "http://terminology.hl7.org/CodeSystem/v2-0074"


def coded(system, code, kind="Observation", **elements):
    return {"resourceType": kind, "category": [{"coding": [{"system": system, "code": code}]}], **elements}


def test_names_are_those_of_the_protocol():
    """The sixteen names and their order are part of version 1."""
    assert " ".join(NAMES) == (
        "person vitals activity traces medication conditions allergies immunizations lab imaging documents care"
        " messages mental intimate genetic"
    )


def test_every_r4_type_has_a_category():
    """No resource type of R4 is without a category, and nothing else has one."""
    assert frozenset(BY_TYPE) == definitions.resource_types()


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Patient", "person"),
        ("Device", "vitals"),
        ("MedicationRequest", "medication"),
        ("Condition", "conditions"),
        ("AllergyIntolerance", "allergies"),
        ("Immunization", "immunizations"),
        ("DiagnosticReport", "lab"),
        ("ImagingStudy", "imaging"),
        ("DocumentReference", "documents"),
        ("Claim", "documents"),
        ("CarePlan", "care"),
        ("Encounter", "care"),
        ("Communication", "messages"),
        ("FamilyMemberHistory", "genetic"),
    ],
)
def test_a_type_goes_where_a_patient_looks_for_it(kind, expected):
    """The category of a type without further hints."""
    assert name({"resourceType": kind}) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("vital-signs", "vitals"),
        ("activity", "activity"),
        ("laboratory", "lab"),
        ("imaging", "imaging"),
        ("social-history", "conditions"),
        ("survey", "documents"),
        ("exam", "conditions"),
        ("therapy", "care"),
    ],
)
def test_an_observation_goes_by_its_standard_category(code, expected):
    """HL7's observation categories decide where Obhut's own is absent."""
    assert name(coded(OBSERVATION_CATEGORY, code)) == expected


def test_an_observation_that_says_nothing_is_a_finding():
    """An Observation without category is taken for a laboratory value; one of an unknown system too."""
    assert name({"resourceType": "Observation"}) == name(coded("urn:example", "vital-signs")) == "lab"


@pytest.mark.parametrize("chosen", NAMES)
def test_the_explicit_coding_goes_first(chosen):
    """Obhut's own coding decides over sampled data and over the standard category before it."""
    resource = coded(OBSERVATION_CATEGORY, "laboratory", valueSampledData={})
    resource["category"].append({"coding": [{"system": SYSTEM, "code": chosen}]})
    assert category(resource) == INDEX[chosen]


@pytest.mark.parametrize("elements", [{"valueSampledData": {}}, {"component": [{}, {"valueSampledData": {}}]}])
def test_sampled_data_are_traces(elements):
    """A series is a trace, whatever the standard category says."""
    assert name(coded(OBSERVATION_CATEGORY, "vital-signs", **elements)) == "traces"


@pytest.mark.parametrize(
    ("code", "expected"), [("GE", "genetic"), ("RAD", "imaging"), ("HM", "lab"), ("EC", "documents")]
)
def test_a_report_goes_by_its_service(code, expected):
    """The diagnostic service section decides for a DiagnosticReport."""
    assert name(coded(V2_0074, code, kind="DiagnosticReport")) == expected


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("PSY", "mental"),
        ("ETHUD", "mental"),
        ("SEX", "intimate"),
        ("HIV", "intimate"),
        ("STD", "intimate"),
        ("GDIS", "genetic"),
    ],
)
@pytest.mark.parametrize("kind", ["Observation", "Condition", "MedicationStatement"])
def test_a_sensitive_label_goes_before_everything(label, expected, kind):
    """What is labelled sensitive never travels with the rest, even where it says so itself."""
    assert name(coded(SYSTEM, "vitals", kind=kind, meta={"security": [{"code": "R"}, {"code": label}]})) == expected


@pytest.mark.parametrize("kind", ["Heartbeat", "patient", "", None, 7, ["Patient"]])
def test_what_is_no_resource_type_is_refused(kind):
    """Nothing is sealed under a guessed category."""
    with pytest.raises(Problem) as caught:
        category({"resourceType": kind})
    assert caught.value.code == "structure"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "PSY", SYSTEM, "vitals"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["coding", "code", "system"]), inner),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {}, optional={"category": JSON, "meta": JSON | st.fixed_dictionaries({"security": JSON}), "component": JSON}
    )
)
def test_a_malformed_resource_still_finds_a_category(elements):
    """The mapping never fails on the shape of an element: the check of resources does that elsewhere."""
    assert 0 <= category({"resourceType": "Observation", **elements}) < len(NAMES)
