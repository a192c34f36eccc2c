"""Keys of hubs: the own one from the keyring, another's as it was first told."""

import pytest

from connectors.hub_keys import HubKeys
from connectors.keyring import Keyring
from connectors.local_database import open_database
from consent.keys import SigningKey
from consent.primitives import Rejected

OTHER = "hub-b.example.org"


class Wire:
    """A hub that tells of others what it is made to tell."""

    def __init__(self, **peers):
        self.peers, self.asked = peers, 0

    def peer_keys(self):
        self.asked += 1
        return self.peers


@pytest.fixture
def db(tmp_path):
    opened = open_database(tmp_path / "keys.db", "")
    yield opened
    opened.close()


@pytest.fixture
def keyring():
    return Keyring.generate("klinik@hub-a.example.org", "http://127.0.0.1", SigningKey.generate().public)


def test_the_own_hubs_key_is_the_pinned_one(db, keyring):
    """Whatever the hub tells of its own domain, nobody asks."""
    wire = Wire(**{"hub-a.example.org": bytes(32)})
    assert HubKeys(db, keyring, wire).key("hub-a.example.org") == keyring.hub_key
    assert wire.asked == 0


def test_another_hubs_key_is_the_first_one_told(db, keyring):
    """A key told later, also after a restart, does not take its place."""
    first, second = SigningKey.generate().public, SigningKey.generate().public
    assert HubKeys(db, keyring, Wire(**{OTHER: first})).key(OTHER) == first
    assert HubKeys(db, keyring, Wire(**{OTHER: second})).key(OTHER) == first


def test_two_processes_that_are_told_different_keys_do_not_both_go_on(db, keyring):
    """Who comes second with another key is refused."""
    late = Wire(**{OTHER: SigningKey.generate().public})
    told = late.peer_keys

    def slowly():
        HubKeys(db, keyring, Wire(**{OTHER: SigningKey.generate().public})).key(OTHER)
        return told()

    late.peer_keys = slowly
    with pytest.raises(Rejected, match="stamp"):
        HubKeys(db, keyring, late).key(OTHER)


def test_a_hub_that_the_own_one_does_not_know_may_be_known_later(db, keyring):
    """No key: stale, and nothing is pinned."""
    with pytest.raises(Rejected, match="hub") as refused:
        HubKeys(db, keyring, Wire()).key(OTHER)
    assert refused.value.kind == "stale"
    first = SigningKey.generate().public
    assert HubKeys(db, keyring, Wire(**{OTHER: first})).key(OTHER) == first
