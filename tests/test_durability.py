"""Acknowledged is on the disk: what the live connections of hub, gateway and edges are told."""

import sys

import pytest

from connectors.gateway.database import Database as GatewayDatabase
from connectors.local_database import open_database
from hub.store.database import Database as HubDatabase
from tests.traced import syncs

FULL = 2


@pytest.fixture
def careless_url(database_url, postgresql):
    """A database whose server would acknowledge early by default."""
    if not database_url.startswith("sqlite"):
        name = database_url.partition("?")[0].rpartition("/")[2]
        postgresql._run(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    return database_url


def durable(conn) -> bool:
    if conn.dialect.name == "sqlite":
        mode = conn.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        return (mode, conn.exec_driver_sql("PRAGMA synchronous").scalar_one()) == ("wal", FULL)
    return conn.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"


def test_the_hubs_commits_are_on_the_disk(careless_url):
    """Each connection of the pool that writes, whatever the server's default is."""
    db = HubDatabase(careless_url)
    for _ in range(3):
        with db.write() as tx:
            assert durable(tx.conn)
    db.close()


def test_the_gateways_commits_are_on_the_disk(careless_url):
    """So too at the gateway."""
    db = GatewayDatabase(careless_url)
    with db.write() as conn:
        assert durable(conn)
    db.close()


def test_the_edges_commits_are_on_the_disk(tmp_path):
    """Outbox, keystore and ledger are in SQLite files opened so."""
    db = open_database(tmp_path / "edge.db", "")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA synchronous").fetchone() == (FULL,)
    db.close()


PROGRAMS = {
    "hub": """
from hub.models import metadata
from hub.store.database import Database
db = Database(url)
with db.write() as tx:
    metadata.create_all(tx.conn)
for n in range(int(count)):
    with db.write() as tx:
        tx.conn.exec_driver_sql("INSERT INTO counters VALUES (?, 0)", (f"n{n}",))
""",
    "gateway": """
from connectors.gateway.database import Database
from connectors.gateway.models import metadata
db = Database(url)
with db.write() as conn:
    metadata.create_all(conn)
for n in range(int(count)):
    with db.write() as conn:
        conn.exec_driver_sql("INSERT INTO state VALUES (?, '')", (f"n{n}",))
""",
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_commit_reaches_the_disk(tmp_path, program):
    """The kernel's word: with forty commits more, there are at least forty calls of fsync more."""

    def calls(commits):
        script = "import sys\n_, url, count = sys.argv\n" + PROGRAMS[program]
        words = [sys.executable, "-c", script, f"sqlite:///{tmp_path / str(commits)}.db", str(commits)]
        return syncs(words, tmp_path / "output")

    assert calls(41) - calls(1) >= 40
