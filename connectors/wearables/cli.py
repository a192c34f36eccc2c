"""`obhut wearable import · generate` and `obhut convert`."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, Self

import click
import orjson

from connectors.command_line import plainly
from connectors.wearables.generator import generate as generate_export
from connectors.wearables.importer import Batch, Report, Sink, read
from connectors.wearables.ledger import Ledger, MemoryLedger
from fhir_profiles.problems import Problem

BAD_INPUT = 2
RESUMABLE = 3
_ABOUT_INPUT = frozenset({"invalid", "not-supported", "too-large", "structure", "value", "media-type"})
_NEVER_BY_ITSELF = frozenset({"not-found", "unauthenticated", "forbidden", "gone"})
"""What the same command would say for ever: no account there, a device that is not taken, none that may write, none any
more."""
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
_BUNDLE_HEAD = b'{"resourceType":"Bundle","type":"collection"'
BUNDLE_BASE = "https://fhir.obhut.org/convert"
"""Where the entries of a converted Bundle seem to live, so that its references lead from one to the other."""


class _Lines:
    """A sink that writes resources line by line, or nowhere. The file is begun with the first one: if the input is bad,
    what was there stays."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._files = contextlib.ExitStack()

    @cached_property
    def _file(self) -> BinaryIO | None:
        return None if self._path is None else self._files.enter_context(self._path.open("wb"))

    def put(self, batch: Batch) -> None:
        """Write the resources."""
        if self._file is not None:
            self._file.writelines(resource + b"\n" for resource in batch.resources)

    @contextlib.contextmanager
    def whole(self) -> Iterator[Self]:
        """What is put in here is all that the file holds afterwards, were it nothing."""
        with self._files:
            yield self
            _ = self._file


class _Entries:
    """A sink that writes a Bundle of type collection as it comes (https://hl7.org/fhir/R4/bundle.html)."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._any = False

    def put(self, batch: Batch) -> None:
        """Write the entries."""
        for resource in batch.resources:
            made = orjson.loads(resource)
            url = f"{BUNDLE_BASE}/{made['resourceType']}/{made['id']}"
            self._file.write(b"," if self._any else _BUNDLE_HEAD + b',"entry":[')
            self._file.write(b'{"fullUrl":' + orjson.dumps(url) + b',"resource":' + resource + b"}")
            self._any = True

    def close(self) -> None:
        """Write the end."""
        self._file.write(b"]}\n" if self._any else _BUNDLE_HEAD + b"}\n")


@click.group()
def wearable() -> None:
    """Bring in what a wearable recorded."""


@wearable.command("import")
@click.argument("file", type=_FILE)
@click.option("--account", type=click.Path(path_type=Path, file_okay=False), help="Directory of the patient's account.")
@click.option("--dry-run", is_flag=True, help="Seal and send nothing.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the resources here, one a line.")
@click.option("--patient", default="p-dry-run", show_default=True, help="Patient id of a dry run.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@plainly
def import_file(
    file: Path, account: Path | None, out: Path | None, patient: str, *, dry_run: bool, as_json: bool
) -> None:
    """Import FILE (an Apple Health export) into an account.

    Importing the same or a newer export again doubles nothing. Exit codes: 0 done, 2 bad input or no account, 3 can be
    resumed by running it again.
    """
    if (account is None) == (not dry_run):
        raise click.UsageError("Give either --account or --dry-run.")
    if out is not None and not dry_run:
        raise click.UsageError("--out belongs to --dry-run.")
    report = Report()
    with _exit_codes(report, as_json=as_json):
        if account is not None:
            # Here and not above: a dry run and a conversion need no account.
            from connectors.patient.intake import Intake  # noqa: PLC0415

            home = Intake(account)
            _run(file, home.patient, home, report, home.ledger)
            home.flush()
        else:
            with _Lines(out).whole() as lines:
                _run(file, patient, lines, report, MemoryLedger())
    _tell(report, as_json=as_json)


@wearable.command()
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--seed", default=1, show_default=True, help="The same seed gives the same bytes.")
@click.option("--days", default=31, show_default=True, type=click.IntRange(1, 3660))
@click.option("--records", default=110_000, show_default=True, type=click.IntRange(100), help="About so many.")
def generate(out: Path, seed: int, days: int, records: int) -> None:
    """Write a made-up export of Apple Health to OUT."""
    count = generate_export(out, seed=seed, days=days, records=records)
    click.echo(f"{count} records of {days} days in {out}")


@click.command()
@click.argument("file", type=_FILE)
@click.option("--patient", default="p-convert", show_default=True, help="Patient id that the resources refer to.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def convert(file: Path, patient: str, *, as_json: bool) -> None:
    """Convert FILE to a FHIR Bundle on standard output; the report goes to standard error."""
    report = Report()
    with _exit_codes(report, as_json=as_json):
        entries = _Entries(sys.stdout.buffer)
        _run(file, patient, entries, report, MemoryLedger())
        entries.close()
    _tell(report, as_json=as_json, err=True)


def _run(file: Path, patient: str, sink: Sink, report: Report, ledger: Ledger) -> None:
    with _progress(file) as progress:
        for batch in read(file, patient, report=report, ledger=ledger, progress=progress):
            sink.put(batch)


@contextlib.contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], None] | None]:
    """A bar over the bytes of the file, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=file.stat().st_size, label=file.name, file=sys.stderr) as bar:
        yield lambda position: bar.update(position - bar.pos)


@contextlib.contextmanager
def _exit_codes(report: Report, *, as_json: bool) -> Iterator[None]:
    try:
        yield
    except Problem as problem:
        click.echo(problem.detail, err=True)
        if problem.code in _ABOUT_INPUT | _NEVER_BY_ITSELF:
            sys.exit(BAD_INPUT)
        _resumable(report, as_json=as_json)
    except (KeyboardInterrupt, OSError):
        _resumable(report, as_json=as_json)


def _resumable(report: Report, *, as_json: bool) -> None:
    click.echo("Cut off. Run the same command again to go on.", err=True)
    _tell(report, as_json=as_json, err=True)
    sys.exit(RESUMABLE)


def _tell(report: Report, *, as_json: bool, err: bool = False) -> None:
    if as_json:
        click.echo(orjson.dumps(report.json()).decode(), err=err)
        return
    click.echo(f"read {report.read}, taken {report.taken}, known already {report.duplicates}", err=err)
    for reason, count in sorted(report.left.items()):
        click.echo(f"left {count}: {reason}", err=err)
    click.echo(f"{report.envelopes} envelopes", err=err)
