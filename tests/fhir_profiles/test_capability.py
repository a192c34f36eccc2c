"""CapabilityStatement: says what it was told, and is itself valid FHIR."""

from datetime import UTC, datetime

import pytest

from fhir_profiles import capability, resources

SERVED = capability.Served(
    "Observation",
    ("read", "search-type"),
    ("code", "date"),
    features={"versioning": "versioned", "conditionalCreate": False},
)


def made(*types, **more):
    return capability.statement(
        url="http://127.0.0.1:8080/fhir",
        software="Obhut",
        version="0.1.0",
        date=datetime(2024, 1, 1, tzinfo=UTC),
        types=types,
        **more,
    )


@pytest.mark.parametrize("types", [(), (SERVED,), (SERVED, capability.Served("Patient", ("read",)))])
def test_the_statement_is_valid_fhir(types):
    """Whatever is served, it passes the check."""
    resources.check(made(*types, interactions=["transaction"], operations={"x": "http://x/OperationDefinition/x"}))


def test_only_what_is_served_is_said():
    """Parameters come with HL7's types; nothing else appears."""
    (resource,) = made(SERVED)["rest"][0]["resource"]
    assert resource == {
        "type": "Observation",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned",
        "conditionalCreate": False,
        "searchParam": [{"name": "code", "type": "token"}, {"name": "date", "type": "date"}],
    }


def test_a_parameter_that_is_not_offered_cannot_be_stated():
    """The statement stays true."""
    with pytest.raises(KeyError):
        made(capability.Served("Location", ("search-type",), ("near",)))
