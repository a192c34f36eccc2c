"""An account that is closed: what the hub deletes with the statement, what it keeps, and whom it tells."""

import pytest

from consent.primitives import b64
from tests.consent.world import identity
from tests.hub import people

CONTENT = ("envelopes", "bundles", "vaults", "wraps", "sequences", "messages", "openings", "objects", "held")


def rows(town, table, account):
    """The rows of a table that are the account's: `acc` is the first column of each."""
    return [row for row in town.dump()[table] if row[0] == account]


@pytest.fixture
def closed(towns):
    """A patient who wrote, granted, was written to, and then closed her account; and the practice."""
    patient, practice = towns.patient(), towns.organisation("praxis")
    own = patient.permit(patient.me)
    patient.write(patient.me, own)
    patient.grant(practice, [people.VITALS])
    kept = {table: len(rows(towns, table, patient.me.account)) for table in ("envelopes", "bundles", "vaults")}
    assert all(kept.values())
    patient.post(patient.account("close", {}))
    return patient, practice


def test_what_is_sealed_goes_in_the_same_commit_and_chains_and_log_stay(towns, closed):
    """No content is left of her; her name, her chains and the access log are."""
    patient, _ = closed
    name = patient.me.account
    assert {table: rows(towns, table, name) for table in CONTENT} == {table: [] for table in CONTENT}
    assert not [row for row in rows(towns, "feed", name) if row[4] in ("envelope", "message")]
    assert len(rows(towns, "accounts", name)) == 1
    assert len(rows(towns, "heads", name)) == 1 + len(patient.hub.record.sets) + len(patient.hub.record.relations)
    assert towns.get(f"/v1/log/{name}", patient.me).json["entries"]


def test_readers_are_told_and_released_nothing(towns, closed):
    """The counterpart's feed brings the last link; no bundle and no envelope comes any more."""
    patient, practice = closed
    last = patient.hub.record.account.links[-1]
    told = [event["frame"] for event in towns.feed(practice) if event["type"] == "statement"]
    assert b64(last.raw) in told
    assert towns.envelopes(practice) == []
    bundle = patient.hub.record.relations[practice.account].links[-1].body["lst"]
    assert towns.get(f"/v1/bundles/{patient.me.account}/{bundle}", practice).status_code == 404


def test_the_name_is_never_given_again(towns, closed):
    """Whoever comes with another key is refused; the first links again bring nothing back."""
    patient, _ = closed
    towns.enrol(identity(patient.me.account, "person", "client", towns.now), status=409)
    towns.enrol(patient.me, status=200)
    assert rows(towns, "vaults", patient.me.account) == []


def test_nothing_is_taken_for_a_closed_account(towns, closed):
    """Statements, envelopes and messages are refused."""
    patient, practice = closed
    late = patient.account("reading", {"key": b64(bytes(range(32))), "bad": 0})
    answer = patient.hub.send(late)
    assert (answer.status_code, answer.json["reason"]) == (409, "closed")
    own = next(iter(patient.hub.record.relations[patient.me.account].permits))
    (frame,) = patient.seal(patient.me, own, 1)
    assert towns.deposit(patient.me, frame).json["results"][0]["reason"] == "no-permit"
    message = {"to": patient.me.account, "frame": b64(bytes(304))}
    assert towns.post("/v1/messages", message, practice).status_code == 404
