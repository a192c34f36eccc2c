"""What the hub gives a delegate who acts with the patient's keys, and what it takes from her."""

import pytest

from consent import vault as vaults
from consent.primitives import b64, random_bytes, unb64
from consent.rules import blob_hash, compartments
from consent.statements import sign
from consent.streams import position
from tests.consent.world import DAY
from tests.hub.people import problem


@pytest.fixture
def home(town):
    """A patient with two delegates, one of each scope, and wraps for both and for her device."""
    patient = town.patient()
    patient.full, patient.manager = town.person(), town.person()
    for who, scope in ((patient.full, "full"), (patient.manager, "manage")):
        patient.hub.know(who)
        body = {"to": who.account, "fp": who.state.fingerprint, "scope": scope, "nb": 0, "until": town.now + DAY}
        patient.post(patient.account("delegate", body))
    wraps = {who: b64(b"w" * 40) for who in (patient.me.device, patient.full.account, patient.manager.account)}
    assert town.post("/v1/statements", {"statements": [], "wraps": wraps}, patient.me).status_code == 200
    return patient


def version(home, who, sealed):
    """The next version of the vault as a delegate writes it."""
    state = home.hub.record.account
    body = {"ver": state.vault[0] + 1, "hash": blob_hash(sealed)}
    frame = sign(
        who.sign, kind="acct", acc=state.acc, head=state.head, iat=max(home.now, state.links[-1].iat), typ="vault",
        by=who.signer.by, cite={who.account: position(who.state)}, body=body,
    )  # fmt: skip
    return {"statements": [{"frame": b64(frame), "blob": b64(sealed)}]}


def test_the_vault_and_one_wrap_for_who_acts_with_its_keys(town, home):
    """Her own device gets all wraps; the delegate of scope full the one under its name; one who manages nothing."""
    path = f"/v1/vault/{home.me.account}"
    assert len(town.get(path, home.me).json["wraps"]) == 3
    given = town.get(path, home.full).json
    assert list(given["wraps"]) == [home.full.account]
    assert unb64(given["ciphertext"]) == unb64(town.get(path, home.me).json["ciphertext"])
    for stranger in (home.manager, town.person()):
        assert town.get(path, stranger).status_code == 404
    town.clock.now += DAY
    assert town.get(path, home.full).status_code == 404


def test_the_access_log_for_who_acts_with_its_keys(town, home):
    """Not for one who manages, nor for anybody else, nor after its time; that it was read stands there once a day."""
    path = f"/v1/log/{home.me.account}"

    def looks():
        entries = town.get(path, home.me).json["entries"]
        return [entry["actor"] for entry in entries if entry["action"] == "log"]

    first = town.get(path, home.full).json
    assert first["entries"][-1]["action"] == "log" and first["head"]
    assert town.get(path, home.full, after=first["next"]).json["entries"] == []
    assert looks() == [home.full.account]
    for stranger in (home.manager, town.person(), town.organisation("praxis")):
        assert town.get(path, stranger).status_code == 404
    town.clock.now += DAY
    assert town.get(path, home.full).status_code == 404
    assert looks() == [home.full.account]


def test_no_report_hides_that_a_delegate_read_the_access_log(town, home):
    """Whatever she reports as read before, be it the very words by which a look is known, the look is noted."""
    home.meet(home.full)
    said = f"log {home.full.account} {town.now // DAY}".encode()
    report = {"acc": home.me.account, "at": town.now, "purpose": "TREAT", "sealed": b64(said)}
    assert town.post("/v1/reads", {"reports": [report]}, home.full).json == {"results": [{"status": 202}]}
    entries = town.get(f"/v1/log/{home.me.account}", home.full).json["entries"]
    assert [entry["action"] for entry in entries[-2:]] == ["read", "log"]


def test_a_delegates_version_carries_the_root_compartment_as_it_was(town, home):
    """Another one, an elder one too, is refused; and so are other wraps, whatever is in them."""
    old = unb64(town.get(f"/v1/vault/{home.me.account}", home.me).json["ciphertext"])
    number, vault = home.hub.record.account.vault[0] + 1, home.vault.with_hides(["Observation/1"])
    kept, _ = compartments(old)
    other = vaults.seal_root(home.root, home.me.account, home.vault_key)
    for wrong in (other, kept[:-1], b""):
        sealed = vaults.seal(wrong, vault, home.me.account, number, home.root.key)
        answer = town.post("/v1/statements", version(home, home.full, sealed), home.full)
        assert problem(answer)["reason"] == "vault"
    good = version(home, home.full, vaults.seal(kept, vault, home.me.account, number, home.root.key))
    wraps = {"wraps": {home.full.account: b64(random_bytes(40))}}
    assert town.post("/v1/statements", good | wraps, home.full).status_code == 403
    assert town.post("/v1/statements", good, home.full).status_code == 200
    assert len(town.get(f"/v1/vault/{home.me.account}", home.me).json["wraps"]) == 3


def test_a_message_to_her_comes_to_who_acts_with_her_keys(town, home):
    """To both, with whom it is to; not to one who manages, and not any more once her time has ended."""
    house = town.organisation("praxis")
    home.meet(house)
    town.post("/v1/messages", {"to": home.me.account, "frame": b64(b"x" * 300)}, house)

    def heard(who):
        return [e["to"] for e in town.feed(who) if e["type"] == "message"]

    assert heard(home.me) == heard(home.full) == [home.me.account]
    assert heard(home.manager) == []
    town.clock.now += DAY
    assert heard(home.full) == []
