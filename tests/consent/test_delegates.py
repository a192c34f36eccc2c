"""Delegates: what they may grant, and that their coming and going never stops the patient's own client."""

from dataclasses import replace

import pytest

from consent import steps
from consent.grants import Moment, started, tainted
from consent.primitives import Rejected
from consent.steps import Signer
from tests.consent import world
from tests.consent.delegation import appoint, pass_on
from tests.consent.readers import hold
from tests.consent.world import DAY


@pytest.fixture
def family():
    """A patient, a relative of the scope `manage` who may read all, a practice."""
    client, relative, practice = world.client(), world.person(), world.organisation("praxis")
    appoint(client, relative, "manage", client.now + 400 * DAY)
    own = client.grant(relative, range(16), until=client.now + 300 * DAY)
    client.meet(practice)
    return client, relative, practice, own


def test_rotation_goes_on_over_a_grant_that_a_delegate_made(family):
    """The patient's client hands new seeds to a counterpart whose grant it did not make itself."""
    client, relative, practice, own = family
    other = world.organisation("klinik")
    gone = client.grant(other, [1])
    client.post(pass_on(client, relative, own, practice))
    client.withdraw(other, gone)
    current = {(s, state.current) for s, state in client.hub.record.sets.items()}
    assert current == {(s, 2) for s in client.hub.record.sets}
    assert current <= {(s, e) for s, e, _ in hold(client.hub, practice)}


def test_growing_grant_of_a_delegate_grows(family):
    """A new author can be permitted although a grant that covers sets to come was made by a delegate."""
    client, relative, practice, own = family
    client.post(pass_on(client, relative, own, practice, grow=1))
    for number in range(5):
        set_id = client.permit(world.organisation(f"arzt-{number}"))
    client.settle()
    (grant,) = client.hub.record.relations[practice.account].grants.values()
    assert set_id in grant.cover


def test_growing_keeps_the_rules_of_the_newest_link(family):
    """What a delegate shortened is not lengthened again when the grant grows."""
    client, relative, practice, own = family
    gid = client.grant(practice, range(16), until=client.now + 200 * DAY)
    client.post(pass_on(client, relative, own, practice, grow=1, gid=gid, until=client.now + 10 * DAY))
    client.save(steps.new_sets(client.vault, 1))
    client.settle()
    grant = client.hub.record.relations[practice.account].grants[gid]
    assert len(grant.cover) == len(client.hub.record.sets)
    assert grant.until == client.now + 10 * DAY


def test_delegate_cannot_let_a_grant_grow_beyond_its_own():
    """A grant that covers sets to come needs an own grant that does."""
    client, relative, practice = world.client(), world.person(), world.organisation("praxis")
    appoint(client, relative, "manage", client.now + 400 * DAY)
    own = client.grant(relative, range(16))
    fixed = client.vault.terms[own]
    client.save(client.vault.with_terms(own, replace(fixed, grow=False)))
    client.post(
        steps.grant(client.hub.record, client.vault, own, client.vault.terms[own], client.me.signer, client.now)
    )
    client.meet(practice)
    with pytest.raises(Rejected, match="scope"):
        client.post(pass_on(client, relative, own, practice, grow=1))
    client.post(pass_on(client, relative, own, practice, grow=0))


def test_end_of_a_full_delegate_is_followed_by_one_rotation():
    """When a full delegation expires, the seeds change once, and nothing is owed after that."""
    client, relative = world.client(), world.person()
    appoint(client, relative, "full", client.now + DAY)
    client.now += 2 * DAY
    assert client.settle() > 0
    assert {state.current for state in client.hub.record.sets.values()} == {2}
    client.now += DAY
    assert client.settle() == 0


def test_full_delegate_acts_within_its_time():
    """A full delegate may permit; after its end its statements are refused."""
    client, relative = world.client(), world.person()
    appoint(client, relative, "full", client.now + DAY)
    signer = Signer(relative.account, relative.device, relative.sign)
    practice = world.organisation("praxis")
    client.hub.know(practice)
    client.post(steps.open_relation(client.hub.record, practice.account, "card", signer, client.now))
    client.now += DAY
    other = world.organisation("klinik")
    client.hub.know(other)
    with pytest.raises(Rejected, match="delegate"):
        client.post(steps.open_relation(client.hub.record, other.account, "card", signer, client.now))


def test_moment_before_a_lost_device_of_a_full_delegate_is_tainted():
    """What a full delegate's lost client may have seen counts as seen."""
    client, relative = world.client(), world.person()
    appoint(client, relative, "full", client.now + 400 * DAY)
    client.save(client.vault)
    client.turn()
    set_id = next(iter(client.hub.record.sets))
    second = relative.other_device()
    relative.add("device", second.device_body("client"), client.now + 1)
    relative.add("undevice", {"dev": relative.device}, client.now + 2)
    client.hub.know(relative)
    record = client.hub.record
    moment: Moment = started(record.sets[set_id], record.account.acc)
    assert tainted(record, moment, client.now + 3)
