"""The table of metrics: codes that are what they say, and categories that leave no doubt."""

import pytest

from consent import categories
from fhir_profiles import codes
from fhir_profiles.codes import LOCAL, LOINC, METRICS, Coding, loinc_is_valid

# LOINC's own names, kept apart from the table so that a code that slips to another row is noticed.
DISPLAYS = {
    "8867-4": "Heart rate",
    "40443-4": "Heart rate --resting",
    "8883-1": "Heart rate 24 hour minimum",
    "41924-2": "Heart rate 24 hour mean",
    "8873-2": "Heart rate 24 hour maximum",
    "112429-6": "Heart rate variability SDNN [Time]",
    "9279-1": "Respiratory rate",
    "2708-6": "Oxygen saturation in Arterial blood",
    "59408-5": "Oxygen saturation in Arterial blood by Pulse oximetry",
    "85354-9": "Blood pressure panel with all children optional",
    "8480-6": "Systolic blood pressure",
    "8462-4": "Diastolic blood pressure",
    "8478-0": "Mean blood pressure",
    "8310-5": "Body temperature",
    "29463-7": "Body weight",
    "8302-2": "Body height",
    "39156-5": "Body mass index (BMI) [Ratio]",
    "41982-0": "Percentage of body fat Measured",
    "8280-0": "Waist Circumference at umbilicus by Tape measure",
    "2339-0": "Glucose [Mass/volume] in Blood",
    "15074-8": "Glucose [Moles/volume] in Blood",
    "2345-7": "Glucose [Mass/volume] in Serum or Plasma",
    "14749-6": "Glucose [Moles/volume] in Serum or Plasma",
    "41653-7": "Glucose [Mass/volume] in Capillary blood by Glucometer",
    "14743-9": "Glucose [Moles/volume] in Capillary blood by Glucometer",
    "99504-3": "Glucose [Mass/volume] in Interstitial fluid",
    "105272-9": "Glucose [Moles/volume] in Interstitial fluid",
    "19935-6": "Maximum expiratory gas flow Respiratory system airway by Peak flow meter",
    "20150-9": "FEV1",
    "19870-5": "Forced vital capacity",
    "41950-7": "Number of steps in 24 hour Measured",
    "41979-6": "Calories burned in 24 hour Calculated",
    "100304-5": "Flights climbed [#] Reporting Period",
    "55411-3": "Exercise duration",
    "94122-9": "Oxygen consumption (VO2)/Body weight [Volume Rate Content] --peak during exercise",
    "93832-4": "Sleep duration",
    "93831-6": "Deep sleep duration",
    "93830-8": "Light sleep duration",
    "93829-0": "REM sleep duration",
    "11524-6": "EKG study",
}
COMPONENTS = (
    *codes.SYSTOLIC,
    *codes.DIASTOLIC,
    *codes.MEAN_PRESSURE,
    codes.HEART_RATE_MIN,
    codes.HEART_RATE_MEAN,
    codes.HEART_RATE_MAX,
    codes.SLEEP_DEEP,
    codes.SLEEP_LIGHT,
    codes.SLEEP_REM,
)


def _loincs() -> list[Coding]:
    every = [coding for metric in METRICS.values() for coding in metric.codings] + list(COMPONENTS)
    return [coding for coding in every if coding.system == LOINC]


@pytest.mark.parametrize(
    "coding", sorted(set(_loincs()), key=lambda coding: coding.code), ids=lambda coding: coding.code
)
def test_every_loinc_code_has_its_check_digit_and_loincs_name(coding: Coding) -> None:
    """A mistyped code fails by its digit, a shuffled one by its name."""
    assert loinc_is_valid(coding.code)
    assert DISPLAYS[coding.code] == coding.display


@pytest.mark.parametrize("code", ["8867-5", "8876-4", "8867", "8867-44", "a867-4", "-4", ""])
def test_a_wrong_check_digit_is_noticed(code: str) -> None:
    """Wrong digit, swapped digits, no digit, no number."""
    assert not loinc_is_valid(code)


def test_what_has_no_loinc_code_has_a_local_one() -> None:
    """RMSSD is never SDNN, a wrist is no body temperature."""
    for name in ("hrv-rmssd", "wrist-temperature", "distance-walked-day", "basal-energy-day"):
        assert [coding.system for coding in METRICS[name].codings] == [LOCAL]


def test_oxygen_saturation_carries_both_loinc_codes() -> None:
    """The profile requires 2708-6; 59408-5 says how."""
    assert {coding.code for coding in METRICS["oxygen-saturation"].codings if coding.system == LOINC} == {
        "2708-6",
        "59408-5",
    }


def test_vo2max_is_per_kilogram_and_minute() -> None:
    """`mL/kg.min` would multiply by minutes."""
    assert METRICS["vo2max"].unit.code == "mL/kg/min"


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_consent_finds_the_category_that_the_table_names(metric: codes.Metric) -> None:
    """Builders and consent agree on what a patient grants."""
    resource = {"resourceType": "Observation", "category": metric.category_concepts()}
    if metric.name == "ecg":
        resource["component"] = [{"valueSampledData": {}}]
    assert categories.name(resource) == metric.category
