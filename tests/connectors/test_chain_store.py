"""Copies of chains: verified before they are kept, never going back, fetched where a citation asks."""

from dataclasses import replace

import pytest

from connectors.chain_store import ChainStore
from connectors.local_database import open_database
from consent import steps
from consent.primitives import Rejected
from fhir_profiles.problems import Problem
from tests.consent import world


class Wire:
    """A hub that answers with the chains it is given, after a position."""

    def __init__(self):
        self.chains = {}
        self.asked = []

    def chain(self, kind, acc, oth="", *, after=-1, fingerprint=""):
        self.asked.append((kind, acc, oth, after))
        if (kind, acc, oth) not in self.chains:
            raise Problem("not-found", "There is nothing here.")
        return self.chains[kind, acc, oth][after + 1 :]


@pytest.fixture
def scene(tmp_path):
    """A patient who granted to a practice; a hub that has all chains; an empty store."""
    patient, practice = world.client(), world.organisation("praxis-a")
    patient.grant(practice, [1])
    wire = Wire()
    record = patient.hub.record
    wire.chains["acct", patient.me.account, ""] = record.account.frames
    wire.chains["acct", practice.account, ""] = practice.frames
    wire.chains["rel", patient.me.account, practice.account] = record.relations[practice.account].frames
    for set_id, state in record.sets.items():
        wire.chains["set", patient.me.account, set_id] = state.frames
    db = open_database(tmp_path / "chains.db", "")
    yield patient, practice, wire, db
    db.close()


def test_a_chain_is_fetched_and_what_it_cites_with_it(scene):
    """Taking a relation fetches the account chains that its links cite."""
    patient, practice, wire, db = scene
    store = ChainStore(db, wire)
    store.refresh("rel", patient.me.account, practice.account)
    assert len(store.relations[patient.me.account, practice.account].grants) == 1
    assert set(store.accounts) == {patient.me.account, practice.account}


def test_a_restart_finds_what_was_kept(scene):
    """Chains are on disk: a new store over the same file knows the same heads and asks nobody."""
    patient, practice, wire, db = scene
    store = ChainStore(db, wire)
    store.refresh("rel", patient.me.account, practice.account)
    wire.asked.clear()
    again = ChainStore(db, wire)
    assert {key: state.head for key, state in again.relations.items()} == {
        key: state.head for key, state in store.relations.items()
    }
    assert wire.asked == []


def test_a_gap_is_fetched(scene):
    """A link that comes too early makes the store fetch the ones before it."""
    patient, practice, wire, db = scene
    store = ChainStore(db, wire)
    frames = wire.chains["rel", patient.me.account, practice.account]
    store.take("rel", patient.me.account, practice.account, frames[-1:])
    assert store.relations[patient.me.account, practice.account].frames == frames


def test_the_same_link_again_changes_nothing(scene):
    """Delivery twice is harmless."""
    patient, practice, wire, db = scene
    store = ChainStore(db, wire)
    frames = wire.chains["rel", patient.me.account, practice.account]
    for _ in range(2):
        store.take("rel", patient.me.account, practice.account, frames)
    assert store.relations[patient.me.account, practice.account].frames == frames


def test_another_link_in_a_place_that_is_taken_is_a_rollback(scene):
    """A hub that shows a different past is found out, and what was held stays."""
    patient, practice, wire, db = scene
    store = ChainStore(db, wire)
    oth = practice.account
    store.refresh("rel", patient.me.account, oth)
    frames = wire.chains["rel", patient.me.account, oth]
    past = replace(patient.hub.record, relations={})
    other = steps.open_relation(past, oth, "directory", patient.me.signer, patient.now)
    with pytest.raises(Rejected) as caught:
        store.take("rel", patient.me.account, oth, [other.frame])
    assert caught.value.reason == "rollback"
    assert store.relations[patient.me.account, oth].frames == frames


def test_a_wrong_fingerprint_stops_before_anything_is_kept(scene):
    """At first contact by card the account must be the one on the card."""
    patient, _, wire, db = scene
    store = ChainStore(db, wire)
    with pytest.raises(Rejected) as caught:
        store.account(patient.me.account, "a" * 32)
    assert caught.value.reason == "fingerprint"
    assert store.accounts == {}
    assert db.execute("SELECT count(*) FROM chains").fetchone() == (0,)
