"""`obhut hub backup · restore`: everything a hub cannot do without, out of a running hub, and into a new place."""

import time
from collections.abc import Callable
from pathlib import Path

from fhir_profiles.backups import Backup, Origin, Writer
from fhir_profiles.problems import Problem
from hub import keys, schema
from hub.config import Config
from hub.store import backup as store
from hub.store.database import Database

PROGRAM = "hub"


def backup(config: Config, directory: Path, clock: Callable[[], float] = time.time) -> None:
    """Write a backup into a new directory while the hub serves. Raises `Problem`."""
    at = int(clock())  # before the copy is made: what is acknowledged later may not be in it
    db = Database(config.database_url)
    try:
        with db.read() as conn:
            schema.check(conn)
        writer = Writer(directory, Origin(PROGRAM, config.domain, schema.expected(), at))
        for path in sorted(Path(config.data).glob("*.key")):
            writer.file(path.name, path.read_bytes())
        store.dump(db, writer.table)
    finally:
        db.close()
    writer.finish()


def restore(config: Config, directory: Path) -> Origin:
    """Put a backup into an empty database of either kind and the data directory, all or nothing. Raises `Problem`.

    Nothing is overwritten. Cursors that were given out since the backup was made stay behind whatever comes.
    """
    kept = Backup(directory, PROGRAM)
    if kept.origin.owner != config.domain:
        raise Problem("conflict", f"This is the backup of {kept.origin.owner}, and this hub is {config.domain}.")
    home = Path(config.data)
    home.mkdir(parents=True, exist_ok=True)
    for name in kept.files:
        if (home / name).exists() and (home / name).read_bytes() != kept.path(name).read_bytes():
            raise Problem("conflict", f"There is another {name} in {home}: restore into a new directory.")
    db = Database(config.database_url)
    try:
        with db.write() as tx:
            if not store.empty(tx.conn):
                raise Problem("conflict", "The database is not empty: restore into a new one.")
            schema.bring(tx.conn, kept.origin.version)
            for name in kept.tables:
                store.load(tx, name, kept.rows(name))
            schema.bring(tx.conn, "head")
            store.go_on(db, tx)
            for name in kept.files:
                keys.put(home, name, kept.path(name).read_bytes())
    finally:
        db.close()
    return kept.origin
