"""Bringing the tables to the version that this code expects."""

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, inspect

from connectors.gateway.database import Database
from fhir_profiles.outages import busy
from fhir_profiles.problems import Problem

MIGRATIONS = Path(__file__).parent / "migrations"
FIRST = "0001"
"""The version of tables that were made before versions were counted."""
LOCK = 7163
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
    return _recorded(conn) or (FIRST if inspect(conn).has_table("resources") else None)


def _recorded(conn: Connection) -> str | None:
    if not inspect(conn).has_table("alembic_version"):
        return None
    return conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()


def check(conn: Connection) -> None:
    """Raise `Problem(busy)` unless the tables are of the expected version."""
    if present(conn) != expected():
        raise busy("version")


def upgrade(db: Database, sleep: Callable[[float], None] = time.sleep) -> None:
    """Bring the tables to the expected version, all or nothing. Nothing happens where they are. Raises `Problem(busy)`.

    On PostgreSQL whoever writes is waited for only briefly, and again: else all others would queue behind this.
    """
    with db.read() as conn:
        if _recorded(conn) == expected():
            return
        _check_known(_recorded(conn))
    for left in reversed(range(TRIES)):
        try:
            with db.write() as conn:
                _upgrade(conn)
        except Problem as problem:
            if problem.code != "busy" or not left:
                raise
            sleep(PAUSE_SECONDS)
        else:
            return


def make(db: Database) -> None:
    """What `serve` may do by itself: all in an own file; in a shared server only fill what is empty."""
    with db.read() as conn:
        empty = present(conn) is None
    if db.sqlite or empty:
        upgrade(db)


def _check_known(version: str | None) -> None:
    if version is not None and version not in _versions():
        raise Problem("conflict", f"The tables are of version {version}, which this program is too old to know.")


def _upgrade(conn: Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
    if _recorded(conn) is None and present(conn) == FIRST:
        _alembic(conn, "stamp", FIRST)
    bring(conn, "head")


def bring(conn: Connection, version: str) -> None:
    """Bring the tables to a version, within the caller's transaction. Raises `Problem(conflict)` for an unknown one."""
    _check_known(None if version == "head" else version)
    _alembic(conn, "upgrade", version)


def _alembic(conn: Connection, work: Literal["upgrade", "stamp"], version: str) -> None:
    from alembic import command  # noqa: PLC0415 - loaded only where tables change
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = conn
    {"upgrade": command.upgrade, "stamp": command.stamp}[work](config, version)
