"""What single records become: units, digits, times and places."""

from decimal import Decimal
from pathlib import Path

import pytest

from connectors.wearables.archive import Limits
from connectors.wearables.importer import Report, read
from fhir_profiles.resources import check, parse
from tests.connectors.wearables.exports import (
    DAY,
    PATIENT,
    PHONE,
    WATCH,
    adds_up,
    document,
    observations,
    one,
    record,
    steps,
    taken,
    zipped,
)
from tests.connectors.wearables.odd_exports import odd_export

IN_BED = "HKCategoryValueSleepAnalysisInBed"


@pytest.mark.parametrize(
    ("kind", "value", "unit", "expected", "code"),
    [
        ("BodyMass", "180.5", "lb", "81.87", "kg"),
        ("BodyMass", "72.50", "kg", "72.50", "kg"),
        ("Height", "5.9", "ft", "179.8", "cm"),
        ("Height", "178", "cm", "178", "cm"),
        ("BodyTemperature", "98.6", "degF", "37.00", "Cel"),
        ("OxygenSaturation", "0.97", "%", "97", "%"),
        ("OxygenSaturation", "0.975", "%", "97.5", "%"),
        ("OxygenSaturation", "97", "%", "97", "%"),
        ("RespiratoryRate", "14.50", "count/min", "14.50", "/min"),
        ("BloodGlucose", "101", "mg/dL", "101", "mg/dL"),
        ("BloodGlucose", "5.60", "mmol<180.1558800000541>/L", "5.60", "mmol/L"),
        ("BodyMassIndex", "22.5312", "count", "22.5312", "kg/m2"),
        ("VO2Max", "38.20", "mL/min·kg", "38.20", "mL/kg/min"),
        ("WaistCircumference", "36", "in", "91.4", "cm"),
        ("ForcedVitalCapacity", "4100", "mL", "4.100", "L"),
    ],
)
def test_units_are_converted_and_digits_kept(
    tmp_path: Path, kind: str, value: str, unit: str, expected: str, code: str
) -> None:
    """A value in the metric's own unit keeps every digit."""
    made = one(tmp_path, record(kind, value, f"{DAY} 07:00:00 +0200", unit=unit))
    assert str(made["valueQuantity"]["value"]) == expected
    assert made["valueQuantity"]["code"] == code


def test_glucose_keeps_the_code_that_fits_its_unit(tmp_path: Path) -> None:
    """Mass and moles are two codes and are not converted."""
    for unit, code in (("mg/dL", "2339-0"), ("mmol<180.15588>/L", "15074-8")):
        made = one(tmp_path, record("BloodGlucose", "101", f"{DAY} 07:00:00 +0200", unit=unit))
        assert made["code"]["coding"][0]["code"] == code


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (record("BodyMass", "80", f"{DAY} 07:00:00 +0200", unit="slug"), "unit"),
        (record("BodyMass", "viel", f"{DAY} 07:00:00 +0200", unit="kg"), "unreadable"),
        (record("BodyMass", "NaN", f"{DAY} 07:00:00 +0200", unit="kg"), "unreadable"),
        (record("BodyMass", "1e999999", f"{DAY} 07:00:00 +0200", unit="kg"), "unreadable"),
        (record("BodyMass", "1e-999999", f"{DAY} 07:00:00 +0200", unit="kg"), "unreadable"),
        (record("BodyMass", "80", f"{DAY} 07:00:00", unit="kg"), "unreadable"),
        (record("BodyMass", "80", f"{DAY} 07:00:00 +0200", f"{DAY} 06:59:59 +0200", unit="kg"), "unreadable"),
        (record("VO2Max", "40", f"{DAY} 07:00:00 +0200", f"{DAY} 07:30:00 +0300", unit="mL/min·kg"), "unreadable"),
        (record("BodyMass", "80", f"{DAY} 07:00:00 +1430", unit="kg"), "unreadable"),
        (record("BodyMass", "80", f"{DAY} 07:00:00 -1401", unit="kg"), "unreadable"),
        (record("HeartRate", "80", "0001-01-01 00:30:00 +0100", unit="count/min"), "unreadable"),
        (record("HeartRate", "80", "9999-12-31 23:30:00 -1200", unit="count/min"), "unreadable"),
        (record("BodyMass", "80", "1899-12-31 23:59:59 +0000", unit="kg"), "unreadable"),
        (record("BodyMass", "80", "2200-01-01 00:00:00 +0000", unit="kg"), "unreadable"),
        (record("StepCount", "-5", f"{DAY} 07:00:00 +0200", unit="count"), "unreadable"),
        (record("StepCount", "inf", f"{DAY} 07:00:00 +0200", unit="count"), "unreadable"),
        (record("StepCount", "5", f"{DAY} 07:00:00 +0200", f"{DAY} 06:00:00 +0200", unit="count"), "unreadable"),
        (
            record("StepCount", "5", f"{DAY} 07:00:00 +0200", "2036-10-01 07:00:00 +0200", unit="count"),
            "unreadable",
        ),
        (record("HKCategoryTypeIdentifierSleepAnalysis", "Dozing", f"{DAY} 01:00:00 +0200"), "unreadable"),
        (record("HKCategoryTypeIdentifierSleepAnalysis", IN_BED, f"{DAY} 01:00:00 +0200"), "unreadable"),
        (record("PhysicalEffort", "5", f"{DAY} 07:00:00 +0200", unit="kcal/hr·kg"), "not-supported"),
        (record("BloodPressureSystolic", "120", f"{DAY} 07:00:00 +0200", unit="mmHg"), "unpaired"),
        ("<Workout/>", "not-supported"),
    ],
)
def test_what_cannot_be_taken_is_left_with_its_reason(tmp_path: Path, line: str, reason: str) -> None:
    """Never guessed, never silent."""
    report, batches = taken(zipped(tmp_path / "a.zip", document(line)))
    assert report.left == {reason: 1}
    assert observations(batches) == []


def test_times_keep_the_offset_they_were_measured_in(tmp_path: Path) -> None:
    """A journey shows."""
    made = one(tmp_path, record("BodyMass", "80", f"{DAY} 07:00:00 -0330", unit="kg"))
    assert made["effectiveDateTime"] == "2026-10-01T07:00:00-03:30"


def test_the_farthest_places_and_times_are_taken(tmp_path: Path) -> None:
    """Fourteen hours from Greenwich, and the first and the last year in which somebody alive may have measured."""
    for at, told in (
        (f"{DAY} 07:00:00 +1400", f"{DAY}T07:00:00+14:00"),
        ("1900-01-01 00:00:00 +0100", "1900-01-01T00:00:00+01:00"),
        ("2199-12-31 23:59:59 -1200", "2199-12-31T23:59:59-12:00"),
    ):
        made = one(tmp_path, record("BodyMass", "80", at, unit="kg"))
        assert made["effectiveDateTime"] == told
        check(made)


def test_a_flight_westward_may_end_at_an_earlier_hour(tmp_path: Path) -> None:
    """What counts is the moment, not what the clock on the wall says."""
    made = one(tmp_path, record("BodyMass", "80", f"{DAY} 07:00:00 +0200", f"{DAY} 06:30:00 +0100", unit="kg"))
    check(made)
    assert made["effectivePeriod"] == {"start": f"{DAY}T07:00:00+02:00", "end": f"{DAY}T06:30:00+01:00"}


@pytest.mark.parametrize("seed", range(20))
def test_whatever_an_export_says_readers_can_open_it(tmp_path: Path, seed: int) -> None:
    """One resource that is no R4 would make all of its envelope unreadable, for everybody and for good."""
    report, batches = taken(zipped(tmp_path / "a.zip", odd_export(seed, 300)))
    for batch in batches:
        for resource in batch.resources:
            check(parse(resource))
    assert report.taken > 100
    assert report.left["unreadable"] > 10


def test_phone_and_watch_do_not_add_up(tmp_path: Path) -> None:
    """The phone counts for the half hour in which the watch lay on the table."""
    lines = [steps(3000, "08:00:00", "08:30:00"), steps(2000, "08:00:00", "09:00:00", PHONE)]
    assert one(tmp_path, *lines)["valueQuantity"]["value"] == 4000


def test_a_stretch_over_midnight_is_cut_there(tmp_path: Path) -> None:
    """Two thirds before, one third after; one record read, one taken."""
    line = record("StepCount", "300", f"{DAY} 23:50:00 +0200", "2026-10-02 00:05:00 +0200", unit="count")
    report, batches = taken(zipped(tmp_path / "a.zip", document(line, line)))
    assert [made["valueQuantity"]["value"] for made in observations(batches)] == [200, 100]
    assert (report.read, report.taken, report.duplicates) == (2, 1, 1)


def test_the_day_the_clocks_go_back_has_25_hours(tmp_path: Path) -> None:
    """Both two-o'clocks count, and the day ends in winter time."""
    day = "2026-10-25"
    lines = [
        record("StepCount", "10", f"{day} 02:10:00 {zone}", f"{day} 02:20:00 {zone}", unit="count")
        for zone in ("+0200", "+0100")
    ]
    made = one(tmp_path, *lines)
    assert made["valueQuantity"]["value"] == 20
    assert made["effectivePeriod"] == {"start": f"{day}T00:00:00+02:00", "end": f"{day}T23:59:59+01:00"}


def test_the_day_of_the_export_is_preliminary(tmp_path: Path) -> None:
    """It goes on."""
    made = one(tmp_path, steps(5, "08:00:00", "08:10:00"), exported=f"{DAY} 12:00:00 +0200")
    assert made["status"] == "preliminary"
    assert one(tmp_path, steps(5, "08:00:00", "08:10:00"))["status"] == "final"


def test_blood_pressure_only_inside_a_correlation_is_taken(tmp_path: Path) -> None:
    """Both halves become one Observation with two components."""
    halves = "".join(
        record(f"BloodPressure{half}", value, f"{DAY} 07:00:00 +0200", unit="mmHg", source="Manschette")
        for half, value in (("Systolic", "128"), ("Diastolic", "81"))
    )
    made = one(tmp_path, f"<Correlation>{halves}</Correlation>")
    assert [part["valueQuantity"]["value"] for part in made["component"]] == [128, 81]


def test_readings_in_a_correlation_and_beside_it_are_duplicates(tmp_path: Path) -> None:
    """Taking both doubled the readings of a real export."""
    halves = "".join(
        record(f"BloodPressure{half}", "100", f"{DAY} 07:00:00 +0200", unit="mmHg")
        for half in ("Systolic", "Diastolic")
    )
    report, batches = taken(zipped(tmp_path / "a.zip", document(halves, f"<Correlation>{halves}</Correlation>")))
    assert len(observations(batches)) == 1
    assert (report.read, report.taken, report.duplicates) == (4, 2, 2)


def test_a_glucose_sensor_becomes_a_trace_and_a_finger_stays_a_reading(tmp_path: Path) -> None:
    """HealthKit does not tell them apart; a reading every five minutes does."""
    sensor = [
        record(
            "BloodGlucose",
            f"{100 + minute / 10:.1f}",
            f"{DAY} {minute // 60:02}:{minute % 60:02}:20 +0200",
            unit="mg/dL",
            source="Sensor",
        )
        for minute in range(120, 420, 5)
        if minute != 220
    ]
    finger = record("BloodGlucose", "99", f"{DAY} 07:00:00 +0200", unit="mg/dL", source="Tagebuch")
    report, batches = taken(zipped(tmp_path / "a.zip", document(*sensor, finger)))
    (trace,) = observations([batch for batch in batches if batch.category == "traces"])
    assert trace["code"]["coding"][0]["code"] == "99504-3"
    data = trace["valueSampledData"]["data"].split()
    assert (len(data), data[0], data[20], data[-1]) == (60, "112.0", "E", "141.5")
    assert trace["valueSampledData"]["period"] == 300_000
    assert trace["effectivePeriod"] == {"start": "2026-10-01T02:00:20+02:00", "end": "2026-10-01T06:55:20+02:00"}
    assert [made["valueQuantity"]["value"] for made in observations(batches, "Glukose im Blut")] == [99]
    assert report.taken == 60


def test_a_night_belongs_to_the_day_of_waking(tmp_path: Path) -> None:
    """With its stages, without the phone's guess where the watch knew."""
    kind, stage = "HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysis"
    lines = [
        record(kind, stage + "InBed", "2026-09-30 22:30:00 +0200", f"{DAY} 07:00:00 +0200", device=PHONE),
        record(kind, stage + "Asleep", "2026-09-30 23:00:00 +0200", f"{DAY} 06:00:00 +0200", source="App"),
        record(kind, stage + "AsleepDeep", "2026-09-30 23:00:00 +0200", f"{DAY} 01:00:00 +0200", device=WATCH),
        record(kind, stage + "Awake", f"{DAY} 01:00:00 +0200", f"{DAY} 01:30:00 +0200", device=WATCH),
    ]
    made = one(tmp_path, *lines)
    values = {part["code"]["coding"][0]["code"]: part["valueQuantity"]["value"] for part in made["component"]}
    assert values == {"93831-6": 120, "sleep-awake": 30, "sleep-in-bed": 510}
    assert made["valueQuantity"]["value"] == 120 + 270
    assert made["effectivePeriod"]["end"].startswith(DAY)


def test_what_was_typed_in_names_the_patient(tmp_path: Path) -> None:
    """As performer."""
    entry = '<MetadataEntry key="HKWasUserEntered" value="1"/>'
    made = one(tmp_path, record("BodyMass", "80.10", f"{DAY} 07:00:00 +0200", unit="kg", inner=entry))
    assert made["performer"] == [{"reference": f"Patient/{PATIENT}"}]
    assert made["valueQuantity"]["value"] == Decimal("80.10")


def test_a_table_that_is_no_ecg_or_a_broken_or_a_huge_one_is_left(tmp_path: Path) -> None:
    """Each counted with its reason."""
    broken = "Recorded Date,x\nSample Rate,512 hertz\n"
    path = zipped(tmp_path / "a.zip", document(), **{"a.csv": "x,y\n", "b.csv": broken, "c.csv": "1\n" * 5000})
    report = Report()
    assert list(read(path, PATIENT, report=report, limits=Limits(ecg_bytes=5000))) == []
    assert report.left == {"not-supported": 1, "unreadable": 1, "too-large": 1}
    adds_up(report)
