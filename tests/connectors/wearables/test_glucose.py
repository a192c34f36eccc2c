"""Glucose is in the record once, however often an export is brought and whatever it makes of its source."""

from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.wearables.importer import Batch
from connectors.wearables.ledger import MemoryLedger
from fhir_profiles.resources import check
from tests.connectors.wearables.exports import DAY, document, observations, record, taken, zipped
from tests.connectors.wearables.retold import abroad, renamed


def reading(value: int, at: str, source: str = "Sensor") -> str:
    """A reading in mg/dL, the time by UTC."""
    return record("BloodGlucose", str(value), f"{at} +0000", unit="mg/dL", source=source)


def sensed(count: int, first: int = 100) -> list[str]:
    """So many readings from midnight on, one each five minutes."""
    return [reading(first + n, f"{DAY} {n // 12:02}:{n % 12 * 5:02}:20") for n in range(count)]


def fingers(days: int) -> list[str]:
    """Four a day."""
    return [
        reading(1000 + 4 * day + n, f"2026-11-{day + 1:02} {hour}:00:00")
        for day in range(days)
        for n, hour in enumerate(("07", "12", "18", "22"))
    ]


class Kept(dict[str, Any]):
    """A record as readers hold it: the newest of each resource by its id."""

    def take(self, batches: list[Batch]) -> None:
        """Take in what an import gave out."""
        self.update((made["id"], made) for made in observations(batches))

    def values(self) -> list[int]:  # type: ignore[override]
        """All readings, each as often as it is there."""
        found: list[int] = []
        for made in super().values():
            series = made.get("valueSampledData", {}).get("data", str(made.get("valueQuantity", {}).get("value")))
            found += [int(value) for value in series.split() if value != "E"]
        return sorted(found)


def test_of_two_readings_in_one_minute_the_first_is_kept_and_the_other_told(tmp_path: Path) -> None:
    """A grid has one place for both: what is not in it is not said to be taken."""
    report, batches = taken(zipped(tmp_path / "a.zip", document(*sensed(30), reading(250, f"{DAY} 00:00:30"))))
    (made,) = observations(batches)
    check(made)
    assert made["valueSampledData"]["data"].startswith("100 E E E E 101 ")
    assert (report.read, report.taken, report.left) == (31, 30, {"same-minute": 1})


def test_a_first_morning_of_a_sensor_stays_as_it_went_out(tmp_path: Path) -> None:
    """Too few readings to know it for a sensor: the series of the whole day begins where they end."""
    ledger, kept = MemoryLedger(), Kept()
    for count, exported in (
        (20, f"{DAY} 02:00:00 +0200"),
        (100, f"{DAY} 12:00:00 +0200"),
        (280, "2026-10-02 12:00:00 +0200"),
    ):
        report, batches = taken(zipped(tmp_path / "a.zip", document(*sensed(count), exported=exported)), ledger)
        kept.take(batches)
        assert kept.values() == list(range(100, 100 + count))
    assert (report.taken, report.duplicates, len(kept)) == (260, 20, 21)


def test_a_sensors_day_stays_a_series_when_its_app_is_used_otherwise(tmp_path: Path) -> None:
    """Months of finger readings from the same app do not take the sensor's readings apart."""
    ledger, kept = MemoryLedger(), Kept()
    for lines, exported in (
        (sensed(100), f"{DAY} 12:00:00 +0200"),
        (sensed(100) + fingers(28), "2026-12-01 12:00:00 +0100"),
        (sensed(100) + fingers(28), "2026-12-02 12:00:00 +0100"),
    ):
        report, batches = taken(zipped(tmp_path / "a.zip", document(*lines, exported=exported)), ledger)
        kept.take(batches)
    assert kept.values() == [*range(100, 200), *range(1000, 1112)]
    assert (report.taken, report.duplicates, len(kept)) == (0, 212, 113)


@pytest.mark.parametrize("seed", range(10))
def test_growing_exports_double_and_lose_no_reading(tmp_path: Path, seed: int) -> None:
    """Dense hours and sparse ones of one app, brought again and again while they become more."""
    random = Random(seed)
    minutes = sorted(random.sample(range(48 * 12), 60) + [n for n in range(576) if n // 36 % 5 == seed % 5])
    places = [5 * minute for minute in dict.fromkeys(minutes)]
    lines = [
        reading(1000 + n, f"2026-10-0{1 + m // 1440} {m // 60 % 24:02}:{m % 60:02}:00") for n, m in enumerate(places)
    ]
    ledger, kept = MemoryLedger(), Kept()
    for count in [*sorted(random.sample(range(1, len(lines)), 5)), len(lines)]:
        m = places[count - 1] + 1
        exported = f"2026-10-0{1 + m // 1440} {m // 60 % 24:02}:{m % 60:02}:00 +0200"
        _, batches = taken(zipped(tmp_path / "a.zip", document(*lines[:count], exported=exported)), ledger)
        kept.take(batches)
        assert kept.values() == list(range(1000, 1000 + count))


def test_a_finger_reading_at_the_moment_of_a_sensors_takes_nothing_from_its_series(tmp_path: Path) -> None:
    """Also once it is known, and when it comes later than the series."""
    finger = reading(999, f"{DAY} 00:10:20", source="Tagebuch")
    both = document(*sensed(30), finger)
    for first in (both, document(*sensed(30)), document(finger)):
        ledger, kept = MemoryLedger(), Kept()
        for xml in (first, both, both):
            kept.take(taken(zipped(tmp_path / "a.zip", xml), ledger)[1])
        assert kept.values() == [*range(100, 130), 999]


def test_a_sensor_that_is_called_otherwise_later_is_one_series_still(tmp_path: Path) -> None:
    """Told again in full, under the new name; that of another sensor of the day stays."""
    other = [reading(500 + n, f"{DAY} 03:{n:02}:00", source="Zweiter") for n in range(30)]
    ledger, kept = MemoryLedger(), Kept()
    for name in ("Sensor", "Mein Sensor", "Sensor"):
        xml = renamed(document(*sensed(30), *other), "Sensor", name)
        kept.take(taken(zipped(tmp_path / "a.zip", xml), ledger)[1])
        assert kept.values() == [*range(100, 130), *range(500, 530)]
        assert len(kept) == 2


@pytest.mark.parametrize("seed", range(15))
def test_sources_that_measure_at_the_same_moments_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    """Sensors and fingers, each export with more, so that some are judged otherwise; in any zone, and told again."""
    random = Random(seed)
    moments = [f"2026-10-0{1 + n // 288} {n // 12 % 24:02}:{n % 12 * 5:02}:00" for n in range(576)]
    lines: list[tuple[str, str]] = []
    for source in random.sample("ABC", random.randrange(2, 4)):
        begin = random.randrange(400)
        dense = moments[begin : begin + random.randrange(30, 170)]
        mine = dense if random.random() < 0.6 else random.sample(moments, random.randrange(1, 20))
        lines += [(at, source) for at in mine if random.random() < 0.9]
    told = [reading(1000 + n, *line) for n, line in enumerate(sorted(lines))]
    ledger, kept = MemoryLedger(), Kept()
    for n in range(1, 6):
        part = document(*told[: len(told) * n // 5], exported=f"2026-10-{n + 2:02} 12:00:00 +0200")
        path = zipped(tmp_path / "a.zip", abroad(part, random.choice((60, 345, -600))))
        for _ in range(3):
            kept.take(taken(path, ledger)[1])
            assert kept.values() == [1000 + at for at in range(len(told) * n // 5)]
