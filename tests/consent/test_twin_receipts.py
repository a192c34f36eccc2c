"""Receipts are made and checked by the portal's twin as by Python."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from consent import receipts
from consent.primitives import b64
from tests.consent import world
from tests.consent.delegation import appoint, pass_on
from tests.consent.test_receipts import PAPER, _leaves, _put, card, sign
from tests.consent.twin import Twin, agree
from tests.consent.twin_steps import TwinSteps
from tests.consent.world import DAY, START, Client, organisation


@pytest.fixture
def made(twin) -> tuple[Client, dict[str, bytes]]:
    """By template, on paper, changed, withdrawn, with a representative in the chains: the same receipt from both."""
    client, practice, relative = world.client(), organisation("praxis"), world.person()
    gid, terms = sign(client, practice)
    desk, on_paper = sign(client, practice, language="en", paper=PAPER)
    appoint(client, relative, "manage", START + 400 * DAY)
    own = client.grant(relative, range(16), until=START + 300 * DAY)
    client.post(pass_on(client, relative, own, practice))
    client.permit(practice)
    client.now += DAY
    _, renewed = sign(client, practice, gid=gid, name="one-visit")
    client.now += 200 * DAY
    client.withdraw(practice, gid)
    client.vault = client.vault.with_terms("old", terms)
    client.save(client.vault)
    record, found, home = client.hub.record, {}, TwinSteps(twin)
    for name, which, one in (("old", gid, terms), ("paper", desk, on_paper), ("new", gid, renewed)):
        found[name] = receipts.make(record, practice.account, which, one)
        kept = "old" if name == "old" else which
        theirs = home.receipt(record, client.vault, practice.account, which, kept)
        assert json.loads(theirs) == json.loads(found[name])
        assert receipts.verify(theirs, card(client)).gid == which
    return client, found


def asked(raw: bytes, shown: str | None) -> tuple[str, dict[str, Any]]:
    """A receipt held against a card."""
    return "receipt", {"raw": b64(raw), "card": shown}


def test_a_receipt_proves_the_same_to_both(twin, made):
    """Terms, statement, events, end; and to neither with another's card."""
    client, found = made
    mine = str(card(client))
    told = agree(twin, [asked(one, shown) for one in found.values() for shown in (mine, None)])
    assert [one["ok"]["replaced"] for one in told[::2]] == [True, False, False]
    other = str(replace(card(client), fingerprint=card(world.client()).fingerprint))
    assert agree(twin, [asked(found["old"], other)]) == [{"kind": "broken", "reason": "fingerprint"}]
    agree(twin, [asked(raw, mine) for raw in (b"", b"{}", b"\xff", b'{"resourceType":"Bundle","entry":[{}]}')])


def refuses(twin: Twin, raws: list[bytes], shown: str) -> None:
    """Both refuse all of these, for whatever reason each finds first."""
    for raw, theirs in zip(raws, twin.ask([asked(raw, shown) for raw in raws]), strict=True):
        assert "kind" in theirs or "problem" in theirs, (raw, theirs)


def test_every_word_of_it_is_proven_to_the_twin_too(twin, made):
    """A changed value anywhere, in Consent, Provenance, fields or proof, is refused."""
    client, found = made
    raws = []
    for path, value in _leaves(json.loads(found["new"])):
        changed = json.loads(found["new"])
        _put(changed, path, value + "x" if isinstance(value, str) else "x")
        raws.append(json.dumps(changed).encode())
    whole = json.loads(found["new"])
    proof = json.loads(base64.b64decode(whole["entry"][3]["resource"]["data"]))
    places = [(name,) for name in proof if name != "v"] + [path for path, _ in _leaves(proof) if path != ("v",)][::5]
    for path in places:
        for junk in (None, 1, [], {}, "x", b64(bytes(16))):
            changed = json.loads(json.dumps(proof))
            _put(changed, path, junk)
            data = base64.b64encode(json.dumps(changed, separators=(",", ":")).encode()).decode()
            whole["entry"][3]["resource"]["data"] = data
            raws.append(json.dumps(whole).encode())
    refuses(twin, [raw for raw in raws if _is_changed(raw, found["new"])], str(card(client)))


def _is_changed(raw: bytes, good: bytes) -> bool:
    return json.loads(raw) != json.loads(good)


def test_terms_that_were_never_signed_have_no_receipt_from_the_twin(twin, made):
    """The Consent must be named by a statement of the chain."""
    client, _ = made
    gid = next(gid for gid in client.vault.terms if len(gid) == 22)
    unsigned = replace(client.vault.terms[gid], salt=bytes(16))
    vault = client.vault.with_terms("unsigned", unsigned)
    home = TwinSteps(twin)
    with pytest.raises(AssertionError, match="not-found"):
        home.receipt(client.hub.record, vault, unsigned.oth, gid, "unsigned")
