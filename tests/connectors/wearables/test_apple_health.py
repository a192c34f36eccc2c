"""What is read from an export is what stands in it."""

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.wearables.apple_health import (
    MAX_DEPTH,
    Export,
    Reader,
    Record,
    date_time,
    described,
    latest_software,
    moment,
    natural,
    rank,
)
from connectors.wearables.generator import DOCTYPE
from fhir_profiles.devices import Description
from fhir_profiles.problems import Problem
from tests.connectors.wearables.exports import PHONE, WATCH, document, record, zipped

AT = "2026-10-01 08:03:11 +0200"


def read(path: Path) -> tuple[list[Record], list[Description]]:
    """All records and sources of a file."""
    with Export(path) as export:
        reader = Reader()
        found = [record for records in reader.records(export.chunks()) for record in records]
    return found, list(reader.sources.values())


def test_a_record_keeps_what_it_says(tmp_path: Path) -> None:
    """Value, unit and times as written, umlauts too."""
    line = record("BodyMass", "80.50", AT, unit="kg", source="Körperwaage")
    found, sources = read(zipped(tmp_path / "a.zip", document(line)))
    (source,) = {one.source for one in found}
    assert found == [Record("HKQuantityTypeIdentifierBodyMass", source, AT, AT, "80.50", "kg", entered=False)]
    assert sources == [Description(source="Körperwaage")]


def test_the_broken_doctype_of_ios_16_loses_nothing(tmp_path: Path) -> None:
    """A lenient parser would answer with no record at all."""
    lines = [record("StepCount", str(number), AT, unit="count") for number in range(50)]
    found, _ = read(zipped(tmp_path / "a.zip", document(*lines, doctype=DOCTYPE)))
    assert [one.value for one in found] == [str(number) for number in range(50)]


def test_control_characters_lose_nothing(tmp_path: Path) -> None:
    """\\x0b in a name stops expat; here it only leaves the name."""
    line = record("StepCount", "1", AT, unit="count", source="Blutdruck\x0bmesser")
    found, sources = read(zipped(tmp_path / "a.zip", document(line, record("StepCount", "2", AT, unit="count"))))
    assert [one.value for one in found] == ["1", "2"]
    assert sources[0].source == "Blutdruckmesser"


def test_a_record_inside_a_correlation_is_given_out_like_any_other(tmp_path: Path) -> None:
    """Apple writes it at the top as well; the same twice is one, once days are built."""
    line = record("BloodPressureSystolic", "120", AT, unit="mmHg")
    inside = f'<Correlation type="HKCorrelationTypeIdentifierBloodPressure">{line}</Correlation>'
    found, _ = read(zipped(tmp_path / "a.zip", document(line, inside, line)))
    assert len(found) == 3
    assert len(set(found)) == 1


def test_what_a_person_typed_in_is_told(tmp_path: Path) -> None:
    """From the metadata of that record only."""
    entry = '<MetadataEntry key="HKWasUserEntered" value="1"/>'
    lines = [record("BodyMass", "80", AT, unit="kg", inner=inner) for inner in (entry, "", entry.replace("1", "0"))]
    found, _ = read(zipped(tmp_path / "a.zip", document(*lines)))
    assert [one.entered for one in found] == [True, False, False]


def test_an_address_in_memory_makes_no_new_source(tmp_path: Path) -> None:
    """One watch, a hundred addresses: one source, and no address in it."""
    lines = [
        record("StepCount", "1", AT, unit="count", device=WATCH.replace("282a45810", f"{number:09x}"))
        for number in range(100)
    ]
    _, sources = read(zipped(tmp_path / "a.zip", document(*lines)))
    assert sources == [
        Description("Jürgens Apple Watch", "Apple Watch", "Apple Inc.", "Watch", "Watch6,2", "11.1"),
    ]
    assert "0x" not in repr(sources)


def test_other_elements_are_counted_as_what_they_are(tmp_path: Path) -> None:
    """Workouts and summaries are told, their routes and statistics are not records."""
    lines = (
        "<Workout><WorkoutRoute><FileReference path='x.gpx'/></WorkoutRoute><WorkoutStatistics/></Workout>",
        "<ActivitySummary/><ClinicalRecord/><Me/>",
    )
    found, _ = read(zipped(tmp_path / "a.zip", document(*lines)))
    assert [one.type for one in found] == ["Workout", "ActivitySummary", "ClinicalRecord"]


def test_a_record_within_a_workout_is_a_record(tmp_path: Path) -> None:
    """Newer exports put some there."""
    found, _ = read(zipped(tmp_path / "a.zip", document(f"<Workout>{record('StepCount', '5', AT)}</Workout>")))
    assert [one.type for one in found] == ["Workout", "HKQuantityTypeIdentifierStepCount"]


@pytest.mark.parametrize(
    "xml",
    [
        "<HealthData><Record></HealthData>",
        "<HealthData><Record type='x'/>",
        "<HealthData>&undefined;</HealthData>",
        "<HealthData></HealthData><HealthData/>",
        b"<HealthData><Record type='\xff\xfe'/></HealthData>",
        "<!-- <HealthData > --><gpx/>",
        "<HealthData>" + "<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH + "</HealthData>",
        f"<HealthData><Record type='{'x' * (12 << 20)}'/></HealthData>",
    ],
    ids=["tags", "cut", "entity", "two roots", "not utf-8", "other root", "depth", "huge element"],
)
def test_broken_xml_is_a_problem(tmp_path: Path, xml: str | bytes) -> None:
    """Strict: an export that breaks off is not a shorter export. The detail holds no content."""
    with pytest.raises(Problem) as caught:
        read(zipped(tmp_path / "a.zip", xml))
    assert caught.value.code in {"invalid", "not-supported"}
    assert "xxx" not in caught.value.detail


@given(st.datetimes(datetime(1971, 1, 1), datetime(2199, 12, 31)), st.integers(-14 * 4, 14 * 4))  # noqa: DTZ001
def test_moments_are_read_with_their_offset(local: datetime, quarters: int) -> None:
    """Seconds since 1970, the offset, and the local clock, for any zone."""
    at = local.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=15 * quarters)))
    text = at.strftime("%Y-%m-%d %H:%M:%S %z").zfill(25)
    found = moment(text)
    assert (found.epoch, found.offset) == (int(at.timestamp()), 15 * quarters)
    assert found.local == found.epoch + 15 * quarters * 60
    assert datetime.fromisoformat(date_time(text)) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-10-01",
        "2026-10-01 08:03:11",
        "2026-10-01T08:03:11+02:00",
        "2026-02-30 08:03:11 +0200",
        "2026-10-01 24:00:00 +0200",
        "2026-10-01 08:60:00 +0200",
        "2026-10-01 08:03:11 +2500",
        "2026-10-01 08:03:11 0200 ",
        "2026-10-01 08:03:11 +\u0660\u0662\u0660\u0660",
        "2026-W01-1 08:03:11 +0200",
        "2026-10-01 8:03:11  +0200",
        "2026-10-01 08:03:11 +0200 ",
    ],
)
def test_other_spellings_of_a_moment_are_not_guessed(text: str) -> None:
    """A time without a zone is no time."""
    with pytest.raises(ValueError, match=r".*"):
        moment(text)


def test_a_device_may_have_commas_in_its_values() -> None:
    """`hardware:Watch6,2` and a name with a comma."""
    said = WATCH.replace("name:Apple Watch", "name:Uhr, die gute")
    assert described("x", said).hardware == "Watch6,2"
    assert described("x", said).name == "Uhr, die gute"


@pytest.mark.parametrize("said", ["", "junk", "<<HKDevice", "<<HKDevice: 0x1>", "<<HKDevice: 0x1>, >", "name:x"])
def test_a_device_that_says_little_is_still_a_source(said: str) -> None:
    """The source's name stands for it."""
    assert described("Waage", said) == Description(source="Waage")


def test_watches_rank_before_phones_and_phones_before_the_rest() -> None:
    """By what they are, by their name where they do not say."""
    order = [described("b", WATCH), described("a", PHONE), Description(source="Meine Watch"), Description(source="App")]
    assert sorted(map(rank, order)) == [(0, "Meine Watch"), (0, "b"), (1, "a"), (2, "App")]


def test_the_newest_software_is_told_of_a_device() -> None:
    """10.1 is newer than 9.6, and a beta does not break the order."""
    versions = [Description("x", software=version) for version in ("9.6", "10.1", "10.0.b2", "")]
    assert latest_software({"d": versions})["d"].software == "10.1"
    assert natural("9.6") < natural("10.1")
    assert natural("9" * 5000) < natural("1" + "0" * 5000) < natural("1" + "0" * 5000 + ".1")
