"""A party's directory in a backup: its key files, and its SQLite file as of one moment."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from connectors.keyring import write_private
from connectors.local_database import BUSY_SECONDS
from fhir_profiles.backups import Backup, Writer
from fhir_profiles.outages import outage
from fhir_profiles.problems import Problem

KEYS = "*.json"


@contextmanager
def held_still(database: Path) -> Iterator[sqlite3.Connection]:
    """Nobody writes to the SQLite file while the block runs; readers go on. Raises `Problem`."""
    if not database.exists():
        raise Problem("not-found", f"there is no {database.name} in {database.parent}: name the right directory")
    try:
        with closing(_connect(database)) as writer, closing(_connect(database)) as reader:
            writer.execute("BEGIN IMMEDIATE")  # SQLite copies nothing through a connection that may write
            yield reader
            writer.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise outage(error) or Problem("internal", f"{database.name} cannot be read") from error


def _connect(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)


def keep(writer: Writer, directory: Path, database: str, db: sqlite3.Connection) -> None:
    """Keep the files of a directory; `db` is its SQLite file, held still."""
    for path in sorted(directory.glob(KEYS)):
        writer.file(path.name, path.read_bytes())

    def copy(path: Path) -> None:
        with closing(sqlite3.connect(path)) as target:
            db.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it

    writer.path(database, copy)


def put_back(kept: Backup, directory: Path) -> None:
    """Write the files into a directory that holds none of them, or the same. Raises `Problem(conflict)`."""
    contents = {name: kept.path(name).read_bytes() for name in kept.files}
    for name, content in contents.items():
        if (directory / name).exists() and (directory / name).read_bytes() != content:
            raise Problem("conflict", f"There is another {name} in {directory}: restore into a new directory.")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in contents.items():
        write_private(directory / name, content)
