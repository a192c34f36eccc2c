"""Backup and restore of a gateway: record and keystore as of one moment, into either kind of database."""

import json
import sqlite3
import threading
from contextlib import closing

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from connectors.gateway import backup
from connectors.gateway.app import create_app
from connectors.gateway.cli import gateway
from connectors.gateway.config import Config
from connectors.gateway.database import Database
from connectors.gateway.keystore import DATABASE, READING, Keystore
from connectors.gateway.models import metadata
from connectors.keyring import FILE, Keyring
from connectors.local_database import get_state, set_state
from consent.keys import BoxKey
from consent.primitives import b64
from fhir_profiles.problems import Problem
from tests.connectors.gateway.conftest import Api, observation


@pytest.fixture
def keystore(tmp_path):
    """The directory of an organisation's keys."""
    directory = tmp_path / "keys"
    Keyring.generate("praxis@hub.example", "http://hub.example", bytes(32)).save(directory)
    (directory / READING).write_text(json.dumps([b64(bytes(BoxKey.generate()))]))
    with closing(Keystore.open(directory).db) as db:
        set_state(db, "mark", b"before")
    return directory


def dump(url):
    """Every row of every table."""
    with closing(Database(url)) as database, database.read() as conn:
        return {t.name: sorted(map(tuple, conn.execute(select(t))), key=repr) for t in metadata.sorted_tables}


def test_a_record_goes_into_either_kind_of_database_and_goes_on(api, database_url, either_url, tmp_path):
    """Row for row; found by search; and what is written next takes no number that was given."""
    patient = api.post("Patient", {"resourceType": "Patient", "name": [{"family": "Ü\u2028x"}]}).json["id"]
    for value in (1.10, 72, 1e300):
        body = observation(subject={"reference": f"Patient/{patient}"})
        body["valueQuantity"]["value"] = value
        assert api.post("Observation", body).status_code == 201
    run = CliRunner().invoke
    done = run(gateway, ["backup", str(tmp_path / "kept"), "--database", database_url])
    assert (done.exit_code, done.output) == (0, f"backup in {tmp_path / 'kept'}\n")
    done = run(gateway, ["restore", str(tmp_path / "kept"), "--database", either_url])
    assert (done.exit_code, done.output.startswith("restored a standalone record as of 20")) == (0, True), done.output
    assert dump(either_url) == dump(database_url)
    app = create_app(Config(database=either_url, standalone=True))
    after = Api(app.test_client())
    assert after.post("Observation", observation(subject={"reference": f"Patient/{patient}"})).status_code == 201
    found = after.get(f"Observation?patient={patient}&code=8867-4").json
    assert found["total"] == 4
    app.extensions["gateway"].store.database.close()


def test_the_keystore_comes_along(database, database_url, keystore, tmp_path):
    """Keys, reading keys and the database of seeds, outbox and chains."""
    config = Config(database=database_url, keystore=str(keystore))
    backup.backup(config, tmp_path / "kept", 7)
    origin = backup.restore(
        Config(database=f"sqlite:///{tmp_path / 'new.db'}", keystore=str(tmp_path / "new")), tmp_path / "kept"
    )
    assert (origin.owner, origin.at) == ("praxis@hub.example", 7)
    one, other = Keystore.open(keystore), Keystore.open(tmp_path / "new")
    assert (keystore / FILE).read_bytes() == (tmp_path / "new" / FILE).read_bytes()
    assert other.reading_keys.keys() == one.reading_keys.keys()
    assert get_state(other.db, "mark") == b"before"
    assert {oct(f.stat().st_mode & 0o777) for f in (tmp_path / "new").iterdir() if f.suffix != ".db"} == {"0o600"}
    one.db.close()
    other.db.close()


def test_keystore_and_record_are_of_the_same_moment(database, database_url, keystore, store, tmp_path, monkeypatch):
    """Nobody writes to the keystore between its copy and the record's moment; then it goes on at once."""
    taken = []

    def while_held(writer, *words):
        with closing(sqlite3.connect(keystore / DATABASE, timeout=0)) as db, pytest.raises(sqlite3.OperationalError):
            db.execute("INSERT OR REPLACE INTO state VALUES ('mark', 'after')")
        store.set_state("cursor", "after")
        keep(writer, *words)
        taken.append(True)

    keep = backup.keep
    monkeypatch.setattr(backup, "keep", while_held)
    backup.backup(Config(database=database_url, keystore=str(keystore)), tmp_path / "kept", 7)
    assert taken
    kept = backup.Backup(tmp_path / "kept", "gateway")
    assert "cursor" not in {row["key"] for row in kept.rows("state")}
    assert store.state("cursor") == "after"


def test_writers_go_on_while_a_backup_is_made(api, database_url, tmp_path):
    """What was acknowledged before is in it; every resource in it has its index."""
    first = [api.post("Observation", observation()).json["id"] for _ in range(20)]
    done = threading.Event()

    def write():
        while not done.is_set():
            assert api.post("Observation", observation()).status_code == 201

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backup.backup(Config(database=database_url), tmp_path / "kept", 7)
    finally:
        done.set()
        writer.join()
    kept = backup.Backup(tmp_path / "kept", "gateway")
    rows = {row["rid"]: row["id"] for row in kept.rows("resources")}
    assert set(first) <= set(rows.values())
    assert {row["rid"] for row in kept.rows("index_text")} == set(rows)


def test_nothing_is_overwritten_and_nothing_foreign_is_taken(database, database_url, keystore, tmp_path):
    """A record in use, other keys, a keystore too many or too few."""
    config, kept = Config(database=database_url, keystore=str(keystore)), tmp_path / "kept"
    backup.backup(config, kept, 7)
    fresh = f"sqlite:///{tmp_path / 'new.db'}"
    Keyring.generate("praxis@hub.example", "http://hub.example", bytes(32)).save(tmp_path / "taken")
    for target in (
        config,
        Config(database=fresh),
        Config(database=fresh, keystore=str(tmp_path / "taken")),
    ):
        with pytest.raises(Problem) as told:
            backup.restore(target, kept)
        assert told.value.code == "conflict"
    with pytest.raises(Problem):
        backup.backup(config, kept, 8)
    backup.restore(Config(database=fresh, keystore=str(tmp_path / "new")), kept)
