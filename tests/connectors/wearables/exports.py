"""Small exports of Apple Health for tests, and one big generated one."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import quoteattr

from connectors.wearables.apple_health import Export, Reader, Record
from connectors.wearables.importer import Batch, Report, read
from connectors.wearables.ledger import Ledger, MemoryLedger
from fhir_profiles.resources import parse

PATIENT = "p-7f3k"
DAY = "2026-10-01"
_SAID = "<<HKDevice: 0x{}>, name:{}, manufacturer:Apple Inc., model:{}, hardware:{}, software:{}>"
WATCH = _SAID.format("282a45810", "Apple Watch", "Watch", "Watch6,2", "11.1")
PHONE = _SAID.format("281d0e4b0", "iPhone", "iPhone", "iPhone14,2", "18.1")


def record(
    kind: str,
    value: str,
    start: str,
    end: str = "",
    *,
    unit: str = "",
    source: str = "Jürgens Apple Watch",
    device: str = "",
    inner: str = "",
) -> str:
    """One Record; `kind` may leave out `HKQuantityTypeIdentifier`."""
    full = kind if kind.startswith("HK") else f"HKQuantityTypeIdentifier{kind}"
    parts = f" device={quoteattr(device)}" if device else ""
    parts += f" unit={quoteattr(unit)}" if unit else ""
    return (
        f"<Record type={quoteattr(full)} sourceName={quoteattr(source)}{parts}"
        f' startDate="{start}" endDate="{end or start}" value={quoteattr(value)}>{inner}</Record>\n'
    )


def steps(value: int, start: str, end: str, device: str = WATCH, zone: str = "+0200") -> str:
    """Steps of a stretch of DAY."""
    source = "Uhr" if device == WATCH else "Telefon"
    return record(
        "StepCount",
        str(value),
        f"{DAY} {start} {zone}",
        f"{DAY} {end} {zone}",
        unit="count",
        source=source,
        device=device,
    )


def records(export: Export, positions: list[int] | None = None) -> Iterator[Record]:
    """What an export holds; `positions` is told how far it has been read."""
    chunks = export.chunks(None if positions is None else positions.append)
    return (record for found in Reader().records(chunks) for record in found)


def document(*lines: str, doctype: str = "", exported: str = "2026-10-31 21:30:00 +0100") -> str:
    """A whole export.xml."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}<HealthData locale="de_DE">\n'
        f'<ExportDate value="{exported}"/>\n{"".join(lines)}</HealthData>\n'
    )


def zipped(path: Path, xml: str | bytes, name: str = "apple_health_export/export.xml", **more: str) -> Path:
    """A zip with the export, and further files by name."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, xml)
        for other, text in more.items():
            archive.writestr(other, text)
    return path


def taken(path: Path, ledger: Ledger | None = None) -> tuple[Report, list[Batch]]:
    """Import all of a file into a ledger."""
    report, known = Report(), ledger or MemoryLedger()
    batches = []
    for batch in read(path, PATIENT, report=report, ledger=known):
        known.add(batch.marks)
        batches.append(batch)
    adds_up(report)
    return report, batches


def adds_up(report: Report) -> None:
    """read = taken + left + duplicates."""
    assert report.read == report.taken + sum(report.left.values()) + report.duplicates


def observations(batches: list[Batch], text: str = "") -> list[dict]:
    """The Observations of all batches, or those whose code has this text."""
    made = [parse(resource) for batch in batches for resource in batch.resources]
    return [
        each for each in made if each["resourceType"] == "Observation" and (not text or each["code"]["text"] == text)
    ]


def one(path: Path, *lines: str, text: str = "", **kwargs: str) -> dict:
    """The only Observation of an export of these lines."""
    _, batches = taken(zipped(path / "one.zip", document(*lines, **kwargs)))
    (found,) = observations(batches, text)
    return found
