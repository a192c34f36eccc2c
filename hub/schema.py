"""Bringing the tables to the version that this code expects."""

import functools
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import OperationalError

from fhir_profiles.outages import busy
from fhir_profiles.problems import Problem
from hub.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 7164
LOCK_SECONDS = 3
TRIES, PAUSE_SECONDS = 20, 1.0


def _versions() -> set[str]:
    # Told by the files' names, so that a program that changes no tables need not load Alembic.
    return {path.stem.partition("_")[0] for path in (MIGRATIONS / "versions").glob("*.py")}


@functools.cache
def expected() -> str:
    """The version of the tables that this code expects."""
    return max(_versions())


def present(conn: Connection) -> str | None:
    """The version that the tables have; None where there are none."""
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()


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
    if version is not None and version not in _versions():
        raise Problem("conflict", f"The tables are of version {version}, which this program is too old to know.")


def _upgrade(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    bring(conn, "head")


def bring(conn: Connection, version: str) -> None:
    """Bring the tables to a version, within the caller's transaction. Raises `Problem(conflict)` for an unknown one."""
    from alembic import command  # noqa: PLC0415 - loaded only where tables change
    from alembic.config import Config  # noqa: PLC0415

    _check_known(None if version == "head" else version)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    command.upgrade(config, version)
