"""The generated month, with all its traps, against a computation of its own."""

from collections import Counter
from pathlib import Path

import pytest

from connectors.wearables.importer import MAX_BYTES, MAX_RESOURCES, Batch, Report
from consent import categories
from fhir_profiles.resources import check, model, parse
from tests.connectors.wearables import plain
from tests.connectors.wearables.exports import (
    PATIENT,
    adds_up,
    observations,
)

Imported = tuple[Report, list[Batch]]


@pytest.fixture(scope="module")
def rows(month: Path) -> list[plain.Row]:
    """The month's records by ElementTree."""
    return plain.rows(month)


def test_it_holds_a_hundred_thousand_records_and_adds_up(imported: Imported) -> None:
    """read = taken + left + duplicates, each reason named."""
    report, _ = imported
    adds_up(report)
    assert report.read >= 100_000
    assert set(report.left) == {"not-supported", "unit", "unpaired", "unreadable"}
    assert report.duplicates > 300
    assert report.taken > 90_000


@pytest.mark.parametrize(
    ("kind", "text", "digits"),
    [
        ("StepCount", "Schritte am Tag", 0),
        ("DistanceWalkingRunning", "Strecke zu Fuß am Tag", 1),
        ("ActiveEnergyBurned", "Aktivitätsenergie am Tag", 1),
        ("BasalEnergyBurned", "Ruheenergie am Tag", 1),
        ("FlightsClimbed", "Stockwerke am Tag", 0),
        ("AppleExerciseTime", "Trainingsminuten am Tag", 1),
    ],
)
def test_daily_totals_equal_a_plain_computation(
    rows: list[plain.Row], imported: Imported, kind: str, text: str, digits: int
) -> None:
    """Second by second, over all days, the night the clocks go back and the journey too."""
    expected = plain.totals(rows, kind)
    found = {
        made["effectivePeriod"]["start"][:10]: made["valueQuantity"]["value"]
        for made in observations(imported[1], text)
    }
    assert found.keys() == expected.keys()
    assert len(found) >= 31
    for day, value in found.items():
        assert abs(plain.Fraction(value) - expected[day]) <= plain.Fraction(1, 2 * 10**digits) + plain.Fraction(
            1, 10**6
        )


def test_heart_rates_of_the_day_equal_a_plain_computation(rows: list[plain.Row], imported: Imported) -> None:
    """Least, mean and greatest."""
    expected = plain.heart_rates(rows)
    found = {
        made["effectivePeriod"]["start"][:10]: [part["valueQuantity"]["value"] for part in made["component"]]
        for made in observations(imported[1], "Herzfrequenz des Tages")
    }
    assert found.keys() == expected.keys()
    for day, values in found.items():
        for value, exact in zip(values, expected[day], strict=True):
            assert abs(plain.Fraction(value) - exact) <= plain.Fraction(1, 20) + plain.Fraction(1, 10**6)


def test_every_minute_measured_is_in_the_traces_once(rows: list[plain.Row], imported: Imported) -> None:
    """As many values as minutes with a reading."""
    minutes = {int(row.begin.timestamp()) // 60 for row in rows if row.kind.endswith("IdentifierHeartRate")}
    values = [
        value
        for made in observations(imported[1], "Herzfrequenz je Minute")
        for value in made["valueSampledData"]["data"].split()
    ]
    assert len([value for value in values if value != "E"]) == len(minutes)


def test_everything_is_r4_in_the_category_it_says(imported: Imported) -> None:
    """Checked by HL7's definitions, one of each kind by the typed model, and by consent's own mapping."""
    kinds: dict[str, dict] = {}
    for batch in imported[1]:
        for resource in batch.resources:
            made = parse(resource)
            check(made)
            assert categories.name(made) == batch.category
            reference = made.get("subject") or made["patient"]
            assert reference == {"reference": f"Patient/{PATIENT}"}
            kinds[made["resourceType"] + str(made.get("code"))] = made
    assert len(kinds) > 15
    for made in kinds.values():
        model(made)


def test_ids_are_unique_and_devices_are_there(imported: Imported) -> None:
    """Every reference to a device leads to one."""
    made = [parse(resource) for batch in imported[1] for resource in batch.resources]
    names = Counter((each["resourceType"], each["id"]) for each in made)
    assert max(names.values()) == 1
    devices = {f"Device/{each['id']}" for each in made if each["resourceType"] == "Device"}
    assert {each["device"]["reference"] for each in made if "device" in each} <= devices
    assert len(devices) == 6


def test_umlauts_stay_and_addresses_birthday_and_control_characters_go(imported: Imported) -> None:
    """What a device says of itself, and nothing of the machine's memory or the person."""
    everything = b"\n".join(resource for batch in imported[1] for resource in batch.resources).decode()
    assert "Jürgens Apple Watch" in everything
    assert "Blutdruckmesser" in everything
    for trace in ("HKDevice", "0x2", "\\u000b", "1961-04-12", "12.04.1961", "Muster"):
        assert trace not in everything


def test_batches_fit_an_envelope(imported: Imported) -> None:
    """At most 256 KiB or 1,000 resources; a day replaces a day, the rest is added."""
    report, batches = imported
    assert report.envelopes == len(batches)
    for batch in batches:
        assert sum(len(resource) + 1 for resource in batch.resources) <= MAX_BYTES
        assert 1 <= len(batch.resources) <= MAX_RESOURCES
        assert batch.key.startswith("day/2026-1") == (batch.category == "activity")
    assert len({batch.key for batch in batches if batch.key}) == sum(1 for batch in batches if batch.key)


def test_both_ecgs_are_there(imported: Imported) -> None:
    """German and English, thirty seconds each."""
    found = observations(imported[1], "EKG")
    assert [len(made["component"][0]["valueSampledData"]["data"].split()) for made in found] == [15_360, 15_360]


def test_blood_pressure_is_counted_once(rows: list[plain.Row], imported: Imported) -> None:
    """Pairs inside a Correlation and beside it are one pair; a lonely half is left."""
    moments = {row.begin for row in rows if row.kind.endswith("BloodPressureDiastolic")}
    assert len(observations(imported[1], "Blutdruck")) == len(moments) == 62
