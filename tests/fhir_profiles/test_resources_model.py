"""The compiled check against the R4B models of fhir.resources: it is never the more lenient of the two."""

import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings

from fhir_profiles import resources
from fhir_profiles.problems import Problem
from tests.fhir_profiles.examples import OBSERVATION, PATIENT, mutated
from tests.fhir_profiles.examples import resources as valid

SLOW = settings(max_examples=400, suppress_health_check=list(HealthCheck), deadline=None)


@SLOW
@given(valid)
def test_valid_resources_are_accepted_by_check_and_model(resource):
    """Generated Observations, Patients and Devices pass both."""
    assert resources.model(resource).get_resource_type() == resource["resourceType"]


@SLOW
@given(mutated())
def test_what_the_model_refuses_the_check_refuses(resource):
    """Of broken resources none passes the check that the model does not take."""
    try:
        resources.check(resource)
    except Problem:
        return
    resources.model(resource)


@pytest.mark.parametrize(
    "resource",
    [
        OBSERVATION | {"status": "banana"},
        OBSERVATION | {"dataAbsentReason": {"text": "x"}},
        OBSERVATION | {"valueQuantity": {"value": 1, "code": "x"}},
        OBSERVATION | {"valueQuantity": {"value": "72"}},
        OBSERVATION | {"subject": {"reference": "Medication/1"}},
        PATIENT | {"gender": "banana"},
        PATIENT | {"contact": [{}]},
    ],
)
def test_what_the_models_wrongly_accept_is_refused(resource):
    """The known gaps of fhir.resources are closed."""
    get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    with pytest.raises(Problem):
        resources.model(resource)


def test_a_type_of_r4_without_a_model_is_not_supported():
    """R4B has dropped some types of R4."""
    with pytest.raises(Problem) as caught:
        resources.model({"resourceType": "MedicinalProduct", "name": [{"productName": "x"}]})
    assert caught.value.code == "not-supported"
