"""Who had the key of the vault's key compartment and must not have it any more."""

import pytest

from consent import lockout
from consent.primitives import b64
from tests.consent import world
from tests.consent.delegation import appoint
from tests.consent.world import DAY


@pytest.fixture
def home():
    """A patient with a representative, to whom the key was handed."""
    client = world.client()
    client.relative = world.person()
    appoint(client, client.relative, lockout.FULL, client.now + 30 * DAY)
    client.hand_key(client.relative)
    return client


def must(home):
    return lockout.must_change(home.hub.record, home.root.shared, home.now)


def lose_a_device(home, at):
    """The representative's phone is gone: his new device removes it, and his reading key is another."""
    relative, fresh = home.relative, home.relative.other_device()
    relative.add("device", fresh.device_body("client"), at)
    relative.add("undevice", {"dev": relative.device}, at)
    relative.rotate(at, bad=1)
    home.hub.know(relative)
    home.relative = fresh


def test_while_the_mandate_is_live_nothing_changes(home):
    """Until its last second; one of scope `manage` never has the key."""
    assert not must(home)
    home.now += 30 * DAY - 1
    assert not must(home)
    home.now += 1
    assert must(home)


def test_a_dismissed_one_is_locked_out_once(home):
    """The compartment gets another key and the account another reading key, once."""
    key, reading = home.root.key, home.hub.record.account.reading_key()
    home.post(home.account("undelegate", {"to": home.relative.account}))
    home.settle()
    assert home.root.key != key and home.root.shared == () and not must(home)
    assert home.hub.record.account.reading_key() != reading and reading in home.hub.record.account.bad_keys


def test_a_lost_device_of_a_representative_changes_the_key_and_he_stays(home):
    """Only if it was lost after he was named, and only once for each loss."""
    home.now += DAY
    lose_a_device(home, home.now)
    assert must(home)
    key = home.root.key
    home.now += 1
    home.settle()
    assert home.root.key != key and home.root.shared == (home.relative.account,) and not must(home)
    home.now += DAY
    lose_a_device(home, home.now)
    assert must(home)


def test_a_device_lost_before_he_was_named_does_not_count():
    """It never saw the vault."""
    home = world.client()
    home.relative = world.person()
    lose_a_device(home, home.now)
    home.now += 1
    appoint(home, home.relative, lockout.FULL, home.now + DAY)
    home.hand_key(home.relative)
    assert not must(home)


def test_narrowed_to_manage_counts_as_none(home):
    """Another scope, named anew at once: the key is another all the same."""
    home.post(home.account("undelegate", {"to": home.relative.account}))
    appoint(home, home.relative, "manage", home.now + DAY)
    assert must(home) and lockout.holders(home.hub.record, home.root.shared, home.now) == []


def test_what_was_made_under_the_elder_key_is_made_again(home):
    """Each open set gets a candidate with the other key, in the same version of the vault."""
    home.turn()
    home.post(home.account("undelegate", {"to": home.relative.account}))
    home.lock_out()
    candidates = {s: b64(one.master.secret) for s, one in home.vault.candidates.items()}
    open_sets = {s for s, state in home.hub.record.sets.items() if not state.closed}
    assert candidates.keys() == open_sets
    home.settle()
    assert all(home.hub.record.sets[s].current == 3 for s in open_sets)
