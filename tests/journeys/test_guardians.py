"""Guardians of a child over a real hub: until the age switch, and where two of them disagree. One clock for all."""

from contextlib import closing
from datetime import UTC, date, datetime

import pytest

from connectors.patient import appointing, enrolment, sharing
from connectors.patient.appointing import Appointment
from connectors.patient.delegation import Deputy
from connectors.patient.overview import lines, overview
from connectors.patient.reading import Reading
from connectors.patient.representative import Representative
from consent.categories import INDEX
from consent.lockout import FULL
from consent.owed import owed
from consent.pending import pending_since
from tests.consent.world import START
from tests.journeys.conftest import obhut
from tests.journeys.test_delegation import refused
from tests.journeys.test_expiry import House, town, write  # noqa: F401
from tests.journeys.test_sharing import VITALS

LAB, MENTAL = INDEX["lab"], INDEX["mental"]
BORN = date(2011, 11, 4)
SWITCH = appointing.age_switch(BORN)


@pytest.fixture
def database_url(tmp_path):
    """One database is enough here: what is tested lies with those who act."""
    return f"sqlite:///{tmp_path / 'hub.sqlite'}"


@pytest.fixture
def enrolled(tmp_path, town):  # noqa: F811
    """Makes clients of persons, by the test's clock."""
    made = []

    def make(name):
        client, _ = enrolment.enrol(tmp_path / name, town[1], town[0].clock)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def child(enrolled):
    return enrolled("child")


@pytest.fixture
def house(tmp_path, town):  # noqa: F811
    made = House(tmp_path, town, "praxis")
    yield made
    made.inbox.hub.close()
    made.store.database.close()


@pytest.fixture
def guardian(child, enrolled):
    """Makes guardians of the child: their own client, and what acts for the child by it."""

    def make(name, until=SWITCH):
        client = enrolled(name)
        appointing.appoint(child, Appointment(enrolment.card(client), until, FULL, "guardian"))
        side = Representative(client, child.account)
        side.sync()
        return side

    return make


def account(house):
    return house.keys.keyring.account


def test_a_guardian_acts_until_the_child_is_of_age_and_the_child_goes_on_alone(child, guardian, house, clock, tmp_path):
    """At that second the guardian is refused; what he may have seen is pending until the child's own client rotates."""
    assert datetime.fromtimestamp(SWITCH, UTC).isoformat() == "2026-11-03T23:00:00+00:00" and SWITCH > START
    father = guardian("father")
    sharing.grant(father, account(house), {VITALS})
    write(child, 1)
    assert house.found(child.account) == {"w1"}
    assert [one.kind for one in child.vault.mandates.values()] == ["guardian"]
    key, kept = child.root.key, father.vault

    clock.now = SWITCH
    write(child, 2)
    assert "your time has ended" in refused("forbidden", father.sync)
    refused("not-found", father.hub.vault, child.account)
    refused("not-found", father.save_vault, kept)
    child.sync()
    assert pending_since(child.record, child.now) == SWITCH
    assert child.settle() > 0
    assert (child.root.key != key, child.root.shared) == (True, ())
    assert pending_since(child.record, child.now) is None and owed(child.record, child.vault, child.now) is None
    write(child, 3)
    assert house.found(child.account) == {"w1", "w2", "w3"}  # what he granted stays, until the child ends it
    current = {(s, state.current, state.epoch(state.current).digest) for s, state in child.record.sets.items()}
    assert not current & kept.masters.keys()
    with closing(Reading(tmp_path / "father", father._client)) as reading:
        reading.refresh()
        assert reading.read("", child.account) == []
    assert sharing.withdraw(child, account(house)) == 1


def test_of_two_guardians_the_narrower_holds_until_one_says_otherwise_or_the_child_speaks(child, guardian, house):
    """By keys and by rule; who holds what back is told; and what is granted does not wait for the child's device."""
    mother, father = guardian("mother"), guardian("father")
    write(child, 1)
    sharing.grant(mother, account(house), {VITALS, LAB})
    assert _granted(mother, house) == {VITALS, LAB}
    father.sync()
    sharing.grant(father, account(house), {LAB, MENTAL})
    assert _granted(father, house) == {LAB} and house.found(child.account) == set()
    mother.sync()
    told = overview(mother)
    assert [(one["by"], one["categories"]) for one in told["held_back"]] == sorted(
        [(mother.keyring.account, ["mental"]), (father.keyring.account, ["vitals"])]
    )
    assert any("the narrower holds" in line and "vitals" in line for line in lines(told, mother.now))

    father.sync()
    sharing.withdraw(father, account(house))  # he refuses
    mother.sync()
    sharing.grant(mother, account(house), {VITALS})
    assert _granted(mother, house) == set() and house.found(child.account) == set()
    assert overview(mother)["held_back"][0]["refuses"]
    child.sync()
    appointing.dismiss(child, father.keyring.account)  # he loses the mandate: what the mother granted holds
    assert _granted(child, house) == {VITALS} and house.found(child.account) == {"w1"}

    sharing.grant(child, account(house), {LAB})  # the child speaks
    assert _granted(child, house) == {LAB} and house.found(child.account) == set()
    assert child.vault.words == {} and overview(child)["held_back"] == []
    mother.sync()
    assert owed(mother.record, mother.vault, mother.now) is None and mother.settle() == 0


def _granted(side, house):
    return {c for oth, _, terms in sharing.granted(side) if oth == account(house) for c in terms.categories}


def test_private_categories_are_kept_from_a_guardian_who_manages_by_keys(child, enrolled, house, tmp_path):
    """He reads all others, and cannot grant himself those; narrowed from full he holds none of their new keys."""
    client = enrolled("father")
    father = Appointment(enrolment.card(client), SWITCH, FULL, "guardian")
    appointing.appoint(child, father)
    private = frozenset([MENTAL, INDEX["intimate"]])
    appointing.appoint(child, Appointment(father.card, SWITCH, "manage", "guardian", private))
    write(child, 1)
    with closing(Reading(tmp_path / "father", client)) as reading:
        reading.refresh()
        assert [one.id for one in reading.read("", child.account)] == ["w1"]
        deputy = Deputy(reading, child.account)
        deputy.sync()
        places = deputy.places()
        own = next(s for s in child.record.sets if child.record.author(s) == child.account)
        held = {index for set_id, _, index in reading.keystore.held(child.account) if set_id == own}
        set_key = child.vault.sets[own]
        assert set_key.index(VITALS) in held and not {set_key.index(c) for c in private} & held
        assert all((c, 0) not in streams for streams in places.values() for c in private)
        refused("forbidden", deputy.grant, account(house), {MENTAL})
    assert "private" in refused("forbidden", sharing.grant, child, client.account, {MENTAL})
    wrong = Appointment(father.card, SWITCH, FULL, "guardian", private)
    assert "scope manage" in refused("invalid", appointing.appoint, child, wrong)


def test_the_commands(people, practice):
    """`delegate --kind guardian --born`, a refusal by one of two guardians, and what `show` says of it."""

    def run(who, *words):
        done = obhut("patient", *words, "--account", str(who.directory))
        return done.stdout + done.stderr

    kim, mum, dad = people("kim"), people("mum"), people("dad")
    to, acts = ("--to", practice.account), ("--for", kim.account)
    name = ("--scope", "full", "--kind", "guardian", "--born", "2020-03-31")
    for who in (mum, dad):
        assert "2035-03-30T" in run(kim, "delegate", "--to", str(who.card), *name)
    assert "--born" in run(kim, "delegate", "--to", str(mum.card), "--kind", "guardian", "--until", "2030-01-01")
    assert "granted" in run(mum, "grant", *to, "--categories", "vitals,lab", *acts)
    assert "granted" in run(dad, "grant", *to, "--categories", "lab", *acts)
    assert f"held back {practice.account}: vitals" in run(kim, "show")
    assert "withdrawn: 1" in run(dad, "withdraw", *to, *acts)
    assert "another guardian refuses" in run(mum, "grant", *to, "--categories", "lab", *acts)
    assert f"{dad.account} refuses this party" in run(mum, "show", *acts)
    narrower = ("--kind", "guardian", "--born", "2020-03-31", "--private", "mental,intimate")
    assert "all categories but mental, intimate" in run(kim, "delegate", "--to", str(dad.card), *narrower)
    assert f"{practice.account}: lab" in run(kim, "show")
