"""A newer export doubles nothing, in whatever units, zone and names it tells what the one before told."""

import zipfile
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.wearables import coincident
from connectors.wearables.generator import generate
from connectors.wearables.importer import Batch
from connectors.wearables.ledger import MemoryLedger, content, deletions
from fhir_profiles.resources import dump, parse
from tests.connectors.wearables.exports import DAY, WATCH, document, observations, record, taken, zipped
from tests.connectors.wearables.odd_exports import odd_export
from tests.connectors.wearables.retold import abroad, in_other_units, renamed

AT = f"{DAY} 07:00:00 +0200"


class Held:
    """What who reads the record holds: the newest of each resource by its id, of a day what its last batch says."""

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self._came_with: dict[str, str] = {}

    def take(self, batches: list[Batch]) -> None:
        """Take in what an import gave out."""
        for batch in batches:
            if batch.key:
                for id_ in [id_ for id_, key in self._came_with.items() if key == batch.key]:
                    del self.resources[id_], self._came_with[id_]
            for resource in map(parse, batch.resources):
                self.resources[resource["id"]] = resource
                self._came_with[resource["id"]] = batch.key

    def forget(self, id_: str) -> None:
        """It was taken back."""
        del self.resources[id_], self._came_with[id_]

    def told(self) -> Counter[str]:
        """How many Observations there are of each kind."""
        return Counter(made["code"]["text"] for made in self.observations())

    def observations(self) -> list[dict[str, Any]]:
        """All of them."""
        return [made for made in self.resources.values() if made["resourceType"] == "Observation"]

    def said(self) -> Counter[str]:
        """What they say but for their ids, of vitals and traces."""
        singly = [made for made in self.observations() if not self._came_with[made["id"]]]
        return Counter(repr(made | {"id": "", "identifier": []}) for made in singly)

    def values(self, text: str = "Körpergewicht") -> list[Decimal]:
        """All values of a kind, in order."""
        found = [made["valueQuantity"]["value"] for made in self.observations() if made["code"]["text"] == text]
        return sorted(map(Decimal, found))


def weight(value: str, *, unit: str = "kg", source: str = "Waage", at: str = AT) -> str:
    """One weighing."""
    return record("BodyMass", value, at, unit=unit, source=source)


def brought(path: Path, *exports: list[str], held: Held | None = None, ledger: MemoryLedger | None = None) -> Held:
    """What is held after these exports, one after the other."""
    held, ledger = Held() if held is None else held, ledger or MemoryLedger()
    for n, lines in enumerate(exports):
        held.take(
            taken(zipped(path / "a.zip", document(*lines, exported=f"2026-11-{n + 1:02} 08:00:00 +0100")), ledger)[1]
        )
    return held


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A generated export of a week, with readings of a glucose sensor and of a finger."""
    path = tmp_path_factory.mktemp("week") / "week.zip"
    generate(path, seed=3, days=7, records=6000)
    with zipfile.ZipFile(path) as archive:
        xml = archive.read("apple_health_export/Export.xml").decode()
    glucose = [
        record("BloodGlucose", str(90 + n % 40), f"{DAY} {3 + n // 12:02}:{n % 12 * 5:02}:20 +0200", unit="mg/dL")
        for n in range(100)
    ]
    finger = record("BloodGlucose", "99", AT, unit="mg/dL", source="Tagebuch")
    return xml.replace("</HealthData>", "".join([*glucose, finger]) + "</HealthData>")


@pytest.mark.parametrize(
    "later",
    [
        pytest.param(in_other_units, id="units"),
        pytest.param(lambda xml: abroad(xml, 180), id="an hour east"),
        pytest.param(lambda xml: abroad(xml, -240), id="New York"),
        pytest.param(lambda xml: abroad(xml, 345), id="Kathmandu"),
        pytest.param(lambda xml: renamed(xml, "Jürgens Apple\u00a0Watch", "Uhr"), id="name"),
        pytest.param(lambda xml: abroad(in_other_units(xml), 570), id="units in Adelaide"),
    ],
)
def test_an_export_told_otherwise_doubles_nothing(tmp_path: Path, week: str, later: Callable[[str], str]) -> None:
    """After it there is of all vitals and traces what there was, under the ids that they had, as it says it now."""
    ledger, held = MemoryLedger(), Held()
    _, before = taken(zipped(tmp_path / "a.zip", week), ledger)
    held.take(before)
    newer = later(week)
    assert newer != week
    report, after = taken(zipped(tmp_path / "b.zip", newer), ledger)
    held.take(after)
    assert report.taken > 0
    _, alone = taken(zipped(tmp_path / "b.zip", newer))

    def ids(batches: list[Batch]) -> list[str]:
        return sorted(made["id"] for made in observations([batch for batch in batches if batch.category != "activity"]))

    assert ids(before) == ids(alone)
    fresh = Held()
    fresh.take(alone)
    assert {id_: held.resources[id_] for id_ in fresh.resources} == fresh.resources
    assert held.told() == fresh.told()


@pytest.mark.parametrize("seed", range(10))
def test_no_two_of_an_import_have_one_id(tmp_path: Path, seed: int) -> None:
    """Many sources at the same moments, in all zones: none takes the place of another."""
    lines = [
        record("BodyMass", str(50 + n), f"{DAY} 0{n % 3}:00:00 +0{n % 2}00", unit="kg", source=f"Waage {n % 5}")
        for n in range(30)
    ]
    xml = odd_export(seed, 3000).replace("</H", "".join(lines) + "</H")
    _, batches = taken(zipped(tmp_path / "a.zip", xml))
    ids = [made["id"] for batch in batches for made in map(parse, batch.resources) if made["resourceType"] != "Device"]
    assert len(set(ids)) == len(ids)
    assert len(observations(batches, "Körpergewicht")) > 30


def test_several_of_one_moment_are_all_there(tmp_path: Path) -> None:
    """Of one source and of two; the same of the same source only once."""
    lines = [weight("80"), weight("81"), weight("80"), weight("80", source="Uhr")]
    report, batches = taken(zipped(tmp_path / "a.zip", document(*lines)))
    assert [made["valueQuantity"]["value"] for made in observations(batches)] == [80, 81, 80]
    assert len({made["id"] for made in observations(batches)}) == 3
    assert (report.taken, report.duplicates) == (3, 1)


def test_pressures_of_two_cuffs_at_one_moment_are_both_there(tmp_path: Path) -> None:
    """Each with its own halves."""
    lines = [
        record(f"BloodPressure{half}", value, AT, unit="mmHg", source=source)
        for source, values in (("A", ("120", "80")), ("B", ("130", "85")))
        for half, value in zip(("Systolic", "Diastolic"), values, strict=True)
    ]
    _, batches = taken(zipped(tmp_path / "a.zip", document(*lines)))
    found = [[part["valueQuantity"]["value"] for part in made["component"]] for made in observations(batches)]
    assert found == [[120, 80], [130, 85]]
    assert len({made["id"] for made in observations(batches)}) == 2


def test_two_sources_in_one_hour_are_two_traces(tmp_path: Path) -> None:
    """A watch and a chest strap; when the strap's readings come later, the watch's stay what they were."""
    watch, strap = (
        [record("HeartRate", value, f"{DAY} 08:0{n}:00 +0200", unit="count/min", source=source) for n in range(3)]
        for source, value in (("Uhr", "60"), ("Gurt", "90"))
    )
    for first, second in ((watch, strap), (strap, watch)):
        held = brought(tmp_path, first, second + first)
        traces = [made for made in held.observations() if "valueSampledData" in made]
        assert sorted(made["valueSampledData"]["data"] for made in traces) == ["60 60 60", "90 90 90"]


def test_a_value_corrected_in_health_takes_the_place_of_the_wrong_one(tmp_path: Path) -> None:
    """She deletes it there and enters it again for the same minute; an older export does not bring it back."""
    ledger = MemoryLedger()
    held = brought(tmp_path, [weight("800")], [weight("80")], held=Held(), ledger=ledger)
    assert held.values() == [80]
    report, batches = taken(
        zipped(tmp_path / "a.zip", document(weight("800"), exported="2026-11-01 09:00:00 +0100")), ledger
    )
    assert (batches, report.left) == ([], {"older-export": 1})


@pytest.mark.parametrize(
    ("exports", "expected"),
    [
        ([["80", "81"], ["81"]], [80, 81]),
        ([["80", "81"], ["81", "82"]], [81, 82]),
        ([["80"], ["81", "80"], ["82", "81", "80"]], [80, 81, 82]),
        ([["80", "81"], ["81", "80"]], [80, 81]),
        ([["80", "81"], ["82"], ["82", "80"]], [80, 82]),
    ],
)
def test_what_comes_and_goes_at_one_moment_is_never_there_twice(
    tmp_path: Path, exports: list[list[str]], expected: list[int]
) -> None:
    """What Health still says keeps its place, what is new takes that of what is gone."""
    held = brought(tmp_path, *([weight(value) for value in values] for values in exports))
    assert held.values() == expected


@pytest.mark.parametrize("seed", range(20))
def test_whatever_exports_say_of_one_moment_each_value_is_there_once(tmp_path: Path, seed: int) -> None:
    """All that the last one says, and nothing twice, in whatever order."""
    random = Random(seed)
    ledger, held = MemoryLedger(), Held()
    for n in range(8):
        values = random.sample(range(70, 76), random.randrange(1, 5))
        lines = [weight(str(value), source="AB"[value % 2]) for value in values]
        path = zipped(tmp_path / "a.zip", document(*lines, exported=f"2026-11-0{n + 1} 08:00:00 +0100"))
        held.take(taken(path, ledger)[1])
        assert len(set(held.values())) == len(held.values())
        assert set(values) <= set(held.values())


@pytest.mark.parametrize("seed", range(10))
def test_growing_exports_told_in_turn_otherwise_hold_what_the_last_says(tmp_path: Path, seed: int) -> None:
    """Many sources that measure at once; each export with more, in other order and units, another zone and names."""
    random = Random(seed)
    lines = [
        record(
            kind, str(random.randrange(40, 90)), f"{DAY} {at:02}:{random.randrange(3)}0:00 +0200", unit=unit, source=who
        )
        for kind, unit in (("BodyMass", "kg"), ("HeartRate", "count/min"), ("BloodPressureSystolic", "mmHg"))
        for at in random.choices(range(24), k=60)
        for who in random.sample(["Waage", "Uhr", "Ring"], 2)
    ]
    lines += [line.replace("Systolic", "Diastolic") for line in lines if "Systolic" in line]
    random.shuffle(lines)
    ledger, held = MemoryLedger(), Held()
    for n in range(5):
        part = random.sample(lines[: 80 * (n + 1)], min(80 * (n + 1), len(lines)))
        xml = document(*part, exported=f"2026-11-0{n + 1} 08:00:00 +0100")
        xml = renamed(abroad(xml, random.choice((60, 120, 345, -210))), "Uhr", random.choice(("Uhr", "Meine Uhr")))
        path = zipped(tmp_path / "a.zip", random.choice((str, in_other_units))(xml))
        held.take(taken(path, ledger)[1])
        fresh = Held()
        fresh.take(taken(path)[1])
        assert held.said() == fresh.said()


def test_what_was_deleted_stays_so_in_other_units_and_zones(tmp_path: Path) -> None:
    """One of two of a moment, and the resting heart rate of a day."""
    resting = record("RestingHeartRate", "55", AT, unit="count/min", device=WATCH)
    xml = document(weight("80"), weight("81"), weight("82", at=f"{DAY} 09:00:00 +0200"), resting)
    ledger, held = MemoryLedger(), Held()
    held.take(taken(zipped(tmp_path / "a.zip", xml), ledger)[1])
    for made in held.observations():
        if made["valueQuantity"]["value"] in {80, 55}:
            held.forget(made["id"])
            ledger.add(deletions(made["id"], dump(made)))
    for later in (xml, in_other_units(xml), abroad(xml, 540)):
        report, batches = taken(zipped(tmp_path / "a.zip", later.replace("2026-10-31", "2026-11-01")), ledger)
        held.take(batches)
        assert report.left["deleted"] == 2
        assert held.values() == [81, 82]
        assert not held.values("Ruheherzfrequenz")


@pytest.mark.parametrize("more", [["81", "80"], ["80", "81"], ["81", "80", "82"]])
def test_what_was_deleted_stays_so_when_more_of_its_moment_comes(tmp_path: Path, more: list[str]) -> None:
    """The new ones are taken, wherever Health lists them; the deleted one goes to none of their places."""
    ledger = MemoryLedger()
    held = brought(tmp_path, [weight("80", source="B")], ledger=ledger)
    (gone,) = held.observations()
    held.forget(gone["id"])
    ledger.add(deletions(gone["id"], dump(gone)))
    for _ in range(2):
        held = brought(
            tmp_path, [weight(value, source="AB"[value == "80"]) for value in more], held=held, ledger=ledger
        )
        assert held.values() == [int(value) for value in sorted(more) if value != "80"]


def test_what_another_device_brought_is_left_where_it_was_deleted_here(tmp_path: Path) -> None:
    """The second and third of a moment, too; the ledger of this device knows of the moment nothing else."""
    lines = [weight(str(value)) for value in (80, 81, 82, 83)]
    elsewhere = brought(tmp_path, lines)
    ledger = MemoryLedger()
    for made in elsewhere.observations()[1:3]:
        ledger.add(deletions(made["id"], dump(made)))
    assert brought(tmp_path, lines, ledger=ledger).values() == [80, 83]


def test_many_of_one_moment_take_no_longer_than_many_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is looked at a few times, however many others there are, also where none is told as it was."""
    asked: Counter[bytes] = Counter()

    def counted(resource: bytes, key: bytes = b"") -> bytes:
        asked[resource] += 1
        return content(resource, key)

    monkeypatch.setattr(coincident, "content", counted)
    xml = document(*(weight(f"{50 + n / 10}") for n in range(300)))
    ledger, held = MemoryLedger(), Held()
    for later in (xml, in_other_units(xml).replace("2026-10-31", "2026-11-01")):
        held.take(taken(zipped(tmp_path / "a.zip", later), ledger)[1])
    assert len(held.values()) == 300
    assert asked.total() < 5 * 300


@pytest.mark.parametrize("name", ["Uhr", "Watch", "Meine", "Neu"])
@pytest.mark.parametrize("gone", ["60 60 60", "90 90 90"])
def test_of_two_sources_in_an_hour_the_same_stays_deleted_when_the_watch_is_renamed(
    tmp_path: Path, name: str, gone: str
) -> None:
    """And all is told in another zone at that, so that nothing is there as it was."""
    lines = [
        record("HeartRate", value, f"{DAY} 08:0{n}:00 +0200", unit="count/min", source=source, device=device)
        for n in range(3)
        for source, value, device in (("Jürgens Uhr", "60", WATCH), ("Gurt", "90", ""))
    ]
    ledger = MemoryLedger()
    held = brought(tmp_path, lines, ledger=ledger)
    (deleted,) = [made for made in held.observations() if made.get("valueSampledData", {}).get("data") == gone]
    held.forget(deleted["id"])
    ledger.add(deletions(deleted["id"], dump(deleted)))
    later = [renamed(abroad(line, 540), "Jürgens Uhr", name) for line in lines]
    brought(tmp_path, lines, later, held=held, ledger=ledger)
    (left,) = [made["valueSampledData"]["data"] for made in held.observations() if "valueSampledData" in made]
    assert {gone, left} == {"60 60 60", "90 90 90"}


@pytest.mark.parametrize("more", ["Ring", "App", "Uhr", "Band"])
@pytest.mark.parametrize("gone", ["90", "60"])
def test_a_deleted_trace_stays_so_when_another_device_measured_in_its_hour(
    tmp_path: Path, more: str, gone: str
) -> None:
    """That comes later, and all is told in another zone: a device is known by what it measured then."""

    def measured(source: str, value: str) -> list[str]:
        at = (f"{DAY} 08:0{n}:00 +0200" for n in range(3))
        return [record("HeartRate", value, each, unit="count/min", source=source) for each in at]

    ledger, held = MemoryLedger(), Held()
    first = [*measured("Gurt", "90"), *measured("Brust", "60")]
    brought(tmp_path, first, held=held, ledger=ledger)
    data = f"{gone} {gone} {gone}"
    (deleted,) = [made for made in held.observations() if made.get("valueSampledData", {}).get("data") == data]
    held.forget(deleted["id"])
    ledger.add(deletions(deleted["id"], dump(deleted)))
    later = [abroad(line, 540) for line in [*measured(more, "70"), *first]]
    brought(tmp_path, first, later, held=held, ledger=ledger)
    traces = [made["valueSampledData"]["data"] for made in held.observations() if "valueSampledData" in made]
    assert sorted([*traces, data]) == ["60 60 60", "70 70 70", "90 90 90"]
