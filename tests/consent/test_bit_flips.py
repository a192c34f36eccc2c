"""Every bit counts: whatever one is flipped, what was signed or sealed is refused, and with nothing but `Rejected`."""

import pytest

from consent import accounts, envelope, heads, messages, opening, relations, statements, streams, vault
from consent.identifiers import new_id
from consent.primitives import Rejected, random_bytes
from consent.rules import LENGTH, blob_hash, compartments
from consent.statements import chain_id
from tests.consent.readers import reader
from tests.consent.world import START, permit_of
from tests.vectors.making import fixed
from tests.vectors.post import Letter, Post, observation
from tests.vectors.relation_chain import Relation


@pytest.fixture(scope="module")
def post():
    """A patient, an author, a reader."""
    with fixed("bit flips"):
        yield Post()


def altered(raw: bytes):
    """The bytes with one bit flipped, each of them."""
    for place in range(len(raw)):
        for bit in range(8):
            yield raw[:place] + bytes([raw[place] ^ 1 << bit]) + raw[place + 1 :]


def refused(raw: bytes, use) -> None:
    """Every altered copy is refused."""
    use(raw)
    for other in altered(raw):
        with pytest.raises(Rejected):
            use(other)


@pytest.fixture(scope="module")
def letter(post):
    """An envelope, its stamp and permit, and who reads it."""
    made = Letter(post, [observation(post.home, 3)], {})
    raw = made.frame()
    return raw, made.stamped(raw), permit_of(post.home.hub, post.set), reader(post.home.hub, post.reader)


def test_every_bit_of_an_envelope_counts(letter):
    """Header, signature, ciphertext and what frames them."""
    raw, stamp, permit, who = letter
    refused(raw, lambda other: opening.open_envelope(other, stamp, permit, who, START + 200))


def test_every_bit_of_a_stamp_counts(letter):
    """The hub's word beside an envelope."""
    raw, stamp, permit, who = letter
    refused(stamp, lambda other: opening.open_envelope(raw, other, permit, who, START + 200))


def test_every_bit_of_a_permit_counts(letter):
    """The patient's word beside an envelope."""
    raw, stamp, permit, who = letter
    refused(permit, lambda other: opening.open_envelope(raw, stamp, other, who, START + 200))


def test_every_bit_of_an_account_statement_counts(post):
    """The last link of an account chain."""
    state = post.home.hub.record.account
    *before, last = state.frames
    start = accounts.replay(before, state.acc)
    refused(last, lambda other: accounts.extend(start, other))


def test_every_bit_of_a_stream_statement_counts(post):
    """An epoch."""
    *before, last = post.state.frames
    known = post.home.hub.record.accounts
    start = streams.replay(before, post.state.acc, post.set, known)
    refused(last, lambda other: streams.extend(start, other, known))


@pytest.mark.parametrize("typ", statements.BODIES["rel"])
def test_every_bit_of_a_relation_statement_counts(typ):
    """The first link of each type."""
    with fixed("relation"):
        tale = Relation()
    number = tale.first(typ)
    known = tale.client.hub.record.accounts
    start = relations.replay(tale.links[:number], tale.client.me.account, tale.house.account, known)
    refused(tale.links[number], lambda other: relations.extend(start, other, known))


def test_every_bit_of_a_bundle_counts(post):
    """Seeds on their way: the bundle, with the hash in the statement made to fit; and the sealed key."""
    relation = post.home.hub.record.relations[post.reader.account]
    bundle = relation.grants[post.gid].bundles[-1]
    blob = post.home.hub.blobs[bundle.hash]

    def use(raw: bytes) -> None:
        link = bundle.link
        body = {**link.body, "lst": blob_hash(raw)}
        moved = statements.Statement(
            link.kind, link.acc, link.oth, link.seq, link.prev, link.iat, link.typ, link.by, link.cite, body,
            link.frame, link.hash,
        )  # fmt: skip
        opening.open_bundle(relations.Bundle(moved, bundle.rows), raw, relation, post.reader.reading)

    refused(blob, use)


def test_every_bit_of_a_sealed_message_counts(post):
    """A request on its way."""
    frame = messages.write(
        post.author.sign, typ="request", sender=post.author.account, dev=post.author.device,
        to=post.home.me.account, at=START, content=b"{}",
    )  # fmt: skip
    ((name, key),) = post.home.me.reading.items()
    sealed = messages.seal(frame, name)
    refused(sealed, lambda other: messages.unseal(other, {name: key}))
    refused(frame, lambda other: messages.read(other).verify(post.author.state, post.home.me.account, START))


@pytest.mark.parametrize("what", ["note", "heads"])
def test_every_bit_of_what_a_hub_vouches_for_counts(post, what):
    """A note to a peer, and the heads of chains."""
    hub, house = post.home.hub, post.reader
    asked = {"hub": "hub-a.example.org", "nonce": new_id()}
    if what == "note":
        raw = heads.note(hub.key, to="hub-b.example.org", cur=3, at=START, **asked)
        refused(raw, lambda other: heads.parse_note(other).verify(hub.key.public, to="hub-b.example.org", **asked))
    else:
        places = [(chain_id("acct", house.account, ""), house.state.head)]
        raw = heads.sign(hub.key, to=house.account, at=START, heads=places, **asked)
        refused(raw, lambda other: heads.parse(other).verify(hub.key.public, to=house.account, **asked))


def test_every_bit_of_a_vault_counts(post):
    """Both compartments of the sealed vault, and both kinds of wrap."""
    home, account = post.home, post.home.me.account
    version, sealed = home.hub.vault
    length = LENGTH + len(compartments(sealed)[0])
    refused(sealed[:length], lambda other: vault.unseal_root(other + sealed[length:], account, home.vault_key))
    keys = sealed[length : length + 600]
    rest = sealed[length + 600 :]
    refused(keys, lambda other: vault.unseal(sealed[:length] + other + rest, account, version, home.root.key))
    wrap = vault.wrap_for_box(home.vault_key, home.me.account, home.me.device, home.me.box.public)
    refused(wrap, lambda other: vault.unwrap_by_box(other, home.me.account, home.me.device, home.me.box))
    secret = random_bytes(32)
    wrap = vault.wrap_for_secret(home.vault_key, home.me.account, "sheet", secret)
    refused(wrap, lambda other: vault.unwrap_by_secret(other, home.me.account, "sheet", secret))


PARSERS = {
    "statement": statements.parse, "permit": statements.parse_permit, "envelope": envelope.parse,
    "stamp": envelope.parse_stamp, "note": heads.parse_note, "heads": heads.parse, "message": messages.read,
    "registration": messages.read_registration,
}  # fmt: skip


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("start", [b"", b"OBS1", b"HSE1", b"OBS1\x08\x00\x00\x00", b"HSE1\x08\x00\x00\x00{}"])
def test_random_bytes_of_every_length_are_only_rejected(name, start):
    """Lengths 0 to 200, as random bytes, as zeros, and behind a right beginning."""
    with fixed(f"{name} {start!r}") as source:
        for length in range(201):
            for raw in (source.draw(length), bytes(length), b"\xff" * length):
                with pytest.raises(Rejected):
                    PARSERS[name](start + raw)
