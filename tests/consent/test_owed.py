"""What is owed: cases that a newcomer would not think of."""

import pytest

from consent import owed, steps
from consent.steps import Signer
from tests.consent import world
from tests.consent.delegation import appoint
from tests.consent.world import DAY, START


@pytest.fixture
def home():
    """A patient with a second client, and a new set in the vault whose chain has not started."""
    client = world.client()
    client.second = client.me.other_device()
    client.post(client.account("device", client.second.device_body("client")))
    client.save(steps.new_sets(client.vault, 1))
    (client.fresh,) = client.vault.sets.keys() - client.hub.record.sets.keys()
    return client


def started_with(home) -> bytes:
    """The digest of the epoch that the new set's chain begins with."""
    home.settle()
    return home.hub.record.sets[home.fresh].epoch(1).digest


def known(home) -> set[bytes]:
    """Digests of the epochs whose masters the vault holds for the new set."""
    return {digest for set_id, _, digest in home.vault.masters if set_id == home.fresh}


def test_new_set_starts_with_the_keys_it_was_made_with(home):
    """Nothing happened in between."""
    assert started_with(home) in known(home)
    assert len(known(home)) == 1


def test_new_set_that_a_lost_client_knew_starts_with_other_keys(home):
    """Its seeds were in the vault before the client was removed, although its chain starts afterwards."""
    seen = known(home)
    home.post(home.account("undevice", {"dev": home.second.device}))
    assert started_with(home) not in seen


def test_new_set_that_a_former_full_delegate_knew_starts_with_other_keys(home):
    """The same where the vault was seen by a delegate whose time is over."""
    relative = world.person()
    appoint(home, relative, "full", START + DAY)
    seen = known(home)
    home.now = START + DAY
    assert started_with(home) not in seen


def test_set_of_a_vault_without_its_candidate_starts_too(home):
    """A vault that was written anew without candidates, as at the removal of a device."""
    home.save(home.vault.without_candidates(home.vault.candidates))
    home.settle()
    assert home.fresh in home.hub.record.sets


def test_rotation_of_many_sets_writes_the_vault_twice(home):
    """Once for the candidates, once to drop them, however many sets there are."""
    home.settle()
    gone = home.grant(world.organisation("klinik"), [1])
    home.withdraw(world.organisation("klinik"), gone, settle=False)
    version = home.hub.record.account.vault[0]
    home.settle()
    assert len(home.hub.record.sets) == 5
    assert home.hub.record.account.vault[0] == version + 2


def test_full_delegate_does_what_is_owed(home):
    """Every step but the vault's own keys: whoever has the vault can go on."""
    relative = world.person()
    home.grant(world.organisation("klinik"), [1])
    appoint(home, relative, "full", START + DAY)
    gone = home.grant(world.organisation("praxis"), [2])
    home.withdraw(world.organisation("praxis"), gone, settle=False)
    signer = Signer(relative.account, relative.device, relative.sign)
    kinds = set()
    while step := owed.owed(home.hub.record, home.vault, home.now):
        result = steps.perform(home.hub.record, home.vault, step, signer, home.now)
        kinds.add(type(step))
        if isinstance(result, steps.Vault):
            home.save(result)
        else:
            home.post(result)
    assert kinds == {owed.Prepare, owed.HandOut, owed.StartEpoch, owed.Drop}
