"""A day is that of the export's zone: what moves to another day with it is told once, and not lost on its way back."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from connectors.wearables.ledger import MemoryLedger
from tests.connectors.wearables.exports import document, record, taken, zipped
from tests.connectors.wearables.retold import abroad
from tests.connectors.wearables.test_coincident import Held

HOME, WEST = 120, -480


def walked(count: int, at: str) -> str:
    """Steps of ten minutes, on a day of October at home."""
    return record("StepCount", str(count), f"2026-10-{at}:10:00 +0200", f"2026-10-{at}:20:00 +0200", unit="count")


def rested(at: str) -> str:
    """A resting heart rate."""
    return record("RestingHeartRate", "55", f"2026-10-{at}:10:00 +0200", unit="count/min")


def brought(path: Path, lines: list[str], zones: list[int]) -> None:
    """Bring exports of the same, made a day apart in these zones, each twice; what the last says is held."""
    ledger, held = MemoryLedger(), Held()
    for n, zone in enumerate(zones):
        xml = abroad(document(*lines, exported=f"2026-11-{n + 1:02} 08:00:00 +0100"), zone)
        for _ in range(2):
            held.take(taken(zipped(path / "a.zip", xml), ledger)[1])
        fresh = Held()
        fresh.take(taken(path / "a.zip")[1])
        assert said(held) == said(fresh)


def said(held: Held) -> Counter[str]:
    """All that it says."""
    return Counter(map(repr, held.observations()))


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([walked(10, "05 20"), walked(5, "06 02")], id="into the day before"),
        pytest.param([walked(5, "06 02")], id="the only one"),
        pytest.param([walked(5, "06 02"), walked(10, "08 12")], id="the first"),
        pytest.param([rested("05 12"), rested("06 02")], id="a resting heart rate"),
        pytest.param([rested("05 12"), walked(5, "06 02"), rested("06 03")], id="both"),
    ],
)
def test_what_moves_to_another_day_is_told_once_and_comes_back(tmp_path: Path, lines: list[str]) -> None:
    """The day that it leaves had nothing else: it is taken back, and told again at home."""
    brought(tmp_path, lines, [HOME, WEST, HOME, WEST])


@pytest.mark.parametrize("seed", range(10))
def test_days_are_those_of_the_last_export_in_whatever_zones(tmp_path: Path, seed: int) -> None:
    """Sparse days and full ones, sleep and heart rate, stretches over midnight."""
    random = Random(seed)
    lines = []
    for _ in range(random.choice((4, 20))):
        begin = f"2026-10-{random.randrange(1, 6):02} {random.randrange(24):02}:{random.randrange(6)}0:00 +0200"
        end = f"2026-10-06 {random.randrange(24):02}:{random.randrange(6)}0:00 +0200"
        asleep = "HKCategoryValueSleepAnalysisAsleepCore"
        lines += [
            record("StepCount", "100", begin, random.choice((begin, end)), unit="count"),
            record("HeartRate", "70", begin, random.choice((begin, end)), unit="count/min"),
            record("RestingHeartRate", "60", begin, unit="count/min"),
            record("HKCategoryTypeIdentifierSleepAnalysis", asleep, begin, begin[:14] + "59:00 +0200"),
        ][random.randrange(4) :][:1]
    brought(tmp_path, lines, random.choices((840, 120, 345, -210, -720), k=5))


def test_days_before_a_new_phone_stay(tmp_path: Path) -> None:
    """Its export tells nothing of that time; one of the other zone still may."""
    ledger, held = MemoryLedger(), Held()
    for lines in ([walked(5, "05 12"), walked(7, "06 12")], [walked(9, "07 12")]):
        held.take(taken(zipped(tmp_path / "a.zip", document(*lines)), ledger)[1])
    assert held.values("Schritte am Tag") == [5, 7, 9]


def test_an_older_export_brings_back_no_day_that_was_emptied(tmp_path: Path) -> None:
    """And leaves nothing for which there is no record."""
    ledger, held = MemoryLedger(), Held()
    lines = [rested("05 12"), rested("06 02"), record("HeartRate", "70", "2026-10-06 02:00:00 +0200", unit="count/min")]
    for n, zone in ((1, HOME), (3, WEST), (2, HOME)):
        xml = abroad(document(*lines, exported=f"2026-11-{n:02} 08:00:00 +0100"), zone)
        report, batches = taken(zipped(tmp_path / "a.zip", xml), ledger)
        held.take(batches)
        assert held.told()["Ruheherzfrequenz"] == 2
    assert report.left == {"older-export": 3}
