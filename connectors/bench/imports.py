"""`import`: a wearable's export from the file to sealed and deposited, by the command that a patient uses."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

import orjson

from connectors.bench.figures import Figure, Wish
from connectors.bench.servers import WORKERS, serve_hub
from connectors.demo.programs import Failed
from connectors.wearables.archive import Archive, Limits
from connectors.wearables.xml_text import mended

A_DAY = 3600
"""Records of a day, as the generator writes them at full density."""
SEED = 20261125
PER_ROW = 10
"""Records of the export for each of `--rows`."""
_BETWEEN_LOOKS = 0.05
"""Seconds between two looks at the memory."""


def import_(wish: Wish) -> Iterator[Figure]:
    """An export of so many records into an account; the peak of the memory that the command takes."""
    directory = wish.programs.directory
    hub = serve_hub(wish.programs, "hub", wish.databases.make())
    account = directory / "patient"
    wish.programs.run("patient", "enrol", "--account", str(account), "--hub", hub.url, "--json")
    export = directory / "export.zip"
    records = PER_ROW * wish.rows
    days = max(1, min(3660, records // A_DAY))
    wish.programs.run(
        "wearable", "generate", str(export), "--seed", str(SEED), "--days", str(days), "--records", str(records)
    )
    parsed = _parsed(export)
    report, seconds, memory = _timed("wearable", "import", str(export), "--account", str(account), "--json")
    about = (
        f"{wish.databases.about}, {report['read']:,} records of {days} days in {report['envelopes']:,} envelopes, "
        f"the whole command, hub of {WORKERS} processes, {os.cpu_count()} processors"
    )
    yield Figure("import", report["read"] / seconds, "records/s", report["read"] / parsed, about)
    if memory:
        yield Figure("import-memory", memory / 1e6, "MB", None, about)


def _parsed(export: Path) -> float:
    """Seconds that unpacking takes, and a parser that is asked nothing."""
    begin = time.perf_counter()
    parser = expat.ParserCreate("UTF-8")
    with Archive(export, Limits()) as archive:
        for chunk in mended(archive.export()):
            parser.Parse(chunk, False)
    parser.Parse(b"", True)
    return time.perf_counter() - begin


def _timed(*words: str) -> tuple[dict[str, int], float, int]:
    """Run a command of Obhut: what it reports, the seconds it took, the bytes that it and its processes held at most.

    Raises `Failed`.
    """
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fhir_profiles.command", *words], stdout=subprocess.PIPE)
    memory = 0
    while True:
        try:
            told, _ = process.communicate(timeout=_BETWEEN_LOOKS)
            break
        except subprocess.TimeoutExpired:
            memory = max(memory, _held(process.pid))
    seconds = time.perf_counter() - begin
    if process.returncode:
        raise Failed(f"obhut {' '.join(words[:2])} ended with {process.returncode}")
    return orjson.loads(told), seconds, memory


def _held(pid: int) -> int:
    """Bytes that a process and its children hold now; what several hold counts once. 0 where no Linux tells (`Pss`).

    https://docs.kernel.org/filesystems/proc.html
    """
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        told = "".join(Path(f"/proc/{one}/smaps_rollup").read_text() for one in (pid, *children))
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 1024 * sum(int(line.split()[1]) for line in told.splitlines() if line.startswith("Pss:"))
