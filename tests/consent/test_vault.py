"""The vault: what it keeps comes back, and it opens in its own place only."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import vault as vaults
from consent.keys import BoxKey, SigningKey
from consent.primitives import Rejected, b64, random_bytes
from consent.rules import compartments
from consent.vault import Named, RootCompartment, Vault, Word
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
    again = vaults.unseal(sealed, home.me.account, version, home.root.key)
    root = vaults.unseal_root(sealed, home.me.account, home.vault_key)
    assert json.loads(again.dump()) == json.loads(home.vault.dump())
    assert (again.sets, again.masters, again.candidates, again.terms) == (
        home.vault.sets, home.vault.masters, home.vault.candidates, home.vault.terms
    )  # fmt: skip
    assert (bytes(root.root), root.key) == (bytes(home.me.root), home.root.key)
    assert again.reading_keys.keys() == home.vault.reading_keys.keys()


def test_vault_opens_in_its_place_only(home):
    """Another account, version or key is refused: an old vault cannot be passed off as the newest."""
    version, sealed = home.hub.vault
    me = home.me.account
    for args in ((me, version + 1, home.root.key), (me, version - 1, home.root.key), (me, version, bytes(32)),
                 ("p-x@a.b", version, home.root.key)):  # fmt: skip
        with pytest.raises(Rejected, match="aead"):
            vaults.unseal(sealed, *args)
    for where in ((me, home.root.key), ("p-x@a.b", home.vault_key)):
        with pytest.raises(Rejected, match="aead"):
            vaults.unseal_root(sealed, *where)


def test_who_has_the_key_of_one_compartment_writes_the_other_as_it_is(home):
    """A delegate's version opens for her as her own does, and the delegate never held the root key."""
    version, sealed = home.hub.vault
    kept, _ = compartments(sealed)
    opened = vaults.unseal(sealed, home.me.account, version, home.root.key)
    again = vaults.seal(kept, opened.with_hides(["Observation/1"]), home.me.account, version + 1, home.root.key)
    root = vaults.unseal_root(again, home.me.account, home.vault_key)
    assert bytes(root.root) == bytes(home.me.root)
    assert vaults.unseal(again, home.me.account, version + 1, root.key).hides == ("Observation/1",)
    for secret in (bytes(home.me.root), b64(bytes(home.me.root)).encode()):
        assert secret not in opened.dump()


def test_another_key_opens_nothing_that_is_sealed_later(home):
    """After the compartment got another key the elder one, whoever keeps it, opens no later version."""
    locked = replace(home.root, shared=("p-x@a.b",)).locked()
    assert locked.shared == () and locked.key != home.root.key
    sealed = vaults.seal(vaults.seal_root(locked, "p-a@a.b", bytes(32)), home.vault, "p-a@a.b", 9, locked.key)
    with pytest.raises(Rejected, match="aead"):
        vaults.unseal(sealed, "p-a@a.b", 9, home.root.key)
    assert vaults.unseal(sealed, "p-a@a.b", 9, locked.key).sets == home.vault.sets


@pytest.mark.parametrize("length", range(0, 201, 8))
def test_short_bytes_are_no_vault(length):
    """Random bytes are only ever rejected."""
    with pytest.raises(Rejected):
        vaults.unseal(random_bytes(length), "p-a@a.b", 1, bytes(32))
    with pytest.raises(Rejected):
        vaults.unseal_root(length.to_bytes(4, "little") + random_bytes(length), "p-a@a.b", bytes(32))
    with pytest.raises(Rejected):
        vaults.unwrap_by_secret(random_bytes(length), "p-a@a.b", "sheet", bytes(32))
    with pytest.raises(Rejected):
        vaults.unwrap_by_box(random_bytes(length), "p-a@a.b", "d", BoxKey(bytes(32)))


def test_wrap_opens_for_its_device_and_account_only():
    """A wrap for a device names whom it is for."""
    box, key = BoxKey.generate(), random_bytes(32)
    wrap = vaults.wrap_for_box(key, "p-a@a.b", "d1", box.public)
    assert vaults.unwrap_by_box(wrap, "p-a@a.b", "d1", box) == key
    for account, device, reason in (("p-b@a.b", "d1", "context"), ("p-a@a.b", "d2", "context")):
        with pytest.raises(Rejected, match=reason):
            vaults.unwrap_by_box(wrap, account, device, box)
    with pytest.raises(Rejected, match="seal"):
        vaults.unwrap_by_box(wrap, "p-a@a.b", "d1", BoxKey.generate())


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


@pytest.mark.parametrize("part", [Vault(), RootCompartment(world.SigningKey(bytes(32)), bytes(32), bytes(32))])
@given(data=st.data(), value=JSON)
def test_odd_content_is_only_rejected(part, data, value):
    """Whatever stands in a field, the compartment is read or rejected."""
    content = json.loads(part.dump())
    content[data.draw(st.sampled_from(sorted(content)))] = value
    with suppress(Rejected):
        type(part).load(json.dumps(content).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{}", b'{"v":3}', b"\xff", b"[" * 100_000])
def test_what_is_no_vault_is_rejected(raw):
    """Another version, no object, no JSON, too deep."""
    for part in (Vault, RootCompartment):
        with pytest.raises(Rejected):
            part.load(raw)
    with pytest.raises(Rejected, match="vault"):
        Vault.load(json.dumps(json.loads(Vault().dump()) | {"v": 2}).encode())


def test_no_secret_shows(home):
    """The repr of a vault and of what is in it shows counts."""
    shown = (
        repr(home.root) + repr(home.vault) + repr(home.vault.sets) + repr(home.vault.masters) + repr(home.vault.terms)
    )
    for secret in (bytes(home.me.root), home.root.key, *(key.secret for key in home.vault.sets.values())):
        assert repr(secret)[2:-1] not in shown
    assert "resourceType" not in shown


def test_what_is_hidden_noted_named_and_said_comes_back(home):
    """The lists of the vault, and what an amended grant still remembers."""
    (gid, terms), *_ = home.vault.terms.items()
    words = {terms.oth: {"p-m@a.b": Word(7, terms), "p-f@a.b": Word(8, None)}}
    full = replace(home.vault.with_hides(["Observation/1"]), words=words, mandates={"p-m@a.b": Named("guardian")})
    full = full.with_terms(gid, replace(terms, hides=("Observation/1",))).with_desk("d-1", "amt@hub.example")
    again = Vault.load(full.dump())
    for name in ("hides", "terms", "desks", "mandates", "words"):
        assert getattr(again, name) == getattr(full, name)


def test_what_devices_are_called_is_in_the_root_compartment():
    """It stays when the compartment gets another key; without names a compartment is as it was before."""
    root = RootCompartment(SigningKey.generate(), bytes(32), bytes(32))
    assert b"names" not in root.dump()
    assert root.named("d" + "a" * 16, "") == root
    named = root.named("d" + "a" * 16, "Küche").locked()
    assert RootCompartment.load(named.dump()).names == {"d" + "a" * 16: "Küche"}
