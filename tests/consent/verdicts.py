"""How a vector is run: one function a kind, which returns when the vector holds, and raises `Rejected` or fails."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from consent import (
    accounts,
    canonical,
    declarations,
    envelope,
    grants,
    heads,
    identifiers,
    lockout,
    owed,
    pairing,
    primitives,
    relations,
    rules,
    streams,
    vault,
)
from consent.accounts import AccountState
from consent.chains import BadLink
from consent.grants import Record
from consent.keys import BoxKey, RecoveryCode, SigningKey
from consent.opening import Reader, good_seeds, open_bundle, open_envelope, open_object, read_reference
from consent.pairing import Invitation, Reply, Reveal
from consent.primitives import Rejected, b64, label_hash, unb64
from consent.relations import RelationState
from consent.sealing import bundle_context, commitment, handle
from consent.sets import Master, SetKey
from consent.statements import chain_id
from consent.streams import SetState, epoch_digest, range_digest
from consent.vault import RootCompartment, Vault
from tests.consent.readers import plain_check

Vector = dict[str, Any]
Shared = dict[str, Any]


def verdict(run: Callable[[], object]) -> Any:
    """`ok`, or the kind and reason of the refusal."""
    try:
        run()
    except Rejected as refused:
        return {"kind": refused.kind, "reason": refused.reason}
    return "ok"


def frames(shared: Shared, names: Iterable[str]) -> list[bytes]:
    """Frames of the file's pool."""
    return [unb64(shared["frames"][name]) for name in names]


def label_hashes(vector: Vector, _: Shared) -> None:
    """L over tagged parts."""
    parts = [p["s"] if "s" in p else p["i"] if "i" in p else unb64(p["b"]) for p in vector["parts"]]
    assert b64(label_hash(vector["label"], *parts, key=unb64(vector["key"]))) == vector["hash"]


def canonicals(vector: Vector, _: Shared) -> None:
    """What can be read is written again to the same bytes."""
    raw = unb64(vector["bytes"])
    assert canonical.dump(canonical.parse(raw)) == raw


def paddings(vector: Vector, _: Shared) -> None:
    """Sizes, and the padding taken off."""
    if vector["what"] == "padme":
        assert primitives.padme(vector["length"]) == vector["size"]
    else:
        plain = primitives.unpad(unb64(vector["padded"]))
        assert b64(plain) == vector["plaintext"]
        assert b64(primitives.pad(plain)) == vector["padded"]


def names(vector: Vector, _: Shared) -> None:
    """Identifiers by type."""
    text = vector["text"]
    if vector["type"] == "account":
        found = identifiers.account(text)
        assert (found.local, found.domain, found.is_person) == (vector["local"], vector["domain"], vector["person"])
        assert str(found) == text
    elif vector["type"] == "card":
        card = identifiers.card(text)
        assert (str(card.account), card.fingerprint) == (vector["account"], vector["fingerprint"])
    elif vector["type"] == "fingerprint":
        primitives.unb32(text, identifiers.FINGERPRINT_BYTES)
    else:
        read = {"domain": identifiers.domain, "device": identifiers.device, "id": identifiers.binary_id}
        read[vector["type"]](text)


def _set_keys(v: Vector) -> SetKey:
    return SetKey(unb64(v["set_key"]))


def _master(v: Vector) -> Master:
    return Master(unb64(v["master"]))


def _recovery(v: Vector) -> dict[str, str]:
    code = RecoveryCode(unb64(v["secret"]))
    assert RecoveryCode.parse(str(code)) == code
    return {
        "code": str(code), "public": b64(code.signing_key.public), "wrap_key": b64(code.wrap_key),
        "fetch_token": b64(code.fetch_token),
    }  # fmt: skip


_DERIVE: dict[str, Callable[[Vector], Any]] = {
    "signing-key": lambda v: b64(SigningKey(unb64(v["seed"])).public),
    "box-key": lambda v: b64(BoxKey(unb64(v["secret"])).public),
    "fingerprint": lambda v: identifiers.fingerprint(v["account"], unb64(v["root"])),
    "chain-id": lambda v: chain_id(v["chain"], v["acc"], v["oth"]),
    "stream-ids": lambda v: _set_keys(v).ids,
    "order": lambda v: [list(pair) for pair in _set_keys(v).order],
    "mask": lambda v: _set_keys(v).mask(frozenset(v["categories"])),
    "stream-seeds": lambda v: [b64(_master(v).seed(i)) for i in range(32)],
    "stream-keys": lambda v: [b64(pk) for pk in _master(v).publics],
    "epoch-digest": lambda v: b64(epoch_digest(v["set"], v["ep"], [unb64(pk) for pk in v["pks"]])),
    "range-digest": lambda v: range_digest([unb64(digest) for digest in v["digests"]]),
    "recovery": _recovery,
    "handle": lambda v: handle(v["stream"], v["resource"], unb64(v["key"])),
    "bundle-context": lambda v: b64(bundle_context(v["cid"], v["seq"], v["prev"], v["gid"], v["rk"])),
    "commitment": lambda v: b64(commitment(unb64(v["context"]), unb64(v["key"]))),
}


def derivations(vector: Vector, _: Shared) -> None:
    """One derivation from fixed keys."""
    assert _DERIVE[vector["what"]](vector) == vector["result"]


# --- chains -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _account(acc: str, links: tuple[bytes, ...], others: tuple[tuple[str, tuple[bytes, ...]], ...]) -> AccountState:
    return accounts.replay(links, acc, accounts={name: _account(name, theirs, ()) for name, theirs in others})


def known_accounts(shared: Shared, named: str | Mapping[str, Iterable[str]]) -> dict[str, AccountState]:
    """Replay account chains, given or named; each may cite those that stand before it."""
    named = shared["accounts"][named] if isinstance(named, str) else named
    links = {acc: tuple(frames(shared, names)) for acc, names in named.items()}
    known: dict[str, AccountState] = {}
    for acc, own in links.items():
        known[acc] = _account(acc, own, tuple((name, links[name]) for name in known))
    return known


def account_summary(state: AccountState) -> dict[str, Any]:
    """What holds, in a form that two programs can compare."""
    return {
        "seq": state.last, "hash": state.links[-1].hash, "closed": int(state.closed), "fp": state.fingerprint,
        "class": state.cls, "root": b64(state.roots[-1][1]), "recovery": b64(state.recoveries[-1][1]),
        "reading": state.reading_key(), "bad": sorted(state.bad_keys), "vault": list(state.vault),
        "devices": sorted([d.name, d.role, d.since, _until(d.until)] for d in state.devices.values()),
        "delegates": [[d.to, d.scope, d.nb, d.end, d.since, _until(d.until)] for d in state.delegates],
        "losses": [[loss.seq, loss.iat, int(loss.client)] for loss in state.losses],
    }  # fmt: skip


def _until(position: int | None) -> int:
    return -1 if position is None else position


def set_summary(state: SetState) -> dict[str, Any]:
    """As `account_summary`."""
    return {
        "seq": len(state.links) - 1, "hash": state.links[-1].hash, "closed": int(state.closed),
        "ids": sorted(state.ids, key=state.ids.__getitem__)[:2],
        "epochs": [[e.number, b64(e.digest), e.suite, e.grace] for e in state.epochs],
    }  # fmt: skip


def relation_summary(state: RelationState) -> dict[str, Any]:
    """As `account_summary`; of each grant its rules by the newest link and how many rows were handed out."""
    return {
        "seq": len(state.links) - 1, "hash": state.links[-1].hash, "fp": state.fingerprint,
        "permits": sorted(state.permits), "unpermitted": sorted([s, at] for s, at in state.unpermitted.items()),
        "grants": sorted(
            [g.gid, g.began, g.rules.seq, int(g.ended), g.until, int(g.grows), len(g.cover), len(g.handed)]
            for g in state.grants.values()
        ),
    }  # fmt: skip


def chains(vector: Vector, shared: Shared) -> None:
    """Replay; where it is refused, the last link is the one that does not hold. `states`: after each link."""
    kind, acc, oth = vector["chain"]
    links = frames(shared, vector["frames"])
    known = known_accounts(shared, vector["accounts"])
    replay: dict[str, Callable[[list[bytes]], Any]] = {
        "acct": lambda part: accounts.replay(part, acc, vector.get("fingerprint"), known),
        "set": lambda part: streams.replay(part, acc, oth, known),
        "rel": lambda part: relations.replay(part, acc, oth, known),
    }
    summary: dict[str, Callable[[Any], Any]] = {
        "acct": account_summary, "set": set_summary, "rel": relation_summary
    }  # fmt: skip
    held: list[int] = []
    try:
        replay[kind](links)
    except BadLink as refused:
        held.append(len(refused.state.links))
        raise
    finally:
        assert held in ([], [len(links) - 1])
    for count, expected in enumerate(vector.get("states", ()), 1):
        assert summary[kind](replay[kind](links[:count])) == expected


def bundles(vector: Vector, shared: Shared) -> None:
    """Open a bundle beside its statement; seeds that are not those of the stream chains are dropped."""
    _, acc, oth = vector["chain"]
    known = known_accounts(shared, vector["accounts"])
    relation = relations.replay(frames(shared, vector["frames"]), acc, oth, known)
    bundle = next(b for g in relation.grants.values() for b in g.bundles if b.link.seq == vector["link"])
    keys = {b64(key.public): key for key in (BoxKey(unb64(secret)) for secret in vector["keys"])}
    (blob,) = frames(shared, [vector["blob"]])
    opened = open_bundle(bundle, blob, relation, keys)
    assert (b64(opened.salt), b64(opened.consent)) == (vector["salt"], vector["consent"])
    assert opened.rules == (json.loads(vector["rules"]) if vector["rules"] else None)
    sets = {s: streams.replay(frames(shared, names), acc, s, known) for s, names in vector["sets"].items()}
    assert sum(len(list(good_seeds(seeds, sets[seeds.set]))) for seeds in opened.seeds) == vector["kept"]
    if "first" in vector:
        assert [[index, b64(seed)] for index, seed in opened.seeds[0].by_index.items()] == vector["first"]


# --- envelopes ----------------------------------------------------------------------------------------------------


def reader_of(vector: Vector, shared: Shared) -> Reader:
    """The reader that a vector names, with what it changes."""
    given = shared["readers"][vector["reader"]] | vector["change"]
    known = known_accounts(shared, given["accounts"])
    sets = {s: streams.replay(frames(shared, names), given["patient"], s, known) for s, names in given["sets"].items()}
    relation = None
    if "relation" in given:
        oth, names = given["relation"]
        relation = relations.replay(frames(shared, names), given["patient"], oth, known)
    seeds = {(s, epoch, index): unb64(seed) for s, epoch, index, seed in given["seeds"]}
    stored = {(aut, dev, stream, seq): hash_ for aut, dev, stream, seq, hash_ in given["known"]}
    categories = {(s, index): number for s, index, number in given["categories"]}
    return Reader(
        patient=given["patient"], hub_key=unb64(given["hub_key"]), accounts=known, sets=sets, relation=relation,
        confirmed=bool(given["confirmed"]), seed=lambda *where: seeds.get(where),
        known=lambda *where: stored.get(where), category_of=lambda *where: categories.get(where), check=plain_check,
        pins=dict(given["pins"]),
    )  # fmt: skip


def openings(vector: Vector, shared: Shared) -> None:
    """Open an envelope, with stamp and permit, as a reader."""
    raw, stamp, permit = frames(shared, [vector["frame"], vector["stamp"], vector["permit"]])
    reader = reader_of(vector, shared)
    if "object" in vector:
        (sealed,) = frames(shared, [vector["object"]])
        reader = replace(reader, object=lambda _: sealed)
    opened = open_envelope(raw, stamp, permit, reader, vector["now"])
    assert [b64(line) for line, _ in opened.resources] == vector["lines"]
    assert [b64(line) for line, _ in opened.quarantined] == vector["quarantined"]
    assert opened.missing == bool(vector["missing"])
    assert reader.category_of(opened.set, opened.index) == vector["category"]


def objects(vector: Vector, shared: Shared) -> None:
    """Open an object by what an envelope says of it."""
    named = read_reference(unb64(vector["reference"]))
    plaintext = open_object(put_together(vector["sealed"], shared), named, unb64(vector["ctx"]))
    assert plaintext == bytes(place % 251 for place in range(vector["size"]))


def put_together(parts: Iterable[Any], shared: Shared) -> bytes:
    """An object from parts: a frame of the pool, `[frame, start, end]`, or bytes."""
    found = []
    for part in parts:
        name, *cut = part if isinstance(part, list) else [part]
        raw = unb64(shared["frames"][name]) if name in shared["frames"] else unb64(name)
        found.append(raw[slice(*cut)] if cut else raw)
    return b"".join(found)


# --- all chains of a patient --------------------------------------------------------------------------------------


_RECORDS: dict[tuple[int, str], Record] = {}


def record_of(name: str, shared: Shared) -> Record:
    """The record that a vector names, replayed once."""
    place = (id(shared), name)
    if place not in _RECORDS:
        _RECORDS[place] = _record(shared["records"][name], shared)
    return _RECORDS[place]


def _record(given: Mapping[str, Any], shared: Shared) -> Record:
    acc = given["acc"]
    known = known_accounts(shared, given["accounts"] | {acc: given["account"]})
    sets = {s: streams.replay(frames(shared, names), acc, s, known) for s, names in given["sets"].items()}
    relation = {o: relations.replay(frames(shared, names), acc, o, known) for o, names in given["relations"].items()}
    return Record(known[acc], sets, relation, known)


def hub_words(vector: Vector, _: Shared) -> None:
    """A note or heads: what a hub answers to a question."""
    question = {"hub": vector["hub"], "to": vector["to"], "nonce": vector["nonce"]}
    if vector["what"] == "note":
        note = heads.parse_note(unb64(vector["frame"]))
        note.verify(unb64(vector["key"]), **question)
        assert [note.cur, note.at] == [vector["cur"], vector["at"]]
    else:
        told = heads.parse(unb64(vector["frame"]))
        told.verify(unb64(vector["key"]), **question)
        assert [[name, *place] for name, place in told.heads.items()] == vector["heads"]
        assert told.at == vector["at"]


def declared(vector: Vector, shared: Shared) -> None:
    """A declaration: who signed it and when, which grant it opens, and what the patient reads in it."""
    _, acc, oth = vector["chain"]
    known = known_accounts(shared, vector["accounts"])
    relation = relations.replay(frames(shared, vector["frames"]), acc, oth, known)
    word = declarations.read(unb64(vector["frame"]))
    word.verify(known[vector["caller"]], vector["now"], vector["came"])
    assert word.opens(relation, vector["now"]).gid == vector["gid"]
    keys = {b64(key.public): key for key in (BoxKey(unb64(secret)) for secret in vector["keys"])}
    assert list(word.tell(keys)) == [vector["person"], vector["reason"]]


def joint_rules(vector: Vector, shared: Shared) -> None:
    """What the home hub says of a statement."""
    blob = frames(shared, [vector["blob"]])[0] if "blob" in vector else None
    (raw,) = frames(shared, [vector["statement"]])
    rules.admit(record_of(vector["record"], shared), raw, blob, vector["now"])


def deposits(vector: Vector, shared: Shared) -> None:
    """What the home hub says of an envelope."""
    record = record_of(vector["record"], shared)
    (raw,) = frames(shared, [vector["frame"]])
    last = vector["last"] and (vector["last"][0], vector["last"][1])
    place = rules.accept(record, record.accounts[vector["caller"]], envelope.parse(raw), last, vector["now"])
    assert [place.set, place.index, place.epoch] == vector["place"]


def releases(vector: Vector, shared: Shared) -> None:
    """The grant by which a counterpart is released a stream."""
    relation = record_of(vector["record"], shared).relations[vector["reader"]]
    where = (vector["set"], vector["index"], vector["epoch"])
    found = grants.covers(relation, *where, vector["purpose"], vector["now"], frozenset(vector["declared"]))
    assert found == vector["grant"]


def owings(vector: Vector, shared: Shared) -> None:
    """The next step from chains and vault."""
    held = Vault.load(json.dumps(shared["vaults"][vector["vault"]]).encode())
    assert step_value(owed.owed(record_of(vector["record"], shared), held, vector["now"])) == vector["step"]


def lockouts(vector: Vector, shared: Shared) -> None:
    """Who must not have the key of the vault's key compartment any more."""
    record, held = (
        record_of(vector["record"], shared),
        Vault.load(json.dumps(shared["vaults"][vector["vault"]]).encode()),
    )
    names, now = vector["shared"], vector["now"]
    assert lockout.must_change(record, names, now) is vector["must"]
    assert lockout.holders(record, names, now) == vector["holders"]
    assert [[name, grant.gid] for name, grant in lockout.left_behind(record, held, names, now)] == vector["left"]
    assert sorted(lockout.fresh(record, held, now).candidates) == vector["candidates"]


def vaults(vector: Vector, _: Shared) -> None:
    """A compartment of the sealed vault."""
    sealed, key = unb64(vector["sealed"]), unb64(vector["key"])
    if vector["part"] == "root":
        part: Vault | RootCompartment = vault.unseal_root(sealed, vector["account"], key)
    else:
        part = vault.unseal(sealed, vector["account"], vector["version"], key)
    assert json.loads(part.dump()) == vector["content"]


def pairings(vector: Vector, _: Shared) -> None:
    """What two devices show and tell each other when one is added, and the digits."""
    if vector["what"] == "invitation":
        shown = Invitation.parse(vector["text"])
        found = {name: b64(getattr(shown, name)) for name in ("sign", "box", "commitment")}
        assert {**found, "domain": shown.domain, "place": shown.place}.items() <= vector.items()
        assert Invitation.parse(str(shown)) == shown
    elif vector["what"] == "reply":
        reply = pairing.open_reply(unb64(vector["sealed"]), BoxKey(unb64(vector["box"])))
        assert reply == _reply(vector)
    elif vector["what"] == "reveal":
        invitation, box = Invitation.parse(vector["invitation"]), BoxKey(unb64(vector["box"]))
        reveal = pairing.open_reveal(unb64(vector["sealed"]), box, invitation)
        assert reveal == Reveal(vector["device"], unb64(vector["nonce"]), vector["label"])
    else:
        reveal = Reveal(vector["device"], unb64(vector["revealed"]))
        assert pairing.digits(Invitation.parse(vector["invitation"]), _reply(vector), reveal) == vector["digits"]


def _reply(vector: Vector) -> Reply:
    sign, box, nonce = (unb64(vector[name]) for name in ("sign", "old_box", "nonce"))
    return Reply(identifiers.card(vector["card"]), sign, box, nonce)


def step_value(step: owed.Step | None) -> list[Any] | None:
    """A step as JSON: its name and its fields."""
    return None if step is None else [_STEPS[type(step)], *map(_plain, vars(step).values())]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


_STEPS = {
    owed.Begin: "begin", owed.CloseSet: "close", owed.Drop: "drop", owed.Prepare: "prepare", owed.Extend: "extend",
    owed.HandOut: "hand-out", owed.StartEpoch: "start-epoch",
}  # fmt: skip


RUN: dict[str, Callable[[Vector, Shared], None]] = {
    "label-hash": label_hashes,
    "canonical": canonicals,
    "padding": paddings,
    "identifiers": names,
    "derivation": derivations,
    "account-chain": chains,
    "stream-chain": chains,
    "relation-chain": chains,
    "bundle": bundles,
    "opening": openings,
    "heads": hub_words,
    "declaration": declared,
    "object": objects,
    "opening-object": openings,
    "deposit": deposits,
    "joint-rules": joint_rules,
    "owed": owings,
    "release": releases,
    "vault": vaults,
    "lockout": lockouts,
    "pairing": pairings,
}
