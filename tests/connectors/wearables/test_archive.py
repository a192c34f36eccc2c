"""Which files count as an export, and which are refused with a sentence."""

import io
import zipfile
from pathlib import Path

import pytest

from connectors.wearables import APPLE_HEALTH, detect
from connectors.wearables.apple_health import Export
from connectors.wearables.archive import CHUNK, RATIO_APPLIES_FROM, Archive, Limits
from fhir_profiles.problems import Problem
from tests.connectors.wearables.exports import document, record, records, zipped

WEIGHT = record("BodyMass", "80.5", "2026-10-01 07:00:00 +0200", unit="kg")


@pytest.mark.parametrize(
    "name",
    [
        "export.xml",
        "apple_health_export/Export.xml",
        "Apple Health/exportieren.xml",
        "a/b/exportação.xml",
        "EXPORT.XML",
    ],
)
def test_the_export_is_found_under_any_name_in_any_folder(tmp_path: Path, name: str) -> None:
    """Apple translates names; the beginning of the file tells."""
    path = zipped(tmp_path / "a.zip", document(WEIGHT), name, **{"x/export_cda.xml": "<ClinicalDocument/>"})
    assert detect(path) == APPLE_HEALTH
    with Export(path) as export:
        assert [found.value for found in records(export)] == ["80.5"]


def test_the_bare_xml_is_an_export_too(tmp_path: Path) -> None:
    """Some unpack it first."""
    path = tmp_path / "export.xml"
    path.write_text(document(WEIGHT), encoding="utf-8")
    with Export(path) as export:
        assert len(list(records(export))) == 1


def test_leftovers_of_a_mac_are_no_export(tmp_path: Path) -> None:
    """A shadow file does not take the place of the export."""
    path = zipped(tmp_path / "a.zip", document(), "__MACOSX/export.xml", **{"x/export.xml": document(WEIGHT)})
    with Export(path) as export:
        assert len(list(records(export))) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not-supported"),
        (b'{"resourceType": "Patient"}', "not-supported"),
        (b"%PDF-1.7", "not-supported"),
        (b"PK\x03\x04 not a zip at all", "invalid"),
        (b"<?xml version='1.0'?><gpx/>", "not-supported"),
    ],
    ids=["empty", "json", "pdf", "half a zip", "other xml"],
)
def test_what_is_no_export_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    """A clear problem, never a traceback, never an empty success."""
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(Problem) as caught:
        Export(path)
    assert caught.value.code == code


def test_a_file_that_cannot_be_opened_is_a_problem(tmp_path: Path) -> None:
    """Missing, for one."""
    for opening in (detect, Export):
        with pytest.raises(Problem):
            opening(tmp_path / "missing.zip")


def test_a_zip_without_an_export_is_refused(tmp_path: Path) -> None:
    """The clinical document beside it is not the export."""
    path = zipped(tmp_path / "a.zip", "<ClinicalDocument/>", "export_cda.xml")
    with pytest.raises(Problem, match="no Apple Health export"):
        Export(path)


def test_a_zip_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """No cut is read as a shorter export."""
    whole = zipped(tmp_path / "a.zip", document(*[WEIGHT] * 200)).read_bytes()
    path = tmp_path / "cut.zip"
    for length in range(2, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(Problem), Export(path) as export:
            list(records(export))


def test_a_zip_with_a_wrong_byte_is_refused(tmp_path: Path) -> None:
    """The checksum is looked at."""
    path = zipped(tmp_path / "a.zip", document(*[WEIGHT] * 200))
    content = bytearray(path.read_bytes())
    content[content.find(b"export.xml") + 60] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(Problem), Export(path) as export:
        list(records(export))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    """Its flag is enough; nobody is asked for a password."""
    path = zipped(tmp_path / "a.zip", document(WEIGHT))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(Problem, match="encrypted"):
        Export(path)


def test_a_zip_bomb_stops_at_its_ratio(tmp_path: Path) -> None:
    """Long before it is unpacked, and whatever sizes it states."""
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive,
        archive.open("export.xml", "w", force_zip64=True) as file,
    ):
        file.write(b"<HealthData>")
        for _ in range(RATIO_APPLIES_FROM // CHUNK + 40):
            file.write(bytes(CHUNK).replace(b"\0", b" "))
    unpacked = 0

    def unpack(opened: Archive) -> None:
        nonlocal unpacked
        for chunk in opened.export():
            unpacked += len(chunk)

    with Archive(path, Limits()) as opened, pytest.raises(Problem) as caught:
        unpack(opened)
    assert caught.value.code == "too-large"
    assert unpacked <= RATIO_APPLIES_FROM + CHUNK


def test_an_export_over_the_limit_is_refused(tmp_path: Path) -> None:
    """The limit counts bytes that came out, zip or not."""
    xml = document(*[WEIGHT] * 200)
    bare = tmp_path / "export.xml"
    bare.write_text(xml, encoding="utf-8")
    for path in (zipped(tmp_path / "a.zip", xml), bare):
        with pytest.raises(Problem) as caught, Export(path, Limits(xml_bytes=5_000)) as export:
            list(records(export))
        assert caught.value.code == "too-large"


def test_a_zip_of_too_many_files_is_refused(tmp_path: Path) -> None:
    """Each entry costs memory."""
    path = zipped(tmp_path / "a.zip", document(WEIGHT), **{f"route_{number}.gpx": "" for number in range(20)})
    with pytest.raises(Problem, match="more files"):
        Export(path, Limits(files=10))


def test_zip64_is_read(tmp_path: Path) -> None:
    """Exports of more than 4 GB come so."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, archive.open("export.xml", "w", force_zip64=True) as file:
        file.write(document(WEIGHT).encode())
    assert b"\x01\x00\x10\x00" in path.read_bytes()[:80]
    with Export(path) as export:
        assert len(list(records(export))) == 1


def test_the_stream_is_read_no_further_than_asked(tmp_path: Path) -> None:
    """Memory does not grow with the file: a first record needs a first chunk, not the end."""
    buffer = io.StringIO()
    for number in range(40_000):
        buffer.write(record("StepCount", str(number), "2026-10-01 07:00:00 +0200", unit="count"))
    path = tmp_path / "export.xml"
    path.write_text(document(buffer.getvalue()), encoding="utf-8")
    positions: list[int] = []
    with Export(path) as export:
        found = records(export, positions)
        assert next(found).value == "0"
        assert sum(1 for _ in zip(found, range(3 * CHUNK // 200), strict=False))
        assert positions[-1] <= 5 * CHUNK < export.xml_bytes
