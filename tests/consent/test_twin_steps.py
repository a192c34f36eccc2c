"""The portal's twin as the patient's client: what is owed, what is written, what the hub takes."""

from dataclasses import replace

import pytest

from tests.consent import properties, world
from tests.consent.crowd import resource
from tests.consent.delegation import appoint
from tests.consent.readers import hold, read, reader
from tests.consent.twin_steps import TwinSteps
from tests.consent.world import DAY, START, Client, organisation


@pytest.fixture
def home(twin) -> Client:
    """A patient who has enrolled, whose client is the twin from then on."""
    writes = TwinSteps(twin)
    return replace(world.client(), steps=writes, next_step=writes.next_step)


def test_a_patients_whole_story_is_written_by_the_twin(home):
    """Grant, permit, change, withdrawal, expiry and what is owed after each: the hub takes all of it."""
    house, doctor = organisation("klinik"), organisation("praxis")
    gid = home.grant(house, [1, 8])
    set_id = home.permit(doctor)
    bid = home.write(doctor, set_id, 8, [resource(8)])
    assert home.hub.released(house.account, home.now) == [bid]
    assert [line for line, _ in read(home.hub, house, bid, home.now).resources] == [resource(8)]
    home.grant(house, [1], gid=gid)
    later = home.write(doctor, set_id, 1, [resource(1)])
    assert home.hub.released(house.account, home.now) == [later]
    home.grant(organisation("labor"), [3], whole=False, until=START + DAY)
    home.now += 2 * DAY
    home.settle()
    home.withdraw(house, gid)
    home.post(home.steps.unpermit(home.hub.record, doctor.account, set_id, home.me.signer, home.now))
    home.settle()
    assert home.hub.record.sets[set_id].closed
    assert home.hub.released(house.account, home.now) == []
    assert properties.nothing_owed(home, home.now)


def test_a_new_grant_is_of_sets_that_the_twin_made_too(home):
    """More authors than spare sets: the twin makes a block of new ones, and hands them to everybody who may read."""
    house = organisation("klinik")
    home.grant(house, [1, 8])
    for name in ("praxis", "labor", "augen", "pflege", "zahn"):
        set_id = home.permit(organisation(name))
    assert set_id in home.hub.record.relations[house.account].live(home.now)[0].cover
    assert len(home.hub.record.sets) == 8


def test_a_relative_hands_on_by_the_twin_what_she_holds(home):
    """A delegate of the scope `manage`: the counterpart gets the same seeds, and she needs no vault."""
    relative, practice = world.person(), organisation("praxis")
    appoint(home, relative, "manage", START + 400 * DAY)
    own = home.grant(relative, range(0, 16, 2), until=START + 300 * DAY)
    home.meet(practice)
    seeds, category_of = hold(home.hub, relative), reader(home.hub, relative).category_of
    record, signer = home.hub.record, relative.signer
    home.post(home.steps.hand_on(record, home.vault, own, practice.account, seeds, category_of, signer, home.now))
    assert hold(home.hub, practice) == seeds


def test_after_an_emergency_the_twin_prepares_the_same_sets(home):
    """What the house was handed before the end is to be replaced; what came later, and other houses, not."""
    house, other = organisation("klinik"), organisation("labor")
    gid, its = home.grant(house, [1], emergency=(3600, "physician")), home.grant(other, [1])
    record, own = home.hub.record, home.vault
    step = home.steps.owed_after(record, own, [(house.account, gid, START + 1)])
    assert step is not None
    assert set(step.sets) == record.sets.keys()
    for ended in ([], [(house.account, gid, START)], [(house.account, its, START + 1)]):
        assert home.steps.owed_after(record, own, ended) is None
    home.save(home.steps.perform(record, own, step, home.me.signer, home.now))
    assert home.steps.owed_after(home.hub.record, home.vault, [(house.account, gid, START + 1)]) is None
