"""Bringing the tables to the version that this code expects."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from hub.store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def expected() -> str:
    """The version of the tables that this code expects."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def present(conn: Connection) -> str | None:
    """The version that the tables have; None where there are none."""
    return MigrationContext.configure(conn).get_current_revision()


def upgrade(db: Database) -> None:
    """Bring the tables to the expected version, all or nothing. Nothing happens where they are."""
    with db.read() as conn:
        if present(conn) == expected():
            return
    with db.write() as tx:
        config = _config()
        config.attributes["connection"] = tx.conn
        command.upgrade(config, "head")
