"""Since when a rotation is pending: the earliest second from which somebody who may read no more could hold a key."""

import pytest

from consent import steps
from consent.pending import pending_since
from tests.consent import world
from tests.consent.delegation import appoint
from tests.consent.world import DAY, START


@pytest.fixture
def client():
    """A patient whose practice reads two categories for ninety days."""
    made = world.client()
    made.practice = world.organisation("praxis")
    made.gid = made.grant(made.practice, [1, 8])
    assert pending_since(made.hub.record, made.now) is None
    return made


def after(client, days=1):
    client.now += days * DAY
    return pending_since(client.hub.record, client.now)


def end(client):
    client.post(steps.end(client.hub.record, client.practice.account, client.gid, client.me.signer, client.now))


def narrow(client):
    terms = client.vault.terms[client.gid]
    fewer = terms.__class__(**{**vars(terms), "categories": frozenset({1})})
    client.save(client.vault.with_terms(client.gid, fewer))
    record = client.hub.record
    client.post(steps.grant(record, client.vault, client.gid, fewer, client.me.signer, client.now))


def lose_phone(client):
    lost = client.me.other_device()
    client.post(client.account("device", lost.device_body("client")))
    client.post(client.account("undevice", {"dev": lost.device}))


def compromise(client):
    client.practice.rotate(client.now, bad=1)
    client.hub.know(client.practice)


@pytest.mark.parametrize("act", [end, narrow, lose_phone, compromise])
def test_it_is_pending_since_the_second_of_what_happened(client, act):
    """An end, a narrower grant, a lost phone, a compromised key: it counts from there, and until it is settled."""
    client.now += DAY
    act(client)
    assert after(client) == START + DAY
    client.settle()
    assert after(client) is None


def test_of_two_the_earlier_counts(client):
    """A withdrawal a day after a phone was lost does not make it later."""
    client.now += DAY
    lose_phone(client)
    client.now += DAY
    end(client)
    assert after(client) == START + DAY


def test_an_expiry_counts_from_its_second(client):
    """Nobody says anything when a grant expires."""
    assert after(client, 90) == START + 90 * DAY
    client.settle()
    assert after(client) is None


def test_the_end_of_a_full_delegate_counts(client):
    """It has seen the keys, and its time is over."""
    appoint(client, world.person(), "full", START + 5 * DAY)
    assert after(client, 4) is None
    assert after(client, 2) == START + 5 * DAY


def test_the_lost_phone_of_a_full_delegate_counts(client):
    """What it held, a stranger may hold."""
    relative = world.person()
    appoint(client, relative, "full", START + 50 * DAY)
    second = relative.other_device()
    relative.add("device", second.device_body("client"), START + DAY)
    relative.add("undevice", {"dev": relative.device}, START + 2 * DAY)
    client.hub.know(relative)
    assert after(client, 3) == START + 2 * DAY
