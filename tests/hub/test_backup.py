"""Backup and restore of a hub: whole, portable, never over anything, and every cursor stays valid."""

import shutil

import pytest

from fhir_profiles.problems import Problem
from hub import backup, keys
from hub.config import Config
from tests.hub.people import VITALS, Town, build


def restored(town: Town, kept, url, directory) -> Town:
    """A hub made anew from a backup."""
    config = Config(domain=town.hub.config.domain, database=url, data=str(directory), rate=0)
    backup.restore(config, kept)
    made = build(url, directory, town.clock)
    made.tokens, made.keys = town.tokens, town.keys
    return made


@pytest.fixture
def lived(towns):
    """A hub with a patient who wrote, granted and was read."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    mine = patient.permit(patient.me)
    patient.grant(practice, {VITALS})
    for _ in range(3):
        patient.write(patient.me, mine)
    towns.envelopes(practice)
    return towns, patient, practice, mine


def test_a_backup_holds_all_rows_and_goes_into_either_kind_of_database(lived, either_url, tmp_path):
    """Row for row, key for key, from SQLite and PostgreSQL into SQLite and PostgreSQL."""
    town, *_ = lived
    backup.backup(town.hub.config, tmp_path / "kept", town.clock)
    after = restored(town, tmp_path / "kept", either_url, tmp_path / "new")
    assert after.dump() == town.dump()
    assert bytes(after.hub.key) == bytes(town.hub.key)
    assert bytes(after.hub.token_key) == bytes(town.hub.token_key)
    after.hub.db.close()


def test_a_restored_hub_goes_on_and_no_cursor_skips(lived, either_url, tmp_path):
    """Cursors from before the backup and from after it, lost with what followed, all see what comes next."""
    town, patient, practice, mine = lived
    before = town.get("/v1/feed", practice).json["next"]
    backup.backup(town.hub.config, tmp_path / "kept", town.clock)
    lost = [
        patient.sealed(patient.me, mine, VITALS, [b"{}"], seq=seq, prev=prev) for seq, prev in follows(patient, mine)
    ]
    stamp = town.deposit(patient.me, *lost).json["results"][0]
    assert stamp["status"] == 201
    newer = town.get("/v1/feed", practice, after=before).json["next"]
    assert newer != before
    after = restored(town, tmp_path / "kept", either_url, tmp_path / "new")
    assert after.envelopes(practice, newer) == []
    again = after.deposit(patient.me, *lost).json["results"][0]
    assert again["status"] == 201
    assert after.envelopes(practice, newer) == after.envelopes(practice, before) == [stamp["bid"]]
    assert len(set(after.envelopes(practice))) == 4
    after.hub.db.close()


def follows(patient, mine):
    """Sequence and hash of what the patient's device writes next."""
    me = patient.me
    seq, hash_ = patient.hub.last(me.account, me.device, patient.stream(mine))
    return [(seq + 1, hash_)]


def test_a_backup_is_of_one_moment_while_writers_go_on(lived, tmp_path, monkeypatch):
    """What is committed between two tables is in none of them."""
    town, patient, _, mine = lived
    before = town.dump()
    written = []

    def write_between(self, name, columns, rows):
        written.append(patient.write(patient.me, mine)) if not written else None
        return table(self, name, columns, rows)

    table = backup.Writer.table
    monkeypatch.setattr(backup.Writer, "table", write_between)
    backup.backup(town.hub.config, tmp_path / "kept", town.clock)
    kept = backup.Backup(tmp_path / "kept", "hub")
    assert written
    assert len(list(kept.rows("envelopes"))) == len(before["envelopes"])
    assert len(list(kept.rows("feed"))) == len(before["feed"])


@pytest.mark.parametrize("file", ["manifest.json", "tables/envelopes.ndjson", "files/hub.key"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_damaged_backup_is_refused(town, tmp_path, file, how):
    """One byte, or a whole file: nothing is restored, and the sentence names the file."""
    backup.backup(town.hub.config, tmp_path / "kept", town.clock)
    path = tmp_path / "kept" / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink() if how == "gone" else path.write_bytes(content)
    config = Config(domain=town.hub.config.domain, data=str(tmp_path / "new"))
    with pytest.raises(Problem) as refused:
        backup.restore(config, tmp_path / "kept")
    assert file in refused.value.detail or file == "manifest.json"
    assert not list((tmp_path / "new").glob("*.key"))


def test_nothing_is_overwritten_and_nothing_foreign_is_taken(town, tmp_path):
    """A database in use, other keys, another hub's or another program's backup, a directory that is not empty."""
    config, kept = town.hub.config, tmp_path / "kept"
    backup.backup(config, kept, town.clock)
    fresh = Config(domain=config.domain, data=str(tmp_path / "new"))
    used = Config(domain=config.domain, data=str(tmp_path / "new"), database=config.database_url)
    foreign = Config(domain="other.example", data=str(tmp_path / "new"))
    keyed = Config(domain=config.domain, data=str(tmp_path / "keyed"))
    keys.load(tmp_path / "keyed", keys.STAMP_KEY)
    for refused in (lambda: backup.restore(used, kept), lambda: backup.restore(foreign, kept),
                    lambda: backup.restore(keyed, kept), lambda: backup.backup(config, kept),
                    lambda: backup.Backup(kept, "gateway")):  # fmt: skip
        with pytest.raises(Problem) as told:
            refused()
        assert told.value.code == "conflict"
    backup.restore(fresh, kept)
    shutil.rmtree(kept)
    with pytest.raises(Problem) as told:
        backup.restore(fresh, kept)
    assert told.value.code == "not-found"
