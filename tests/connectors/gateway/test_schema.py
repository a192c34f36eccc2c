"""The gateway's tables: made by migrations, told apart by their version, changed while writers go on."""

import shutil
import subprocess
import sys
import threading
from collections import Counter
from itertools import count

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from click.testing import CliRunner

from connectors.gateway import schema
from connectors.gateway.app import create_app
from connectors.gateway.cli import gateway
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.models import metadata
from tests.connectors.gateway.conftest import FHIR_JSON, observation

HEADERS = {"Content-Type": FHIR_JSON}

LATER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "later", "{newest}", None, None


def upgrade():
    {step}
"""


NEWER = """
import sys
from pathlib import Path
from connectors.gateway import schema
from connectors.gateway.database import Database

schema.MIGRATIONS = Path(sys.argv[1])
schema.upgrade(Database(sys.argv[2]))
"""


@pytest.fixture(autouse=True)
def _versions():
    """Each test's own idea of the newest version."""
    schema.expected.cache_clear()
    yield
    schema.expected.cache_clear()


def later(monkeypatch, directory, step):
    """From now on the program expects one version more, which makes this step."""
    monkeypatch.setattr(schema, "MIGRATIONS", versions(directory, step))
    schema.expected.cache_clear()


def versions(directory, step):
    """A folder of migrations with one more."""
    shutil.copytree(schema.MIGRATIONS, directory / "migrations")
    (directory / "migrations/versions/later.py").write_text(LATER.format(newest=schema.expected(), step=step))
    return directory / "migrations"


def version(database):
    with database.read() as conn:
        return MigrationContext.configure(conn).get_current_revision()


def test_the_migrations_make_the_tables_of_the_models(database):
    """Alembic finds nothing to change, and there is one head."""
    with database.read() as conn:
        assert compare_metadata(MigrationContext.configure(conn), metadata) == []
        assert schema.present(conn) == schema.expected()


def test_migrating_again_changes_nothing(database):
    """`upgrade` is idempotent."""
    schema.upgrade(database)
    assert version(database) == schema.expected()


def test_tables_of_before_migrations_are_recognised(database_url):
    """A database made before versions were counted is stamped, and keeps what it holds."""
    database = Database(database_url)
    with database.write() as conn:
        schema.bring(conn, schema.FIRST)
        conn.exec_driver_sql("DROP TABLE alembic_version")
        conn.exec_driver_sql("INSERT INTO spans VALUES ('Observation', 7)")
    with database.read() as conn:
        assert schema.present(conn) == schema.FIRST
    schema.upgrade(database)
    with database.read() as conn:
        assert conn.exec_driver_sql("SELECT span FROM spans").scalar_one() == 7
    assert version(database) == schema.expected()
    database.close()


def test_another_version_is_not_ready_and_migrate_mends_it(database, database_url, api):
    """`/readyz` says so with the remedy; so do requests that fail for it; `obhut gateway migrate` is the remedy."""
    with database.write() as conn:
        conn.exec_driver_sql("DROP TABLE alembic_version")
        for table in metadata.sorted_tables:
            table.drop(conn)
    ready = api.client.get("/readyz")
    failed = api.post("Patient", {"resourceType": "Patient"})
    for answer in (ready, failed):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
        assert "migration" in answer.json["issue"][0]["diagnostics"]
    done = CliRunner().invoke(gateway, ["migrate", "--database", database_url])
    assert (done.exit_code, done.output) == (0, f"tables at {schema.expected()}\n")
    assert api.client.get("/readyz").status_code == 200
    assert api.post("Patient", {"resourceType": "Patient"}).status_code == 201


def test_serve_changes_tables_of_a_server_only_when_told(database, monkeypatch, tmp_path):
    """An own file is migrated at the start; in a shared server only what is empty is filled."""
    before = schema.expected()
    later(monkeypatch, tmp_path, 'op.add_column("spans", sa.Column("more", sa.Integer))')
    schema.make(database)
    assert version(database) == ("later" if database.sqlite else before)
    schema.upgrade(database)
    assert version(database) == "later"


def test_a_program_older_than_the_tables_says_so(database, database_url):
    """One sentence with the version, and nothing is changed."""
    with database.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    done = CliRunner().invoke(gateway, ["migrate", "--database", database_url])
    assert (done.exit_code, "9999" in done.output, "Traceback" in done.output) == (1, True, False)
    assert version(database) == "9999"


def test_several_starts_at_once_make_the_tables_once(database_url):
    """Whoever comes second finds them made."""
    databases = [Database(database_url) for _ in range(4)]
    threads = [threading.Thread(target=schema.make, args=[database]) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert version(databases[0]) == schema.expected()
    for database in databases:
        database.close()


@pytest.mark.parametrize(
    ("step", "statuses"),
    [
        ('op.add_column("resources", sa.Column("more", sa.Integer, nullable=False, server_default="7"))', {201}),
        ('op.execute("ALTER TABLE resources RENAME COLUMN handle TO label")', {503}),
    ],
    ids=["that writers may not notice", "that writers cannot live with"],
)
def test_a_migration_under_load_loses_nothing_that_was_acknowledged(database, database_url, tmp_path, step, statuses):
    """Four writers go on while the tables change; whoever cannot write on is told 503, and why."""
    app = create_app(Config(database=database_url, standalone=True))
    half, done = threading.Barrier(5), threading.Event()
    acknowledged, after = [], Counter()

    def write():
        client = app.test_client()
        for number in count():
            if number == 10:
                half.wait()
            if done.is_set():
                break
            answer = client.post("/fhir/Observation", json=observation(), headers=HEADERS)
            assert answer.status_code in (201, 503), answer.text
            if answer.status_code == 201:
                acknowledged.append(answer.headers["Location"].rpartition("/")[2])
            else:
                assert answer.headers["Retry-After"]
                assert "version" in answer.json["issue"][0]["diagnostics"]
        after.update([client.post("/fhir/Observation", json=observation(), headers=HEADERS).status_code])

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    half.wait()
    subprocess.run([sys.executable, "-c", NEWER, str(versions(tmp_path, step)), database_url], check=True)
    done.set()
    for thread in threads:
        thread.join()
    assert version(database) == "later"
    assert len(acknowledged) >= 40
    assert set(after) == statuses
    with database.read() as conn:
        there = {row[0] for row in conn.exec_driver_sql("SELECT id FROM resources")}
    assert set(acknowledged) <= there
    app.extensions["gateway"].store.database.close()
