"""Example resources of others: all are accepted but those with a fault that is named here.

Collected by `make conformance`; reads `../shared/data` beside the repository, and reports where it is absent.
"""

import bz2
from pathlib import Path

import pytest

from fhir_profiles import index, resources
from fhir_profiles.problems import Problem

DATA = Path(__file__).parents[3] / "shared" / "data"
FOLDERS = ("synthea", "isik", "isip", "ips", "basisprofil-de", "phd")

FAULTS = {
    "CapabilityStatement-ISiKCapabilityStatementBasisServer.json": "valueCanonical, valueCode",  # two types of value[x]
    "StructureDefinition-ISiKAllergieUnvertraeglichkeit.json": "text of 1",  # short is an empty string
    "StructureDefinition-patient-merge-subscription.json": "must be one of",  # fhirVersion is not of R4
    "Encounter-BeispielBesuch.json": "must be Type/id",  # references without a type
    "Bundle-SubscriptionNotificationBundleExample.json": "bdl-8",  # fullUrl names a version
}


def bodies(folder):
    for path in sorted((DATA / folder).rglob("*")):
        if path.suffix == ".json":
            yield path.relative_to(DATA), path.read_bytes()
        elif path.suffix == ".bz2":
            yield path.relative_to(DATA), bz2.decompress(path.read_bytes())


def refusal(data):
    try:
        resource = resources.parse(data, max_bytes=len(data))
        resources.check(resource)
    except Problem as problem:
        return problem.detail
    index.index_values(resource)
    return None


@pytest.mark.parametrize("folder", FOLDERS)
def test_examples_are_accepted(folder, record_property):
    """Every resource passes the check and can be indexed, or has the one fault that is known of it."""
    if not (DATA / folder).is_dir():
        record_property("result", f"{folder}: nothing here")
        return
    answers = {name: refusal(data) for name, data in bodies(folder) if b'"resourceType"' in data}
    refused = {name: detail for name, detail in answers.items() if detail is not None}
    record_property("result", f"{folder}: {len(answers) - len(refused)} accepted, {len(refused)} refused")
    print(f"{folder}: {len(answers) - len(refused)} accepted, {len(refused)} refused")
    unjustified = {name: detail for name, detail in refused.items() if FAULTS.get(name.name, "\0") not in detail}
    assert not unjustified
    assert answers
