"""`obhut gateway backup · restore`: record, keystore and outbox of a running gateway as of one moment, and back."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection, column, delete, func, insert, inspect, select, table, text

from connectors.gateway import schema
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.keystore import DATABASE
from connectors.gateway.models import metadata
from connectors.keyring import Keyring
from connectors.local_backup import held_still, keep, put_back
from fhir_profiles.backups import Backup, Origin, Writer
from fhir_profiles.problems import Problem

PROGRAM = "gateway"
BATCH = 500


def backup(config: Config, directory: Path, at: int) -> None:
    """Write a backup into a new directory while the gateway serves. Raises `Problem`.

    The keystore stands still until the record's moment is chosen, so that both are as a power cut would leave them.
    """
    owner = Keyring.load(Path(config.keystore)).account if config.keystore else ""
    with closing(Database(config.database, 1)) as db, ExitStack() as stack:
        keystore = stack.enter_context(ExitStack())
        files = keystore.enter_context(held_still(Path(config.keystore) / DATABASE)) if config.keystore else None
        conn = stack.enter_context(db.snapshot())
        schema.check(conn)
        writer = Writer(directory, Origin(PROGRAM, owner, schema.expected(), at))
        if files is not None:
            keep(writer, Path(config.keystore), DATABASE, files)
        keystore.close()
        for one in metadata.sorted_tables:
            writer.table(one.name, one.columns.keys(), _rows(conn, one))
        writer.finish()


def restore(config: Config, directory: Path) -> Origin:
    """Put a backup into an empty database of either kind and a new keystore, all or nothing. Raises `Problem`."""
    kept = Backup(directory, PROGRAM)
    if bool(kept.files) != bool(config.keystore):
        raise Problem("conflict", "Name the keystore if the backup holds one, and only then.")
    with closing(Database(config.database, 1)) as db, db.write() as conn:
        if inspect(conn).get_table_names():
            raise Problem("conflict", "The database is not empty: restore into a new one.")
        schema.bring(conn, kept.origin.version)
        for name in kept.tables:
            _load(conn, name, kept.rows(name))
        schema.bring(conn, "head")
        if not db.sqlite:
            _number_on(conn)
        if config.keystore:
            put_back(kept, Path(config.keystore))
    return kept.origin


def _rows(conn: Connection, one: Any) -> Iterable[Sequence[Any]]:
    return conn.execute(select(one).execution_options(yield_per=BATCH))


def _load(conn: Connection, name: str, rows: Iterator[dict[str, Any]]) -> None:
    conn.execute(delete(table(name)))
    while batch := list(islice(rows, BATCH)):
        conn.execute(insert(table(name, *(column(key) for key in batch[0]))), batch)


def _number_on(conn: Connection) -> None:
    """PostgreSQL's own numbering of rows begins behind those that were loaded."""
    query = text("SELECT setval(pg_get_serial_sequence(:table, :key), :last)")
    for one in metadata.sorted_tables:
        key = one.autoincrement_column
        if key is not None and key.autoincrement is True:
            last = conn.execute(select(func.coalesce(func.max(key), 1))).scalar_one()
            conn.execute(query, {"table": one.name, "key": key.name, "last": last})


# --- commands -------------------------------------------------------------------------------------------------------

_PLACES = (
    click.argument("directory", type=click.Path(path_type=Path, file_okay=False)),
    click.option("--database", help="sqlite:///FILE or postgresql://…"),
    click.option("--keystore", help="Directory of the organisation's keys; none for a standalone gateway."),
    click.option(
        "--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with the settings."
    ),
)


def _with_places(command: Any) -> Any:
    for option in reversed(_PLACES):
        command = option(command)
    return command


def _config(file: Path | None, database: str | None, keystore: str | None) -> Config:
    try:
        return Config.stored(file=file, database=database, keystore=keystore)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


@click.command("backup")
@_with_places
def backup_command(directory: Path, database: str | None, keystore: str | None, file: Path | None) -> None:
    """Write record, keystore and outbox into the new DIRECTORY, while the gateway serves."""
    backup(_config(file, database, keystore), directory, int(time.time()))
    click.echo(f"backup in {directory}")


@click.command("restore")
@_with_places
def restore_command(directory: Path, database: str | None, keystore: str | None, file: Path | None) -> None:
    """Put the backup in DIRECTORY into an empty database, of either kind, and a new keystore."""
    origin = restore(_config(file, database, keystore), directory)
    at = datetime.fromtimestamp(origin.at, UTC)
    click.echo(f"restored {origin.owner or 'a standalone record'} as of {at:%Y-%m-%d %H:%M:%S} UTC")
