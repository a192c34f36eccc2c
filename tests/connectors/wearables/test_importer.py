"""The same export, a newer one, an older one, one that was cut off: everything is taken once."""

import sqlite3
import zipfile
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from connectors.wearables.generator import _ENGLISH, generate
from connectors.wearables.importer import Batch, Report, read
from connectors.wearables.ledger import Mark, MemoryLedger, SqliteLedger, deletions
from fhir_profiles.problems import Problem
from fhir_profiles.resources import dump
from tests.connectors.wearables.exports import (
    DAY,
    PATIENT,
    document,
    observations,
    record,
    steps,
    taken,
    zipped,
)

ASLEEP, ASLEEP_VALUE = "HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysisAsleep"


def test_the_same_export_gives_nothing_new(tmp_path: Path) -> None:
    """Every record is known."""
    path = tmp_path / "a.zip"
    generate(path, seed=3, days=4, records=2000)
    ledger = MemoryLedger()
    first, _ = taken(path, ledger)
    second, batches = taken(path, ledger)
    assert batches == []
    assert (second.taken, second.envelopes) == (0, 0)
    assert second.duplicates == first.duplicates + first.taken


def test_a_newer_export_gives_the_new_and_replaces_changed_days(tmp_path: Path) -> None:
    """The day that had gone on is replaced; those before are not sent again."""
    old = [steps(10, "08:00:00", "08:10:00"), record("BodyMass", "80", f"{DAY} 07:00:00 +0200", unit="kg")]
    new = [
        *old,
        steps(5, "09:00:00", "09:10:00"),
        record("BodyMass", "81", "2026-10-02 07:00:00 +0200", unit="kg"),
        record("StepCount", "7", "2026-10-02 09:00:00 +0200", "2026-10-02 09:10:00 +0200", unit="count"),
    ]
    ledger = MemoryLedger()
    _, before = taken(zipped(tmp_path / "a.zip", document(*old, exported=f"{DAY} 08:30:00 +0200")), ledger)
    report, after = taken(zipped(tmp_path / "b.zip", document(*new, exported="2026-10-02 21:00:00 +0200")), ledger)
    days = {batch.key: observations([batch])[0] for batch in [*before, *after] if batch.key}
    assert [batch.key for batch in after if batch.key] == ["day/2026-10-01", "day/2026-10-02"]
    assert days["day/2026-10-01"]["valueQuantity"]["value"] == 15
    assert days["day/2026-10-01"]["id"] == observations([next(b for b in before if b.key)])[0]["id"]
    assert [made["valueQuantity"]["value"] for made in observations(after, "Körpergewicht")] == [81]
    assert (report.taken, report.duplicates) == (4, 1)


def test_an_older_export_takes_nothing_back(tmp_path: Path) -> None:
    """What a newer one said of the day stays; the report says why."""
    old = [steps(10, "08:00:00", "08:10:00")]
    new = [*old, steps(5, "09:00:00", "09:10:00")]
    ledger = MemoryLedger()
    taken(zipped(tmp_path / "b.zip", document(*new, exported="2026-10-02 21:00:00 +0200")), ledger)
    report, batches = taken(zipped(tmp_path / "a.zip", document(*old, exported=f"{DAY} 08:30:00 +0200")), ledger)
    assert batches == []
    assert report.left == {"older-export": 1}


def test_what_was_deleted_is_left_and_its_day_stays_known(tmp_path: Path) -> None:
    """By the id that it has in the record. Nothing else is sent because of it, and of a day all deleted nothing."""
    walk, weight = steps(10, "08:00:00", "08:10:00"), record("BodyMass", "80", f"{DAY} 07:00:00 +0200", unit="kg")
    night = record(ASLEEP, f"{ASLEEP_VALUE}Deep", f"{DAY} 00:30:00 +0200", f"{DAY} 06:00:00 +0200")
    ledger = MemoryLedger()
    whole = zipped(tmp_path / "a.zip", document(walk, weight, night))
    report, batches = taken(whole, ledger)
    told = {made["code"]["text"]: made for made in observations(batches)}
    for made in (told["Schlaf"], told["Körpergewicht"], told["Körpergewicht"] | {"id": "w1"}):
        ledger.add(deletions(made["id"], dump(made)))
    report, batches = taken(whole, ledger)
    assert (batches, report.left, report.duplicates) == ([], {"deleted": 2}, 1)
    ledger.add(deletions(told["Schritte am Tag"]["id"], dump(told["Schritte am Tag"])))
    report, batches = taken(
        zipped(whole, document(walk, walk, weight, night, exported="2026-11-01 00:00:00 +0100")), ledger
    )
    assert (batches, report.left) == ([], {"deleted": 3})


def test_an_hour_that_went_on_is_the_same_observation_with_more_in_it(tmp_path: Path) -> None:
    """An unfinished hour is preliminary; the next export finishes it under the same id."""
    beats = [
        record("HeartRate", "60", f"{DAY} 08:{minute:02}:00 +0200", unit="count/min") for minute in range(0, 50, 10)
    ]
    ledger = MemoryLedger()
    _, first = taken(zipped(tmp_path / "a.zip", document(*beats[:3], exported=f"{DAY} 08:25:00 +0200")), ledger)
    _, second = taken(zipped(tmp_path / "b.zip", document(*beats, exported=f"{DAY} 10:00:00 +0200")), ledger)
    (before,), (after,) = (observations(batches, "Herzfrequenz je Minute") for batches in (first, second))
    assert before["id"] == after["id"]
    assert (before["status"], after["status"]) == ("preliminary", "final")
    assert (
        after["valueSampledData"]["data"].split() == before["valueSampledData"]["data"].split() + [*["E"] * 9, "60"] * 2
    )


@pytest.mark.parametrize("kind", ["sqlite3", "sqlalchemy"])
def test_cut_off_after_any_batch_nothing_is_lost_or_doubled(tmp_path: Path, kind: str) -> None:
    """Batch and marks in one transaction; each attempt dies a batch later, one within the transaction."""
    path = tmp_path / "a.zip"
    generate(path, seed=3, days=5, records=3000)
    expected, whole = taken(path)
    queue = Queue(tmp_path / "queue.db", kind)
    attempts = 0
    while attempts == 0 or len(queue.resources()) < sum(len(batch.resources) for batch in whole):
        attempts += 1
        for number, batch in enumerate(islice(read(path, PATIENT, report=Report(), ledger=queue.ledger), 2)):
            queue.put(batch, die=number == 1)
    assert attempts == len(whole)
    assert sorted(queue.resources()) == sorted(resource for batch in whole for resource in batch.resources)
    report = Report()
    assert list(read(path, PATIENT, report=report, ledger=queue.ledger)) == []
    assert report.duplicates == expected.taken + expected.duplicates


def test_the_same_file_gives_the_same_batches(tmp_path: Path) -> None:
    """Nothing depends on the clock or on the order of a set."""
    path = tmp_path / "a.zip"
    generate(path, seed=3, days=3, records=2000)
    assert taken(path)[1] == taken(path)[1]


def test_the_ledger_keeps_the_newest_mark() -> None:
    """Hundreds of keys at once, and a key that is marked again."""
    ledger = SqliteLedger(sqlite3.connect(":memory:"))
    marks = [Mark(number.to_bytes(16), b"c" * 16, number) for number in range(1000)]
    ledger.add(marks)
    ledger.add([Mark(marks[0].key, b"d" * 16, 5)])
    found = ledger.seen([mark.key for mark in marks] + [b"unknown"])
    assert len(found) == 1000
    assert found[marks[0].key] == Mark(marks[0].key, b"d" * 16, 5)


class Queue:
    """A stand for the outbox: rows and marks in one transaction of a real database."""

    def __init__(self, path: Path, kind: str) -> None:
        if kind == "sqlite3":
            self._connection = sqlite3.connect(path)
            self._run = self._connection.execute
        else:
            self._connection = create_engine(f"sqlite:///{path}").connect()
            self._run = self._connection.exec_driver_sql
        self._run("CREATE TABLE queue (resource BLOB)")
        self.ledger = SqliteLedger(self._connection)
        self._connection.commit()

    def put(self, batch: Batch, *, die: bool) -> None:
        """Queue a batch with its marks; or everything but the commit."""
        for resource in batch.resources:
            self._run("INSERT INTO queue VALUES (?)", (resource,))
        self.ledger.add(batch.marks)
        if die:
            self._connection.rollback()
        else:
            self._connection.commit()

    def resources(self) -> list[bytes]:
        """What is queued."""
        return [row[0] for row in self._run("SELECT resource FROM queue")]


def test_a_broken_file_gives_nothing_out(tmp_path: Path) -> None:
    """The end is read before the first batch leaves."""
    xml = document(steps(5, "08:00:00", "08:10:00")).replace("</HealthData>", "")
    batches = read(zipped(tmp_path / "a.zip", xml), PATIENT, report=Report())
    with pytest.raises(Problem, match="not well formed"):
        next(batches)


def test_a_damaged_ecg_is_left_and_all_else_is_taken(tmp_path: Path) -> None:
    """Whatever is wrong with it in the zip: the vitals that waited come out, and the ECG beside it."""
    good, bad = "electrocardiograms/ecg_1.csv", "electrocardiograms/ecg_2.csv"
    weight = record("BodyMass", "81", f"{DAY} 08:00:00 +0200", unit="kg")
    tables = {bad: _ENGLISH + "1\n2\n3\n", good: _ENGLISH + "1\n2\n"}
    path = zipped(tmp_path / "a.zip", document(weight, steps(5, "08:00:00", "08:10:00")), **tables)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        begin = archive.getinfo(bad).header_offset
    listed = whole.rindex(b"PK\x01\x02", 0, whole.rindex(bad.encode()))
    for name, at in {
        "content": begin + 70,
        "head": begin,
        "encrypted": listed + 8,
        "packed otherwise": listed + 10,
    }.items():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        report, batches = taken(path)
        assert report.left == {"unreadable": 1}, name
        assert report.taken == 3, name
        assert [batch.category for batch in batches] == ["activity", "vitals", "traces"], name


def test_a_batch_does_not_show_its_content() -> None:
    """Not even by accident in a log."""
    assert "secret" not in repr(Batch("vitals", "", (b"secret",), ()))
