"""The portal's importer gives what this one gives: the same batches to the byte, the same report, the same refusals."""

import json
import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.wearables.archive import RATIO_APPLIES_FROM, Limits
from connectors.wearables.generator import _ENGLISH, _GERMAN, DOCTYPE, generate
from connectors.wearables.importer import Batch, Report, read
from connectors.wearables.ledger import Mark, MemoryLedger, deletions
from fhir_profiles.problems import Problem
from tests.browser import import_in_chromium as in_chromium
from tests.connectors.wearables.broken_exports import BYTES, DOCUMENTS, PROLOGS, WHOLE, spliced
from tests.connectors.wearables.exports import DAY, PATIENT, document, record, taken, zipped
from tests.connectors.wearables.odd_exports import odd_export
from tests.connectors.wearables.retold import abroad, in_other_units, renamed
from tests.connectors.wearables.test_glucose import fingers, reading, sensed

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
def portal(node: str) -> Iterator[Portal]:
    """One process for all tests here."""
    command = [node, "--no-warnings", str(PROGRAM)]
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


@pytest.mark.parametrize("piece", [1, 2, 7, 61])
def test_chunks_may_end_anywhere(portal, tmp_path, piece):
    """In a tag, in a reference, in a letter of several bytes, in the DOCTYPE: the same comes out."""
    path = tmp_path / "a.zip"
    documents = [DOCTYPE + BODY, odd_export(2, 20), *(PROLOGS[number] + BODY for number in (1, 8, 20, 21, 25))]
    for text in (*documents, *(data.decode("utf-8", "surrogateescape") for data in spliced(2, 30))):
        zipped(path, text.encode("utf-8", "surrogateescape"))
        same(portal.imported(path, piece=piece), expected(path))


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
    # Not in the last byte of a packed file: Python's reader stops once it has as many bytes, with the right checksum.
    for number, at in enumerate(range(0, len(whole), 59)):
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


@pytest.mark.parametrize("seed", range(2))
def test_what_is_known_is_left_alike(portal, tmp_path, seed):
    """After an import that was cut off, after an older or a newer export of other records, and what was deleted."""
    path = zipped(tmp_path / "a.zip", odd_export(seed, 100))
    brought = expected(path)
    marks = [Mark(*(bytes.fromhex(text) for text in mark[:2]), mark[2]) for mark in _marks(brought)]
    lines = [line for batch in brought["batches"] for line in batch["resources"]]
    gone = [mark for line in lines[::3] for mark in deletions(json.loads(line)["id"], line.encode())]
    other = zipped(tmp_path / "b.zip", odd_export(seed, 150))
    assert expected(path, gone)["report"]["left"]["deleted"] > 10
    for known in (marks, marks[::2], [mark._replace(content=bytes(16)) for mark in marks], gone, marks + gone):
        for older in (-1, 1):
            moved = [mark._replace(at=mark.at + older) for mark in known]
            for file in (path, other):
                same(portal.imported(file, moved), expected(file, moved))


@pytest.mark.parametrize("seed", range(2))
def test_what_is_told_otherwise_takes_its_place_alike(portal, tmp_path, seed):
    """In other units, in another zone, under another name; several of one moment, in another order and one less."""
    lines = [
        record("BodyMass", str(60 + n), f"{DAY} 0{n % 3}:00:00 +0200", unit="kg", source=f"Waage {n % 2}")
        for n in range(12)
    ]
    rest = odd_export(seed, 300)
    first = rest.replace("</H", "".join(lines) + "</H")
    path = zipped(tmp_path / "a.zip", first)
    known = [Mark(*(bytes.fromhex(text) for text in mark[:2]), mark[2]) for mark in _marks(expected(path))]
    again = [first, rest.replace("</H", "".join(lines[:0:-1]) + "</H")]
    for later in (*again, in_other_units(first), abroad(first, 345), renamed(first, "Telefon", "Handy")):
        zipped(path, later)
        for half in (
            known,
            known[::2],
            [mark._replace(content=b"-" + mark.content) for mark in known[::2]] + known[1::2],
        ):
            same(portal.imported(path, half), expected(path, half))


@pytest.mark.parametrize("kept", [1, 20, 100])
def test_glucose_stays_as_it_went_out_alike(portal, tmp_path, kept):
    """A sensor's first readings, its whole day, and that day among finger readings; two of them in one minute."""
    others = [reading(999 + n, f"{DAY} 0{n}:10:20", source="Tagebuch") for n in range(3)]
    exports = (
        sensed(kept),
        [*sensed(280), reading(250, f"{DAY} 00:00:30"), *others],
        [*others, *sensed(kept), *fingers(30)],
    )
    paths = [zipped(tmp_path / f"{n}.zip", document(*lines)) for n, lines in enumerate(exports)]
    for first in paths:
        known = [Mark(*(bytes.fromhex(text) for text in mark[:2]), mark[2]) for mark in _marks(expected(first))]
        for half in (known, known[::2], [mark._replace(content=b"-" + mark.content) for mark in known]):
            for path in paths:
                same(portal.imported(path, half), expected(path, half))


@pytest.mark.parametrize("seed", range(3))
def test_days_that_move_with_the_zone_are_taken_back_alike(portal, tmp_path, seed):
    """And told again at home; after an older export, too, and without some of the marks."""
    random = Random(seed)
    begun = [f"2026-10-{random.randrange(1, 6):02} {random.randrange(24):02}:10:00 +0200" for _ in range(8)]
    lines = [record(*random.choice((("StepCount", "5"), ("HeartRate", "70"))), at, unit="count") for at in begun]
    lines = [line.replace("count", "count/min") if "Heart" in line else line for line in lines]
    lines += [record("RestingHeartRate", "60", at, unit="count/min") for at in begun[:4]]
    known: list[Mark] = []
    emptied = 0
    for n, zone in enumerate((120, -480, 120, 840, -720, 120)):
        made = document(*lines, exported=f"2026-11-0{n + 1 - 2 * (n == 4)} 08:00:00 +0100")
        path = zipped(tmp_path / "a.zip", abroad(made, zone))
        for half in (known[::2], known):
            wanted = expected(path, half)
            same(portal.imported(path, half), wanted)
        emptied += sum(not batch["resources"] for batch in wanted["batches"])
        known += [Mark(*(bytes.fromhex(text) for text in mark[:2]), mark[2]) for mark in _marks(wanted)]
    assert emptied > 0


def _marks(found: Answer) -> list[list[Any]]:
    return [mark for batch in found["batches"] for mark in batch["marks"]]


def test_what_does_not_fit_into_memory_waits_packed(portal, tmp_path):
    """With room for nothing, whatever is gathered is packed, and comes back by day in order."""
    path = zipped(tmp_path / "a.zip", odd_export(5, 3000))
    same(portal.imported(path, budget=1, settle=500), expected(path))


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"xmlBytes": 20_000}, Limits(xml_bytes=20_000)),
        ({"files": 2}, Limits(files=2)),
        ({"files": 3}, Limits(files=3)),
        ({"ecgBytes": 100}, Limits(ecg_bytes=100)),
    ],
    ids=["xml", "too many files", "as many files as may be", "ecg"],
)
def test_limits_are_kept_alike(portal, tmp_path, theirs, ours):
    """Whether the file is refused, or a part of it left."""
    path = zipped(tmp_path / "a.zip", odd_export(1, 100), **{"a.csv": _ENGLISH + "1\n" * 99, "b.csv": "1\n"})
    limits = {"xmlBytes": 1 << 36, "ratio": 250, "files": 200_000, "ecgBytes": 8 << 20}
    same(portal.imported(path, limits=limits | theirs), expected(path, limits=ours))


def test_a_zip_bomb_stops_at_its_ratio(portal, tmp_path):
    """Long before it is unpacked."""
    path = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("export.xml", "w", force_zip64=True) as file,
    ):
        file.write(b"<HealthData>")
        for _ in range((RATIO_APPLIES_FROM >> 20) + 10):
            file.write(b" " * (1 << 20))
    found = portal.imported(path)
    assert (found["refused"], found["detail"]) == ("too-large", "The zip unpacks to far more than an export does.")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("512 hertz", "viele hertz"),
        ("512 hertz", "0 hertz"),
        ("512 hertz", "10 HZ"),
        ("512 hertz", "3,3\u00a0Hz"),
        ("512 hertz", "0.000001hz"),
        ("2026-10-19 19:40:02 +0200", "gestern"),
        ("µV", "furlong"),
        ("µV", "mV"),
        ("Lead I", "Lead II"),
        ("Lead I", "Lead IX"),
        ("1.5", "1.5.5"),
        ("1.5", '"+1,50"'),
        ("Unit", "Einheit"),
        ("Recorded Date", '"\ufeffRecorded Date"'),
        ("Sample Rate", "ABTASTRATE"),
        ("Atrial Fibrillation", 'Vor""hof, "flimmern"\u202f'),
        ("Atrial Fibrillation", '"Vor""hof, flimmern" ja'),
        ("Atrial Fibrillation", "x" * 200_000),
        ("Atrial Fibrillation", ""),
        ('"Watch6,2"', "Watch6,2"),
        ("\n", "\r\n"),
        ("\n", "\u2028"),
        ("Name", "\ufeffName"),
    ],
)
def test_tables_of_an_ecg_are_read_alike(portal, tmp_path, old, new):
    """In the words of the watch, or not at all."""
    table = (_ENGLISH + "1.5\n-2\n7\n").replace(old, new)
    path = zipped(tmp_path / "a.zip", document(), **{"ecg.csv": table})
    wanted = expected(path)
    assert wanted["report"]["read"] == 1
    same(portal.imported(path), wanted)


def test_the_month_comes_out_the_same_in_a_browser(browser, month, imported, tmp_path):
    """The portal's own script as a worker in Chromium, under the portal's policy; and a refusal is told as one."""
    broken = tmp_path / "broken.zip"
    broken.write_bytes(month.read_bytes()[:-1000])
    export = tmp_path / "export.zip"
    export.symlink_to(month)
    report, batches = imported
    with in_chromium.opened(browser, export, broken) as page:
        found = in_chromium.imported(page, export, PATIENT)
        refused = in_chromium.imported(page, broken, PATIENT)
    assert found["report"] | {"left": dict(sorted(found["report"]["left"].items()))} == report.json()
    assert found["digest"] == in_chromium.digest(batches)
    assert all(0 < position <= size == month.stat().st_size for position, size, _ in found["progress"])
    assert refused == {"refused": "invalid", "detail": "The zip is cut off, damaged or encrypted."}


def test_an_import_cut_off_in_the_page_goes_on(browser, tmp_path):
    """A page that is closed while a batch is on its way loses nothing and doubles nothing: the file is given again."""
    export = tmp_path / "export.zip"
    generate(export, seed=3, days=5, records=3000)
    report, batches = taken(export)
    with in_chromium.opened(browser, export) as page:
        cut, before = page.evaluate("([path, who]) => goneOn(path, who, 3)", ["/export.zip", PATIENT])
        found, after = page.evaluate("([path, who]) => goneOn(path, who, -1)", ["/export.zip", PATIENT])
        lines = page.evaluate("queuedLines()")
    assert (cut, before) == ("the page is closed", 3)
    assert after > before
    assert sorted(line.encode() for line in lines) == sorted(line for batch in batches for line in batch.resources)
    assert found["taken"] < report.taken
    assert found["taken"] + found["duplicates"] == report.taken + report.duplicates
