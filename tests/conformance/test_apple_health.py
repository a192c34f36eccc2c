"""Apple exports that others published, where they are at hand."""

import shutil
from pathlib import Path

import pytest

from connectors.wearables.importer import Report, read
from fhir_profiles.resources import check, model, parse

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "apple-health"
EXPORTS = sorted(path for path in DATA.rglob("*.xml")) if DATA.is_dir() else []


def test_every_published_export_becomes_r4_and_adds_up(tmp_path: Path) -> None:
    """As bare XML and in its zip; nothing is lost without a reason."""
    for number, path in enumerate(EXPORTS):
        root = path.parent.parent if path.parent.name == "apple_health_export" else path.parent
        packed = Path(shutil.make_archive(str(tmp_path / f"export{number}"), "zip", root))
        for file in (path, packed):
            report = Report()
            made = [parse(each) for batch in read(file, "p-1", report=report) for each in batch.resources]
            assert report.read == report.taken + sum(report.left.values()) + report.duplicates > 0
            for resource in made:
                check(resource)
                model(resource)


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.parent.name)
def test_a_known_export_gives_the_readings_in_it(path: Path) -> None:
    """One BMI of a scale and one heart rate of a watch, in California."""
    made = [parse(each) for batch in read(path, "p-1", report=Report()) for each in batch.resources]
    values = {
        each["code"]["text"]: each
        for each in made
        if each["resourceType"] == "Observation"
        and each["code"]["text"] in {"Body-Mass-Index", "Herzfrequenz je Minute"}
    }
    assert str(values["Body-Mass-Index"]["valueQuantity"]["value"]) == "22.5312"
    assert values["Herzfrequenz je Minute"]["valueSampledData"]["data"] == "72"
    assert values["Herzfrequenz je Minute"]["effectivePeriod"]["start"] == "2018-09-10T02:28:00-07:00"
