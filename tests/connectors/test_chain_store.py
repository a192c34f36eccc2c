"""Copies of chains: verified before they are kept, never going back, fetched where a citation asks."""

from dataclasses import replace

import pytest

from connectors.chain_store import ChainStore
from connectors.local_database import open_database
from consent import statements, steps
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


def test_what_another_process_keeps_is_taken_in(scene):
    """Two processes share one file: neither stays behind what the other has fetched, nor keeps a link twice."""
    patient, practice, wire, db = scene
    oth = practice.account
    here, there = ChainStore(db, wire), ChainStore(db, wire)
    here.refresh("rel", patient.me.account, oth)
    gid = next(iter(patient.hub.record.relations[oth].grants))
    patient.withdraw(practice, gid, settle=False)
    frames = wire.chains["rel", patient.me.account, oth] = patient.hub.record.relations[oth].frames
    here.take("rel", patient.me.account, oth, frames[-1:])
    there.take("rel", patient.me.account, oth, frames[-1:])
    assert there.relations[patient.me.account, oth].live(patient.now) == []
    assert there.relations[patient.me.account, oth].frames == frames


class Meanwhile(Wire):
    """A hub whose first answer about one chain comes after something else has happened."""

    def __init__(self, wire, name, happens):
        super().__init__()
        self.chains, self._name, self._happens = wire.chains, name, happens

    def chain(self, kind, acc, oth="", **more):
        given = super().chain(kind, acc, oth, **more)
        if (kind, acc, oth) == self._name:
            self._name = None
            self._happens()
        return given


@pytest.mark.parametrize("kept", ["acct", "rel"])
@pytest.mark.parametrize("first", [False, True], ids=["at the patient's", "at the practice's"])
def test_what_another_process_keeps_meanwhile_is_no_contradiction(scene, kept, first):
    """While one process fetches what a link cites, another takes in the same, or even the link itself."""
    patient, practice, wire, db = scene
    oth = practice.account
    name = ("acct", oth, "") if kept == "acct" else ("rel", patient.me.account, oth)
    there = ChainStore(db, wire)
    asked = ("acct", oth if first else patient.me.account, "")
    here = ChainStore(db, Meanwhile(wire, asked, lambda: there.refresh(*name)))
    frames = wire.chains["rel", patient.me.account, oth]
    here.take("rel", patient.me.account, oth, frames)
    assert here.relations[patient.me.account, oth].frames == frames


def test_a_chain_that_grows_meanwhile_has_not_gone_back(scene):
    """What another process took in while the hub answered is not missing in the answer."""
    patient, _, wire, db = scene
    name = ("acct", patient.me.account, "")
    frames = wire.chains[name]
    there = ChainStore(db, wire)
    wire.chains[name] = frames[:-1]
    there.refresh(*name)

    def grows():
        wire.chains[name] = frames
        there.refresh(*name)

    here = ChainStore(db, Meanwhile(wire, name, grows))
    here.recheck(*name)
    here.refresh(*name)
    assert here.accounts[patient.me.account].frames == frames


@pytest.mark.parametrize("turn", [False, True], ids=["cited one first", "cited one last"])
def test_account_chains_that_cite_each_other_are_found_after_a_restart(tmp_path, turn):
    """Whatever the accounts are called, a chain in which a delegate has signed is replayed behind the delegate's."""
    one, other = sorted((world.person(), world.person()), key=lambda who: who.account, reverse=turn)
    body = {"to": other.account, "fp": other.state.fingerprint, "scope": "full", "nb": 0, "until": 2**53 - 1}
    one.add("delegate", body, world.START)
    resigned = statements.sign(
        other.sign, kind="acct", acc=one.account, head=one.state.head, iat=world.START, typ="undelegate",
        by=other.signer.by, cite={other.account: other.state.head}, body={"to": other.account},
    )  # fmt: skip
    wire = Wire()
    wire.chains["acct", one.account, ""] = [*one.frames, resigned]
    wire.chains["acct", other.account, ""] = other.frames
    db = open_database(tmp_path / "delegates.db", "")
    ChainStore(db, wire).refresh("acct", one.account)
    assert set(ChainStore(db, wire).accounts) == {one.account, other.account}
    db.close()


def test_a_gap_that_the_hub_does_not_fill_is_refused(scene):
    """A link without those before it is not passed over in silence."""
    patient, practice, wire, db = scene
    store = ChainStore(db, wire)
    chain = ("rel", patient.me.account, practice.account)
    frames, wire.chains[chain] = wire.chains[chain], []
    with pytest.raises(Rejected):
        store.take(*chain, frames[-1:])
    assert store.relations == {}


def test_a_shorter_chain_is_found_out(scene):
    """Asked for the whole chain, a hub that has less than it once showed is told from one that has more."""
    patient, practice, wire, db = scene
    store = ChainStore(db, wire)
    chain = ("rel", patient.me.account, practice.account)
    store.refresh(*chain)
    store.recheck(*chain)
    wire.chains[chain] = wire.chains[chain][:-1]
    with pytest.raises(Rejected) as caught:
        store.recheck(*chain)
    assert caught.value.reason == "rollback"
