"""The hub's tables change while deposits go on."""

import subprocess
import sys
import threading
from shutil import copytree

import pytest

from hub import schema
from tests.hub.people import build

LATER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "later", "{before}", None, None


def upgrade():
    {step}
"""
NEWER = """
import sys
from pathlib import Path
from hub import schema
from hub.store.database import Database

schema.MIGRATIONS = Path(sys.argv[1])
schema.upgrade(Database(sys.argv[2]))
"""


def versions(directory, step):
    """A folder of migrations with one more."""
    copytree(schema.MIGRATIONS, directory / "migrations")
    text = LATER.format(before=schema.expected(), step=step)
    (directory / "migrations/versions/later.py").write_text(text)
    return directory / "migrations"


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ('op.add_column("envelopes", sa.Column("more", sa.BigInteger, nullable=False, server_default="7"))', 200),
        ('op.execute("ALTER TABLE sequences RENAME COLUMN hash TO digest")', 503),
    ],
    ids=["that writers may not notice", "that writers cannot live with"],
)
def test_a_migration_under_load_loses_nothing_that_was_acknowledged(towns, database_url, tmp_path, step, status):
    """Four devices deposit on while the tables change; whoever cannot is told 503, and why; all stamped is there."""
    patient = towns.patient()
    mine = patient.permit(patient.me)
    devices = [patient.me.other_device() for _ in range(4)]
    for device in devices:
        patient.post(patient.account("device", device.device_body("writer")))
    batches = [patient.seal(device, mine, 400) for device in devices]
    towns.token(patient.me)
    begun, done = threading.Barrier(5), threading.Event()
    stamped, refused = [], []

    def send(frames):
        for number, frame in enumerate(frames):
            if number == 3:
                begun.wait()
            answer = towns.deposit(patient.me, frame)
            if answer.status_code == 200:
                stamped.append(answer.json["results"][0]["bid"])
            else:
                refused.append(answer)
            if done.is_set():
                break

    threads = [threading.Thread(target=send, args=[frames]) for frames in batches]
    for thread in threads:
        thread.start()
    begun.wait()
    subprocess.run([sys.executable, "-c", NEWER, str(versions(tmp_path, step)), database_url], check=True)
    done.set()
    for thread in threads:
        thread.join()
    last = towns.deposit(patient.me, batches[0][0])
    assert last.status_code == status
    for answer in [*refused, *([last] if status == 503 else [])]:
        assert (answer.status_code, answer.json["reason"], answer.headers["Retry-After"]) == (503, "version", "2")
    with towns.hub.db.read() as conn:
        kept = [row[0] for row in conn.exec_driver_sql("SELECT bid FROM envelopes ORDER BY pos")]
    assert len(kept) == len(set(kept))
    assert set(stamped) <= set(kept)


def test_another_version_is_not_ready_and_a_later_one_is_not_touched(town, tmp_path):
    """`/readyz` names the remedy; a program that is older than the tables says so."""
    with town.hub.db.write() as tx:
        tx.conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    answer = town.get("/readyz")
    assert (answer.status_code, answer.json["reason"]) == (503, "version")
    with pytest.raises(Exception, match="9999"):
        build(town.hub.config.database_url, tmp_path / "hub", town.clock)
