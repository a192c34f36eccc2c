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


def import_(wish: Wish) -> Iterator[Figure]:
    """An export of so many records into an account; the peak of the memory that the command takes."""
    directory = wish.programs.directory
    hub = serve_hub(wish.programs, "hub", wish.databases.make())
    account = directory / "patient"
    wish.programs.run("patient", "enrol", "--account", str(account), "--hub", hub.url, "--json")
    export = directory / "export.zip"
    days = max(1, min(3660, wish.rows // A_DAY))
    wish.programs.run(
        "wearable", "generate", str(export), "--seed", str(SEED), "--days", str(days), "--records", str(wish.rows)
    )
    parsed = _parsed(export)
    report, seconds, memory = _timed("wearable", "import", str(export), "--account", str(account), "--json")
    about = (
        f"{wish.databases.about}, {report['read']:,} records of {days} days in {report['envelopes']:,} envelopes, "
        f"the whole command, hub of {WORKERS} processes, {os.cpu_count()} processors"
    )
    yield Figure("import", report["read"] / seconds, "records/s", report["read"] / parsed, about)
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
    """Run a command of Obhut: what it reports, the seconds it took, the bytes it held at most. Raises `Failed`."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fhir_profiles.command", *words], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as output:
        told = output.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"obhut {' '.join(words[:2])} ended with {process.returncode}")
    return orjson.loads(told), seconds, usage.ru_maxrss * 1024
