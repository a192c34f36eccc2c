"""The vault: what it keeps comes back, and it opens in its own place only."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import vault as vaults
from consent.keys import BoxKey
from consent.primitives import Rejected, random_bytes
from consent.vault import Vault
from tests.consent import world


@pytest.fixture(scope="module")
def home():
    """A client in the middle of a rotation, with terms, sets and candidates."""
    client = world.client()
    client.grant(world.organisation("klinik"), [1, 8])
    client.save(world.steps.prepare(client.hub.record, client.vault, sorted(client.vault.sets), client.now))
    return client


def test_vault_comes_back_as_it_was(home):
    """Sealed and opened, everything is there: keys, sets, masters, candidates, terms."""
    version, sealed = home.hub.vault
    again = vaults.unseal(sealed, home.me.account, version, home.vault_key)
    assert json.loads(again.dump()) == json.loads(home.vault.dump())
    assert (again.sets, again.masters, again.candidates, again.terms) == (
        home.vault.sets, home.vault.masters, home.vault.candidates, home.vault.terms
    )  # fmt: skip
    assert bytes(again.root) == bytes(home.vault.root)
    assert again.reading_keys.keys() == home.vault.reading_keys.keys()


def test_vault_opens_in_its_place_only(home):
    """Another account, version or key is refused: an old vault cannot be passed off as the newest."""
    version, sealed = home.hub.vault
    me = home.me.account
    for args in ((me, version + 1, home.vault_key), (me, version - 1, home.vault_key), (me, version, bytes(32)),
                 ("p-x@a.b", version, home.vault_key)):  # fmt: skip
        with pytest.raises(Rejected, match="aead"):
            vaults.unseal(sealed, *args)


@pytest.mark.parametrize("length", range(0, 201, 8))
def test_short_bytes_are_no_vault(length):
    """Random bytes are only ever rejected."""
    with pytest.raises(Rejected):
        vaults.unseal(random_bytes(length), "p-a@a.b", 1, bytes(32))
    with pytest.raises(Rejected):
        vaults.unwrap_by_secret(random_bytes(length), "p-a@a.b", "sheet", bytes(32))
    with pytest.raises(Rejected):
        vaults.unwrap_by_device(random_bytes(length), "p-a@a.b", "d", BoxKey(bytes(32)))


def test_wrap_opens_for_its_device_and_account_only():
    """A wrap for a device names whom it is for."""
    box, key = BoxKey.generate(), random_bytes(32)
    wrap = vaults.wrap_for_device(key, "p-a@a.b", "d1", box.public)
    assert vaults.unwrap_by_device(wrap, "p-a@a.b", "d1", box) == key
    for account, device, reason in (("p-b@a.b", "d1", "context"), ("p-a@a.b", "d2", "context")):
        with pytest.raises(Rejected, match=reason):
            vaults.unwrap_by_device(wrap, account, device, box)
    with pytest.raises(Rejected, match="seal"):
        vaults.unwrap_by_device(wrap, "p-a@a.b", "d1", BoxKey.generate())


def test_wrap_by_secret_opens_under_its_name_only():
    """What was wrapped for the sheet does not open as the passphrase's."""
    secret, key = random_bytes(32), random_bytes(32)
    wrap = vaults.wrap_for_secret(key, "p-a@a.b", "sheet", secret)
    assert vaults.unwrap_by_secret(wrap, "p-a@a.b", "sheet", secret) == key
    for account, name, wrap_key in (
        ("p-a@a.b", "passphrase", secret), ("p-b@a.b", "sheet", secret), ("p-a@a.b", "sheet", bytes(32))
    ):  # fmt: skip
        with pytest.raises(Rejected, match="aead"):
            vaults.unwrap_by_secret(wrap, account, name, wrap_key)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(st.sampled_from(["v", "root", "handle_key", "reading_keys", "sets", "masters", "candidates", "terms"]), JSON)
def test_odd_content_is_only_rejected(name, value):
    """Whatever stands in a field, the vault is read or rejected."""
    empty = Vault(world.SigningKey(bytes(32)), bytes(32))
    content = json.loads(empty.dump()) | {name: value}
    with suppress(Rejected):
        Vault.load(json.dumps(content).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{}", b'{"v":2}', b"\xff", b"[" * 100_000])
def test_what_is_no_vault_is_rejected(raw):
    """Another version, no object, no JSON, too deep."""
    with pytest.raises(Rejected):
        Vault.load(raw)


def test_no_secret_shows(home):
    """The repr of a vault and of what is in it shows counts."""
    shown = repr(home.vault) + repr(home.vault.sets) + repr(home.vault.masters) + repr(home.vault.terms)
    for secret in (bytes(home.vault.root), *(key.secret for key in home.vault.sets.values())):
        assert repr(secret)[2:-1] not in shown
    assert "resourceType" not in shown


def test_a_vault_in_which_something_is_hidden_is_none_for_a_client_that_would_lose_it(home):
    """Its form has another number, also while an amended grant still remembers; both forms are read."""
    (gid, terms), *_ = home.vault.terms.items()
    assert json.loads(home.vault.dump())["v"] == 1
    hidden = home.vault.with_hides(["Observation/1"])
    remembered = home.vault.with_terms(gid, replace(terms, hides=("Observation/1",)))
    noted = home.vault.with_desk("d-1", "amt@hub.example")
    for vault in (hidden, remembered, noted):
        assert json.loads(vault.dump())["v"] == 2
        again = Vault.load(vault.dump())
        assert (again.hides, again.terms, again.desks) == (vault.hides, vault.terms, vault.desks)
    other = json.loads(hidden.dump()) | {"v": 3}
    with pytest.raises(Rejected, match="vault"):
        Vault.load(json.dumps(other).encode())
