"""A Device is what the wearable says of itself, and stays the same Device."""

from dataclasses import replace

from fhir_profiles.devices import Description, device, device_id
from fhir_profiles.resources import check, dump, model, parse

WATCH = Description(
    source="Jürgens Apple Watch",
    name="Apple Watch",
    manufacturer="Apple Inc.",
    model="Watch",
    hardware="Watch6,2",
    software="11.1",
)


def test_a_device_is_r4_and_belongs_to_the_patient() -> None:
    """Names, maker, model and version are told."""
    made = parse(dump(device("p-1", WATCH)))
    check(made)
    assert model(made).modelNumber == "Watch6,2"
    assert made["patient"] == {"reference": "Patient/p-1"}
    assert [name["name"] for name in made["deviceName"]] == ["Jürgens Apple Watch", "Apple Watch"]
    assert made["version"][0]["value"] == "11.1"


def test_a_software_update_makes_no_new_device() -> None:
    """The id is of what does not change."""
    assert device_id("p-1", WATCH) == device_id("p-1", replace(WATCH, software="12.0"))


def test_another_watch_or_another_patient_is_another_device() -> None:
    """Two people's equal watches are two devices."""
    others = [replace(WATCH, source="Annes Apple Watch"), replace(WATCH, hardware="Watch7,1")]
    ids = {device_id("p-1", about) for about in [WATCH, *others]} | {device_id("p-2", WATCH)}
    assert len(ids) == 4


def test_an_app_that_says_only_its_name_is_a_device_too() -> None:
    """Nothing is made up for what is not known."""
    made = device("p-1", Description(source="Körperwaage"))
    check(made)
    assert made.keys() == {"resourceType", "id", "identifier", "status", "deviceName", "patient"}


def test_a_medical_device_names_its_type() -> None:
    """One of HDDT's value set."""
    made = device("p-1", Description(source="BM 54", kind="blood-pressure-cuff"))
    check(made)
    assert made["type"]["coding"][0]["code"] == "70665002"
