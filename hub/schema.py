"""Bringing the tables to the version that this code expects."""

import functools
import time
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from fhir_profiles.outages import busy
from fhir_profiles.problems import Problem
from hub.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7164
LOCK_SECONDS = 3
TRIES, PAUSE_SECONDS = 20, 1.0


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@functools.cache
def expected() -> str:
    """The version of the tables that this code expects."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def present(conn: Connection) -> str | None:
    """The version that the tables have; None where there are none."""
    return MigrationContext.configure(conn).get_current_revision()


def check(conn: Connection) -> None:
    """Raise `Problem(busy)` unless the tables are of the expected version."""
    if present(conn) != expected():
        raise busy("version")


def upgrade(db: Database, sleep: Callable[[float], None] = time.sleep) -> None:
    """Bring the tables to the expected version, all or nothing. Nothing happens where they are.

    On PostgreSQL whoever writes is waited for only briefly, and again: else all others would queue behind this.
    Raises SQLAlchemy's `OperationalError` where that does not help, `Problem(conflict)` for tables of a later version.
    """
    with db.read() as conn:
        if present(conn) == expected():
            return
        _check_known(present(conn))
    for left in reversed(range(TRIES)):
        try:
            with db.write() as tx:
                _upgrade(tx.conn)
        except OperationalError:
            if not left:
                raise
            sleep(PAUSE_SECONDS)
        else:
            return


def _check_known(version: str | None) -> None:
    if version is not None and version not in {script.revision for script in _scripts().walk_revisions()}:
        raise Problem("conflict", f"The tables are of version {version}, which this program is too old to know.")


def _upgrade(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    bring(conn, "head")


def bring(conn: Connection, version: str) -> None:
    """Bring the tables to a version, within the caller's transaction. Raises `Problem(conflict)` for an unknown one."""
    _check_known(None if version == "head" else version)
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, version)
