"""Malformed on purpose, and signed and sealed all the same: joint rules and bundles are judged alike by both (P10)."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent import canonical, frames, primitives, rules, statements, steps
from consent.keys import SigningKey
from consent.primitives import NONCE_BYTES, Rejected, b64, seal_box, unb64
from consent.relations import RelationState
from consent.sealing import bundle_context
from consent.steps import Signer, Written
from tests.consent import world
from tests.consent.alterations import altered, signed
from tests.consent.delegation import appoint, pass_on
from tests.consent.twin import agree
from tests.consent.twin_steps import TwinSteps
from tests.consent.world import DAY, START, Client, organisation


@dataclass
class Moment:
    """A patient at one moment, and what her side might say next: the statement and who signs it."""

    home: Client
    steps: TwinSteps
    said: dict[str, tuple[Written, SigningKey]]
    headers: list[dict[str, Any]]


@pytest.fixture(scope="module")
def moment(twin) -> Moment:
    """Grants, permits and a delegate; a rotation is half done, and an emptied set waits to be closed."""
    home = world.client()
    house, doctor, relative = organisation("klinik"), organisation("praxis"), world.person()
    gid, gone = home.grant(house, [1, 8]), home.grant(house, [3])
    used = home.permit(doctor)
    appoint(home, relative, "manage", START + 400 * DAY)
    own = home.grant(relative, range(0, 16, 2), until=START + 300 * DAY)
    second = home.me.other_device()
    home.post(home.account("device", second.device_body("client")))
    passed = pass_on(home, relative, own, house)
    home.save(steps.new_sets(home.vault, 1))
    home.withdraw(house, gone, settle=False)
    (fresh,) = home.vault.sets.keys() - home.hub.record.sets.keys()
    begin = steps.begin(home.hub.record, home.vault, fresh, home.me.signer, home.now)
    home.post(begin)
    home.settle()
    home.save(steps.prepare(home.hub.record, home.vault, [used], home.now))
    record, vault, me = home.hub.record, home.vault, home.me
    hand_out = home.next_step(record, vault, home.now)
    spare = home.spare()
    end = steps.end(record, house.account, gid, me.signer, home.now)
    narrower = replace(vault.terms[gid], categories=frozenset({1}))
    said = {
        "end": end, "hand out": steps.perform(record, vault, hand_out, me.signer, home.now),
        "epoch": steps.start_epoch(record, vault, used, me.signer, home.now, grace=60),
        "close": steps.close_set(record, spare, me.signer, home.now),
        "amend": steps.grant(record, vault, gid, narrower, me.signer, home.now),
        "permit": steps.permit(record, house.account, spare, me.signer, home.now),
        "unpermit": steps.unpermit(record, doctor.account, used, me.signer, home.now),
        "vault": home.vault_written(vault),
    }  # fmt: skip
    every = {name: (one, me.sign) for name, one in said.items()}
    every["device"] = (home.account("device", home.me.other_device().device_body("client")), home.root.root)
    every["undevice"] = (home.account("undevice", {"dev": second.device}), home.root.root)
    every["passed on"] = (_again(record, passed, relative.signer), relative.sign)
    chains = (*record.relations.values(), *record.sets.values())
    headers = [link.frame.header for chain in chains for link in chain.links]
    return Moment(home, TwinSteps(twin), every, headers)


def _again(record, written: Written, signer: Signer) -> Written:
    """A delegate's statement at the end of the chain as it is now; its bundle is bound to another place."""
    link = statements.parse(written.frame)
    state = record.relations[link.oth]
    frame = statements.sign(
        signer.key, kind="rel", acc=link.acc, oth=link.oth, head=state.head, iat=state.links[-1].iat, typ=link.typ,
        by=link.by, cite=steps.cite(record, signer.account, link.oth), body=link.body,
    )  # fmt: skip
    return Written(frame, written.blob)


def test_all_that_might_be_said_is_judged_alike(moment):
    """Each statement as it is, with another bundle and none, early and late."""
    reasons = set()
    for written, _ in moment.said.values():
        for blob in (written.blob, None, b"x"):
            for now in (moment.home.now, START - 601, moment.home.now + 601, moment.home.now + 401 * DAY):
                try:
                    moment.steps.admit(moment.home.hub.record, written.frame, blob, now)
                except Rejected as refused:
                    reasons.add(refused.reason)
    assert {"blob", "clock", "owed-keys"} <= reasons


@st.composite
def borrowed(draw, header: dict[str, Any], others: list[dict[str, Any]]) -> bytes:
    """The header with one or two members of its body as other statements have them, in canonical spelling."""
    body = dict(header["body"])
    for _ in range(draw(st.integers(1, 2)) if body else 0):
        name = draw(st.sampled_from(sorted(body)))
        body[name] = draw(st.sampled_from([one["body"][name] for one in others if name in one["body"]] or [body[name]]))
    return canonical.dump(header | {"body": body})


@settings(max_examples=300)
@given(st.data())
def test_a_statement_altered_and_signed_anew_meets_the_same_joint_rule(moment, data):
    """The patient's own client, or a delegate, says something else; the hub's rules are the same in both languages."""
    written, key = moment.said[data.draw(st.sampled_from(sorted(moment.said)))]
    header = frames.parse(written.frame).header
    change = data.draw(st.sampled_from([borrowed, borrowed, altered]))
    raw = signed(data.draw(change(header, moment.headers)), f"obhut-sig-{header['kind']}", key)
    now = moment.home.now + data.draw(st.sampled_from([0] * 9 + [600, 601, -601]))
    with suppress(Rejected):
        moment.steps.admit(moment.home.hub.record, raw, written.blob, now)


# --- bundles ------------------------------------------------------------------------------------------------------

TEXTS = [b"", b"null", b"{}", b'{"v":1}', b"[", b'"\\ud800"', b"NaN", b"-Infinity", b"\xff", b"\xef\xbb\xbf{}", b" 1 ",
         b'{"a":1,"a":2}', b"01", b'"\x01"', b"tru", b"[1,]", b"\xed\xa0\x80", b'"\\u00e9"']  # fmt: skip


@dataclass
class Given:
    """A relation at whose end bundles are tried, and who opens them."""

    state: RelationState
    home: Client
    written: Written
    seeds: list[bytes]
    secret: str


@pytest.fixture(scope="module")
def relation(twin) -> Given:
    """A practice with a grant; its next statement is an amendment with all seeds."""
    home, practice = world.client(), organisation("praxis")
    gid = home.grant(practice, [1, 8])
    record = home.hub.record
    state = record.relations[practice.account]
    fresh = state.fork()
    fresh.grants = {}
    before = replace(record, relations={**record.relations, practice.account: fresh})
    written = steps.grant(before, home.vault, gid, home.vault.terms[gid], home.me.signer, home.now)
    known = {name: [b64(raw) for raw in one.frames] for name, one in record.accounts.items()}
    named = {"name": "bundles", "kind": "rel", "acc": record.account.acc, "oth": practice.account}
    agree(twin, [("chain", {**named, "frames": [b64(raw) for raw in state.frames], "known": known})])
    (key,) = practice.reading.values()
    return Given(state, home, written, _records(key, state, written), b64(bytes(key)))


def _records(key, state, written: Written) -> list[bytes]:
    link = statements.parse(written.frame)
    opened = key.open(unb64(link.body["key"]))
    data = b"obhut-bundle" + bundle_context(state.id, link.seq, link.prev, link.body["gid"], link.body["rk"])
    padded = primitives.decrypt(opened[:32], written.blob[:NONCE_BYTES], data, written.blob[NONCE_BYTES:])
    plaintext = primitives.unpad(padded)
    rest = plaintext[len(plaintext) - 548 * sum(row[2] - row[1] + 1 for row in link.body["has"]) :]
    return [rest[at : at + 548] for at in range(0, len(rest), 548)]


def _sealed(given_: Given, consent: bytes, finer: bytes, rest: bytes, cut: int, tail: bytes) -> tuple[bytes, bytes]:
    """Statement and bundle around any plaintext, both bound to their place."""
    link = statements.parse(given_.written.frame)
    ctx = bundle_context(given_.state.id, link.seq, link.prev, link.body["gid"], link.body["rk"])
    lengths = [(len(part) + cut * place).to_bytes(4, "little") for place, part in enumerate((consent, finer))]
    plaintext = lengths[0] + consent + lengths[1] + finer + rest
    key, nonce = bytes(32), bytes(NONCE_BYTES)
    blob = nonce + primitives.encrypt(key, nonce, b"obhut-bundle" + ctx, primitives.pad(plaintext) + tail)
    body = link.body | {"key": b64(seal_box(key + ctx, unb64(link.body["rk"]))), "lst": rules.blob_hash(blob)}
    body["consent"] = steps.salted(consent[:16], consent[16:])
    raw = statements.sign(
        given_.home.me.sign, kind="rel", acc=link.acc, oth=link.oth, head=given_.state.head, iat=link.iat,
        typ="grant", by=link.by, cite=link.cite, body=body,
    )  # fmt: skip
    return raw, blob


@st.composite
def record_bytes(draw, records: list[bytes]) -> bytes:
    """Records with something done to them: moved, doubled, left out, an index or an epoch changed, cut."""
    found = [bytearray(one) for one in records]
    for _ in range(draw(st.integers(0, 2))):
        one = found[draw(st.integers(0, len(found) - 1))]
        what = draw(st.sampled_from(["swap", "drop", "double", "index", "epoch", "pairs", "flip"]))
        if what == "swap":
            found.reverse()
        elif what == "drop" and len(found) > 1:
            found.remove(one)
        elif what == "double":
            found.append(bytearray(one))
        elif what == "index":
            one[20 + 33 * draw(st.integers(0, 15))] = draw(st.integers(0, 40))
        elif what == "epoch":
            one[16] = draw(st.integers(0, 3))
        elif what == "pairs":
            one[20:53], one[53:86] = one[53:86], one[20:53]
        else:
            one[draw(st.integers(0, 547))] ^= 1
    whole = b"".join(found)
    return whole[: len(whole) - draw(st.sampled_from([0, 0, 0, 1]))]


@settings(max_examples=150)
@given(st.data())
def test_a_bundle_of_any_content_opens_alike(twin, relation, data):
    """The patient's client seals what it likes: both find the same seeds, consent and rules, or refuse alike."""
    consent = data.draw(st.sampled_from([bytes(16), bytes(16) + b"{}", b"", bytes(15), b"x"]))
    finer, cut = data.draw(st.sampled_from(TEXTS)), data.draw(st.sampled_from([0, 0, 0, 0, 1, 2**31]))
    rest = data.draw(record_bytes(relation.seeds))
    tail = data.draw(st.sampled_from([b""] * 9 + [b"\x00", b"\x80", bytes(256)]))
    raw, blob = _sealed(relation, consent, finer, rest, cut, tail)
    asked = {"chain": "bundles", "raw": b64(raw), "blob": b64(blob), "secrets": [relation.secret]}
    agree(twin, [("open_after", asked)])


def test_a_bundle_as_it_should_be_opens_in_both(twin, relation):
    """What the other test alters holds as it is."""
    raw, blob = _sealed(relation, bytes(16) + b"{}", b'{"v":1}', b"".join(relation.seeds), 0, b"")
    asked = {"chain": "bundles", "raw": b64(raw), "blob": b64(blob), "secrets": [relation.secret]}
    (found,) = agree(twin, [("open_after", asked)])
    assert (found["ok"]["rules"], len(found["ok"]["seeds"])) == ({"v": 1}, len(relation.seeds))
