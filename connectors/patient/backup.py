"""`obhut patient backup · restore`: one device of an account, keys and outbox, as of one moment, and back.

Only one of both may go on: two that hold the same keys would write over each other.
"""

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.keyring import Keyring
from connectors.local_backup import held_still, keep, put_back
from connectors.patient.client import DATABASE
from connectors.patient.options import ACCOUNT
from fhir_profiles.backups import Backup, Origin, Writer

PROGRAM, VERSION = "patient", "1"
TARGET = click.argument("target", metavar="DIRECTORY", type=click.Path(path_type=Path, file_okay=False))


@click.command()
@TARGET
@ACCOUNT
def backup(target: Path, directory: Path) -> None:
    """Write the device's keys and all it keeps into the new DIRECTORY."""
    name = Keyring.load(directory).account
    with held_still(directory / DATABASE) as db:
        writer = Writer(target, Origin(PROGRAM, name, VERSION, int(time.time())))
        keep(writer, directory, DATABASE, db)
    writer.finish()
    click.echo(f"backup in {target}")


@click.command()
@TARGET
@ACCOUNT
def restore(target: Path, directory: Path) -> None:
    """Put the backup in DIRECTORY into a new directory of an account."""
    kept = Backup(target, PROGRAM)
    put_back(kept, directory)
    click.echo(
        f"restored {kept.origin.owner} as of {datetime.fromtimestamp(kept.origin.at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    )
