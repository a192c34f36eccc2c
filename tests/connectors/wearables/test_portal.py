"""The portal's importer gives what this one gives: the same batches to the byte, the same report, the same refusals."""

import json
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.wearables.archive import Limits
from connectors.wearables.generator import _ENGLISH, _GERMAN
from connectors.wearables.importer import Batch, Report, read
from connectors.wearables.ledger import Mark, MemoryLedger
from fhir_profiles.problems import Problem
from tests.connectors.wearables.broken_exports import BYTES, DOCUMENTS, PROLOGS, WHOLE, spliced
from tests.connectors.wearables.exports import PATIENT, document, zipped
from tests.connectors.wearables.odd_exports import odd_export

BODY = WHOLE.partition("?>")[2]
PROGRAM = Path(__file__).with_name("portal.mjs")
Answer = dict[str, Any]


class Portal:
    """The portal's importer, running in Node.js."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def imported(self, path: Path, known: list[Mark] | None = None, **options: Any) -> Answer:
        """What it makes of a file."""
        marks = [_mark(mark) for mark in known or []]
        request = {"path": str(path), "patient": PATIENT, "known": marks} | options
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.fixture(scope="module")
def portal() -> Iterator[Portal]:
    """One process for all tests here."""
    command = ["node", "--no-warnings", str(PROGRAM)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Portal(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


def expected(path: Path, known: list[Mark] | None = None, limits: Limits | None = None) -> Answer:
    """What Python makes of it."""
    report, ledger = Report(), MemoryLedger()
    ledger.add(known or [])
    batches: list[Batch] = []
    try:
        for batch in read(path, PATIENT, report=report, ledger=ledger, limits=limits):
            ledger.add(batch.marks)
            batches.append(batch)
    except Problem as problem:
        return {"refused": problem.code}
    return answer(report, batches)


def answer(report: Report, batches: list[Batch]) -> Answer:
    """In the words of the other program."""
    return {
        "batches": [
            {
                "category": batch.category,
                "key": batch.key,
                "resources": [resource.decode() for resource in batch.resources],
                "marks": [_mark(mark) for mark in batch.marks],
            }
            for batch in batches
        ],
        "report": report.json(),
    }


def _mark(mark: Mark) -> list[Any]:
    return [mark.key.hex(), mark.content.hex(), mark.at]


def same(found: Answer, wanted: Answer) -> None:
    """Equal, told at the first difference."""
    found.pop("detail", None)
    if "report" in found:
        found["report"]["left"] = dict(sorted(found["report"]["left"].items()))
    for one, other in zip(found.get("batches", []), wanted.get("batches", []), strict=False):
        for line, right in zip(one["resources"], other["resources"], strict=False):
            assert line == right
        assert one == other
    assert found == wanted


def test_the_month_comes_out_the_same(portal, month, imported):
    """A hundred thousand records with all their traps, ECGs too: batch by batch, mark by mark."""
    report, batches = imported
    same(portal.imported(month), answer(report, batches))


@pytest.mark.parametrize("seed", range(12))
def test_odd_exports_come_out_the_same(portal, tmp_path, seed):
    """Every type and unit, numbers and times as nobody should write them; much of it twice."""
    path = zipped(tmp_path / "a.zip", odd_export(seed))
    found, wanted = portal.imported(path), expected(path)
    same(found, wanted)
    assert len(wanted["batches"]) > 3


@pytest.mark.parametrize(
    "documents",
    [
        [text.encode() for text in DOCUMENTS],
        [(prolog + BODY).encode() for prolog in PROLOGS],
        [BODY.encode().replace(b"<Me", noise + b"<Me") for noise in BYTES],
        list(spliced(1, 300)),
    ],
    ids=["documents", "prologs", "bytes", "spliced"],
)
def test_broken_exports_are_refused_or_taken_alike(portal, tmp_path, documents):
    """The parser is as strict as expat, and no stricter."""
    path = tmp_path / "export.xml"
    verdicts = set()
    for data in documents:
        path.write_bytes(data)
        wanted = expected(path)
        verdicts.add(wanted.get("refused"))
        same(portal.imported(path), wanted)
    assert verdicts >= {None, "invalid"}


def zips(folder: Path) -> Iterator[Path]:
    """Zips of every kind that may come, and of some that may not."""
    xml = odd_export(1, 60)
    ecgs = {"e/2.csv": _GERMAN + "1,5\n-2\n", "e/1.CSV": _ENGLISH + "1.5\n-2\n", "e/3.csv": "x,y\n", "e/4.csv": _GERMAN}
    yield zipped(folder / "whole.zip", xml, **ecgs, **{"e/5.csv": _ENGLISH + "1.5\n-2\n"})
    path = folder / "stored.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Gerät/exportación.xml", xml)
        archive.writestr("e/1.csv", _GERMAN + "1,5\n-2\n")
    yield path
    path = folder / "large.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.comment = b"PK\x05\x06" + b"x" * 300
        archive.mkdir("apple_health_export")
        with archive.open("__MACOSX/export.xml", "w") as file:
            file.write(b"<HealthData/>")
        with archive.open("apple_health_export/b.xml", "w", force_zip64=True) as file:
            file.write(xml.encode())
        archive.writestr("apple_health_export/\U0001f4f1.xml", "<HealthData/>")
        archive.writestr("a/b/c.xml", "<HealthData/>")
        archive.writestr("\uff21.xml", "<ClinicalDocument/>")
    yield path
    whole = (folder / "whole.zip").read_bytes()
    changes = {
        "moved": b"#!/bin/sh\n" + whole,
        "encrypted": whole[:6] + b"\1" + whole[7:].replace(b"PK\1\2\x14\3\x14\0\0", b"PK\1\2\x14\3\x14\0\1"),
        "renamed": whole.replace(b"export.xml", b"xxport.xml", 1),
        "packed otherwise": whole.replace(b"PK\1\2\x14\3\x14\0\0\0\x08", b"PK\1\2\x14\3\x14\0\0\0\x0c"),
        "too new": whole.replace(b"PK\1\2\x14\3\x14", b"PK\1\2\x14\3\x7f"),
        "with more behind it": whole + b"more",
    }
    with_end_moved = bytearray((folder / "stored.zip").read_bytes())
    with_end_moved[with_end_moved.rindex(b"PK\5\6") + 16] ^= 1
    changes["another offset"] = bytes(with_end_moved)
    for name, data in changes.items():
        path = folder / f"{name}.zip"
        path.write_bytes(data)
        yield path
    for number, at in enumerate(range(0, len(whole), 61)):
        path = folder / f"flipped-{number}.zip"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        yield path
        path = folder / f"cut-{number}.zip"
        path.write_bytes(whole[:at])
        yield path


def test_zips_of_every_kind_are_read_or_refused_alike(portal, tmp_path):
    """Stored and deflated, Zip64, names in any script, moved, commented; cut and flipped at many places."""
    verdicts = Counter()
    for path in zips(tmp_path):
        wanted = expected(path)
        verdicts[wanted.get("refused")] += 1
        same(portal.imported(path), wanted)
    assert verdicts[None] >= 4
    assert verdicts["invalid"] > 30
