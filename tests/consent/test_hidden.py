"""What is hidden, in each grant: which grants are signed again, and what by."""

from dataclasses import replace

import pytest

from consent import hidden, steps
from consent.vault import Vault
from consent.who import terms_of
from tests.consent import world
from tests.consent.test_delegates import family, pass_on  # noqa: F401


def amended(client):
    """Write what is to be written, to the end; returns how often the vault, and how often a grant, was written."""
    count = [0, 0]
    while (step := hidden.amend(client.hub.record, client.vault, client.me.signer, client.now)) is not None:
        count[not isinstance(step, Vault)] += 1
        client.save(step) if isinstance(step, Vault) else client.post(step)
        assert sum(count) < 10
    return count


@pytest.fixture
def shared():
    """A patient, and two grants of hers to one practice."""
    client, practice = world.client(), world.organisation("praxis")
    return client, practice, [client.grant(practice, [1]), client.grant(practice, [8])]


def named(client, practice, gid):
    """The terms that a grant names now."""
    return terms_of(client.vault, client.hub.record.relations[practice.account].grants[gid].rules)


def test_each_grant_is_signed_again_once_with_what_is_hidden(shared):
    """Under another salt; the terms of before stay, as proof; nothing more is to do until something else is hidden."""
    client, practice, gids = shared
    before = [named(client, practice, gid) for gid in gids]
    for hides in (["Observation/1"], ["Observation/1", "Observation/2"], []):
        client.save(client.vault.with_hides(hides))
        assert amended(client) == [1, 2]
        for gid, first in zip(gids, before, strict=True):
            now = named(client, practice, gid)
            assert (now.hides, now.rules, now.salt == first.salt) == (tuple(hides), None, False)
            assert client.vault.terms[steps.consent_hash(first)] == first


def test_what_is_hidden_from_one_is_said_to_that_one_alone():
    """Beside what is hidden from all; a vault that hides nothing from a single one does not speak of it."""
    client, one, other = world.client(), world.organisation("praxis"), world.organisation("klinik")
    of_one, of_other = client.grant(one, [1]), client.grant(other, [1])
    client.save(client.vault.with_hides(["Observation/2"]).with_hides(["Observation/1"], one.account))
    assert amended(client) == [1, 2]
    assert named(client, one, of_one).hides == ("Observation/1", "Observation/2")
    assert named(client, other, of_other).hides == ("Observation/2",)
    assert b"hidden_from" in client.vault.dump()
    client.save(client.vault.with_hides([], one.account))
    assert amended(client) == [1, 1]
    assert b"hidden_from" not in client.vault.dump()


def test_what_another_hid_meanwhile_is_made_up_for(shared):
    """Terms that are in the vault and not said yet are overwritten by those that hide what is hidden now."""
    client, practice, gids = shared
    client.save(client.vault.with_hides(["Observation/1"]))
    client.save(hidden.amend(client.hub.record, client.vault, client.me.signer, client.now))
    client.save(client.vault.with_hides(["Observation/2"]))
    assert amended(client) == [1, 2]
    assert {named(client, practice, gid).hides for gid in gids} == {("Observation/2",)}


def test_a_wish_that_was_not_sent_is_not_sent_by_that(shared):
    """A longer time that is in the vault only: the grant hides what is hidden, and ends when it did."""
    client, practice, (gid, _) = shared
    until = named(client, practice, gid).until
    terms = replace(client.vault.terms[gid], until=until + 1, salt=bytes(16))
    elder = client.vault.terms[gid]
    client.save(client.vault.with_terms(steps.consent_hash(elder), elder).with_terms(gid, terms))
    assert amended(client) == [0, 0]
    client.save(client.vault.with_hides(["Observation/1"]))
    amended(client)
    now = named(client, practice, gid)
    assert (now.until, now.hides) == (until, ("Observation/1",))


def test_what_a_delegate_granted_hides_it_too_and_grows_no_longer(family):  # noqa: F811
    """By the rules the delegate reads by; where those are several, the grant is left, and said to be."""
    client, relative, practice, own = family
    client.post(pass_on(client, relative, own, practice, until=client.now + 10))
    assert amended(client) == [0, 0]
    (gid,) = client.hub.record.relations[practice.account].grants
    client.save(client.vault.with_hides(["Observation/1"]))
    assert hidden.unreached(client.hub.record, client.vault, client.now) == []
    assert hidden.assumed(client.hub.record, client.vault, client.now) == [gid]
    assert amended(client)[1] == 2
    now = named(client, practice, gid)
    assert (now.until, now.hides) == (client.now + 10, ("Observation/1",))
    other = next(iter(client.vault.terms))
    rules = {"v": 1, "policies": []}
    client.save(client.vault.with_terms("other", replace(client.vault.terms[other], oth=relative.account, rules=rules)))
    client.post(pass_on(client, relative, own, practice))
    (left,) = hidden.unreached(client.hub.record, client.vault, client.now)
    assert left != gid
    assert amended(client) == [0, 0]
