"""Builders give R4 that HL7's definitions take, with the digits that were measured."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_profiles import codes
from fhir_profiles.codes import METRICS, OBSERVATION_CATEGORY
from fhir_profiles.observations import (
    Context,
    Period,
    blood_pressure,
    ecg,
    identity,
    panel,
    quantity,
    series,
    template,
)
from fhir_profiles.resources import check, dump, model, parse

AT = "2026-10-01T08:03:11+02:00"
SPAN = Period("2026-10-01T00:00:00+02:00", "2026-10-01T23:59:59+02:00")
WHO = Context("p-7f3k", "d1")
KEY = identity("p-7f3k", "test")

EXAMPLES: dict[str, dict[str, Any]] = {
    name: quantity(metric, Decimal("72.50"), AT, KEY, WHO)
    for name, metric in METRICS.items()
    if metric.category != "traces" and name not in {"blood-pressure", "heart-rate-day", "sleep-night"}
} | {
    "blood-pressure": blood_pressure(128, 81, AT, KEY, WHO, mean=97),
    "heart-rate-day": panel(
        METRICS["heart-rate-day"], [((codes.HEART_RATE_MIN,), 48, codes.PER_MINUTE)], SPAN, KEY, WHO
    ),
    "sleep-night": panel(
        METRICS["sleep-night"], [((codes.SLEEP_DEEP,), 61, codes.MINUTE)], SPAN, KEY, WHO, value=Decimal("412.5")
    ),
    "heart-rate-minute": series(METRICS["heart-rate-minute"], "61 E 63.5", 60_000, SPAN, key=KEY, context=WHO),
    "cgm-mass": series(METRICS["cgm-mass"], "101 E 99", 300_000, SPAN, key=KEY, context=WHO, status="preliminary"),
    "cgm-moles": series(METRICS["cgm-moles"], "5.1 E 5.0", 300_000, SPAN, key=KEY, context=WHO),
    "ecg": ecg("-1.5 2.25", Decimal("1.953125"), codes.MICROVOLT, AT, key=KEY, context=WHO, classification="SR"),
}


def test_every_metric_has_an_example_here() -> None:
    """A metric added to the table is tested."""
    assert EXAMPLES.keys() == METRICS.keys()


@pytest.mark.parametrize("name", METRICS)
def test_what_is_built_is_r4(name: str) -> None:
    """Both the compiled checker and the typed model take it, from its bytes."""
    resource = parse(dump(EXAMPLES[name]))
    check(resource)
    assert model(resource).id == KEY.hex()


@pytest.mark.parametrize("name", METRICS)
def test_observations_meet_the_vital_signs_profile_where_they_claim_one(name: str) -> None:
    """Status, category, code, subject and time are there, and a unit with system and code (vs-1, vs-2)."""
    made, metric = EXAMPLES[name], METRICS[name]
    assert made["status"] in {"final", "preliminary"}
    assert made["subject"] == {"reference": "Patient/p-7f3k"}
    assert ("effectiveDateTime" in made) != ("effectivePeriod" in made)
    assert "issued" not in made
    if any("vitalsign" in profile or profile.startswith(codes.P_HL7) for profile in metric.profiles):
        concepts = [concept["coding"] for concept in made["category"]]
        assert [{"system": OBSERVATION_CATEGORY, "code": "vital-signs"}] in concepts
    if "valueQuantity" in made:
        assert made["valueQuantity"].keys() >= {"value", "unit", "system", "code"}


def test_german_and_hl7_profiles_are_claimed_together() -> None:
    """As the German base profiles' own examples do."""
    assert EXAMPLES["body-weight"]["meta"]["profile"] == [
        "http://fhir.de/StructureDefinition/observation-de-vitalsign-koerpergewicht",
        "http://hl7.org/fhir/StructureDefinition/bodyweight",
    ]


def test_hddt_is_claimed_only_with_a_medical_device() -> None:
    """HDDT asks for a device of a known type; a phone is none."""
    metric = METRICS["glucose-blood-mass"]
    without = quantity(metric, 101, AT, KEY, WHO)
    known = quantity(metric, 101, AT, KEY, Context("p-7f3k", "d1", medical=True))
    assert "meta" not in without
    assert known["meta"]["profile"] == list(metric.device_profiles)


def test_blood_pressure_is_two_components_without_a_snomed_code() -> None:
    """The German profile asks for both; HDDT forbids SNOMED at the code."""
    made = EXAMPLES["blood-pressure"]
    assert [component["code"]["coding"][0]["code"] for component in made["component"]] == ["8480-6", "8462-4", "8478-0"]
    assert all(coding["system"] != codes.SNOMED for coding in made["code"]["coding"])
    assert "valueQuantity" not in made


def test_an_ecg_has_no_category_but_procedure() -> None:
    """The ECG profile fixes the system and code of every coding of category."""
    assert EXAMPLES["ecg"]["category"] == [{"coding": [{"system": OBSERVATION_CATEGORY, "code": "procedure"}]}]


def test_a_meter_at_its_limit_says_so() -> None:
    """HI and LO become comparators."""
    made = quantity(METRICS["glucose-blood-mass"], 500, AT, KEY, WHO, comparator=">")
    check(made)
    assert made["valueQuantity"]["comparator"] == ">"


def test_what_a_patient_typed_in_names_her_as_performer() -> None:
    """A reader sees that no device measured it."""
    made = quantity(METRICS["body-weight"], 80, AT, KEY, WHO, entered_by_patient=True)
    assert made["performer"] == [{"reference": "Patient/p-7f3k"}]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=4))
def test_digits_are_kept(value: Decimal) -> None:
    """72.50 stays 72.50 on its way to bytes and back."""
    made = dump(quantity(METRICS["body-weight"], value, AT, KEY, WHO))
    assert f'"value":{value:f}'.encode() in made


@pytest.mark.parametrize("name", ["oxygen-saturation", "body-weight", "hrv-sdnn", "wrist-temperature"])
@pytest.mark.parametrize("context", [WHO, Context("p-1")], ids=["device", "no device"])
@given(
    digits=st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=500, places=2),
    key=st.binary(min_size=16, max_size=16),
    end=st.sampled_from([AT, "2026-10-01T08:04:11+02:00"]),
)
def test_the_fast_way_gives_the_same_bytes(name: str, context: Context, digits: Decimal, key: bytes, end: str) -> None:
    """The template is the builder with holes, for moments and for spans."""
    slow = quantity(METRICS[name], digits, AT if end == AT else Period(AT, end), key, context)
    assert template(METRICS[name], context)(key, AT, end, f"{digits:f}") == dump(slow)


def test_the_same_reading_has_the_same_id_and_another_has_another() -> None:
    """Every part counts, and so does where one part ends and the next begins."""
    base = ("p-1", "type", "source", "start", "end", "72", "kg")
    assert identity(*base) == identity(*base)
    others = [(*base[:place], base[place] + "x", *base[place + 1 :]) for place in range(len(base))]
    others.append(("p-1", "types", "ource", *base[3:]))
    assert len({identity(*other) for other in [base, *others]}) == len(others) + 1
