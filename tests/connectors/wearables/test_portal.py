"""The portal's importer gives what this one gives: the same batches to the byte, the same report, the same refusals."""

import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.wearables.archive import Limits
from connectors.wearables.generator import generate
from connectors.wearables.importer import Batch, Report, read
from connectors.wearables.ledger import Mark, MemoryLedger
from fhir_profiles.problems import Problem
from tests.connectors.wearables.exports import PATIENT, document, zipped

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
