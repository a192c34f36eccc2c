"""The made-up export is repeatable and holds every trap it promises."""

import re
import zipfile
from itertools import pairwise
from pathlib import Path

from connectors.wearables.generator import generate


def text(path: Path) -> str:
    """The export's XML."""
    with zipfile.ZipFile(path) as archive:
        return archive.read("apple_health_export/Export.xml").decode()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """And another seed another export."""
    paths = [tmp_path / name for name in "abc"]
    for path, seed in zip(paths, (5, 5, 6), strict=True):
        generate(path, seed=seed, days=2, records=500)
    contents = [path.read_bytes() for path in paths]
    assert contents[0] == contents[1] != contents[2]


def test_it_has_about_as_many_records_as_asked(tmp_path: Path) -> None:
    """And says how many."""
    count = generate(tmp_path / "a.zip", days=10, records=20_000)
    assert count == text(tmp_path / "a.zip").count("<Record ")
    assert abs(count - 20_000) < 2_000


def test_every_trap_is_in_it(month: Path) -> None:
    """What real exports trip over."""
    xml = text(month)
    assert "CDATA #IMPLIED\n<!ELEMENT" in xml  # the DOCTYPE of iOS 16
    assert "\x0b" in xml
    assert len(set(re.findall(r"HKDevice: (0x[0-9a-f]+)", xml))) > 1000
    assert 'unit="lb"' in xml
    assert 'unit="mmol&lt;180.1558800000541&gt;/L"' in xml
    assert re.search(r'OxygenSaturation"[^>]*value="0\.9', xml)
    assert {"+0100", "+0200"} == set(re.findall(r'startDate="[0-9: -]+ ([+-]\d{4})"', xml))
    assert 'startDate="2026-10-25' in xml
    assert "<Correlation " in xml
    assert "<WorkoutRoute " in xml
    assert "HKDataTypeOfTomorrow" in xml
    lines = xml.splitlines()
    assert any(first == second for first, second in pairwise(lines) if "<Record" in first)
    with zipfile.ZipFile(month) as archive:
        names = archive.namelist()
    assert sum("electrocardiograms" in name for name in names) == 2
    assert any("workout-routes" in name for name in names)
