"""The joint rules of the home hub: what no chain can check alone (PROTOCOL.md 2.6), and the deposit check (3.2).

The client checks the same before it signs. A peer hub and a gateway cannot: they do not see all chains.
"""

import struct
from dataclasses import dataclass, replace

from consent import accounts, relations, streams
from consent.accounts import AccountState, Device
from consent.envelope import Envelope
from consent.grants import Record, check_rows, handed, missing, started, tainted
from consent.primitives import Rejected, b64, broken, label_hash
from consent.relations import Grant, RelationState
from consent.statements import Statement, parse
from consent.streams import SetState

CLOCK_SECONDS = 600
MAX_SETS = 256
MAX_BUNDLE = 8 * 1024 * 1024
LENGTH = 4
"""Bytes of the length before the vault's root compartment."""
DEPOSITORS = ("client", "writer", "gateway")


def blob_hash(blob: bytes) -> str:
    """The hash by which a statement names the bundle or vault beside it."""
    return b64(label_hash("obhut-blob", blob))


def compartments(sealed: bytes) -> tuple[bytes, bytes]:
    """The two compartments of a sealed vault, both sealed. Raises `Rejected(broken, vault)`."""
    if len(sealed) < LENGTH or len(sealed) < (end := LENGTH + struct.unpack("<I", sealed[:LENGTH])[0]):
        raise broken("vault")
    return sealed[LENGTH:end], sealed[end:]


def admit(record: Record, raw: bytes, blob: bytes | None, now: int) -> Record:
    """The patient's chains after one more statement, if it holds and all joint rules do. Raises `Rejected`.

    `blob`: the bundle of a `grant` or `keys`, the ciphertext of a `vault`, else None. `now`: the hub's Unix second.
    """
    after, st = extend(record, raw)
    _check_signer(record, st, now)
    if st.kind == "acct":
        _check_blob(st.body["hash"] if st.typ == "vault" else None, blob)
    elif st.kind == "set":
        _check_blob(None, blob)
        _check_set(after, st, now)
    else:
        _check_relation(after, st, blob, now)
    return after


def extend(record: Record, raw: bytes) -> tuple[Record, Statement]:
    """The patient's chains after one more statement, by what its chain alone can tell. Raises `Rejected`.

    That is all a peer hub can check: it does not see all chains, and relies on the home hub for the joint rules.
    """
    st = parse(raw)
    known = {**record.accounts, record.account.acc: record.account}
    if st.acc != record.account.acc:
        raise broken("chain")
    if st.kind == "acct":
        account = accounts.extend(record.account, raw, record.accounts)
        return replace(record, account=account, accounts={**record.accounts, account.acc: account}), st
    if st.kind == "set":
        state = streams.extend(record.sets.get(st.oth, SetState(st.acc, st.oth)), raw, known)
        return replace(record, sets={**record.sets, st.oth: state}), st
    relation = relations.extend(record.relations.get(st.oth, RelationState(st.acc, st.oth)), raw, known)
    return replace(record, relations={**record.relations, st.oth: relation}), st


def _check_signer(record: Record, st: Statement, now: int) -> None:
    if abs(st.iat - now) > CLOCK_SECONDS:
        raise broken("clock")
    if record.account.closed:
        raise broken("closed")
    if len(st.by) != 2:
        return
    name, dev = st.by
    try:
        (record.account if name == st.acc else record.accounts[name]).client(dev)
        if name != st.acc:
            record.account.delegate(name, now)
    except (Rejected, KeyError):
        raise broken("signer-gone") from None


def _check_blob(expected: str | None, blob: bytes | None) -> None:
    if (expected is None) != (blob is None) or (blob is not None and blob_hash(blob) != expected):
        raise broken("blob")
    if blob is not None and len(blob) > MAX_BUNDLE:
        raise broken("limits")


def _check_set(after: Record, st: Statement, now: int) -> None:
    state = after.sets[st.oth]
    if st.typ == "start":
        if sum(not s.closed for s in after.sets.values()) > MAX_SETS:
            raise broken("limits")
        taken = (other for name, other in after.sets.items() if name != st.oth)
        if any(state.ids.keys() & other.ids.keys() for other in taken):
            raise broken("ids")
    if st.typ != "epoch":
        return
    epoch = state.epoch(state.current)
    for _, grant in after.live_grants(now):
        first, mask = grant.cover.get(st.oth, (epoch.number + 1, 0))
        if first <= epoch.number and not handed(grant, state, epoch.number, epoch.digest, mask):
            raise broken("owed-keys")
    if tainted(after, started(state, st.acc), now):
        raise broken("tainted")
    if epoch.grace and tainted(after, started(state, st.acc, epoch.number - 1), now):
        raise broken("grace")  # what is sealed late to an epoch that a stranger may hold must be sealed anew


def _check_relation(after: Record, st: Statement, blob: bytes | None, now: int) -> None:
    relation = after.relations[st.oth]
    if st.typ in ("grant", "keys"):
        if st.body["rk"] != after.accounts[st.oth].reading_key():
            raise broken("stale-key")
        _check_blob(st.body["lst"], blob)
        grant = relation.grants[st.body["gid"]]
        check_rows(grant.bundles[-1].rows, after.sets)
        if st.typ == "grant" and missing(grant, after.sets):
            raise broken("owed-keys")
    else:
        _check_blob(None, blob)
    if st.typ == "permit":
        _check_permit(after, st, now)
    if st.by[0] != st.acc and st.typ in ("grant", "keys"):
        _check_scope(after, st, now)


def _check_permit(after: Record, st: Statement, now: int) -> None:
    set_id = st.body["set"]
    state = after.sets.get(set_id)
    if state is None or state.closed:
        raise broken("closed" if state else "unknown")
    if any(set_id in relation.permits for oth, relation in after.relations.items() if oth != st.oth):
        raise broken("set-taken")
    for relation, grant in after.live_grants(now):
        if grant.grows and relation.oth != st.oth and set_id not in grant.cover:
            raise broken("owed-cover")
    own = after.relations[st.oth].live(now)
    if st.oth != st.acc and not any(set_id in grant.cover for grant in own):
        raise broken("owed-own")


def _check_scope(after: Record, st: Statement, now: int) -> None:
    """A delegate of the scope `manage` grants at most what live grants of its own cover, and no longer."""
    delegate = after.account.delegate(st.by[0], now)
    if delegate.scope == "full":
        return
    given = after.relations[st.oth].grants[st.body["gid"]]
    own = after.relations.get(st.by[0])
    if own is None or not _inside(given, own.live(now)):
        raise broken("scope")


def _inside(given: Grant, own: list[Grant]) -> bool:
    """Whether each stream is covered as early by an own grant that ends no sooner, and grows if the given one does."""
    enough = [grant for grant in own if given.until <= grant.until and (grant.grows or not given.grows)]
    for set_id, (first, mask) in given.cover.items():
        held = 0
        for grant in enough:
            own_first, own_mask = grant.cover.get(set_id, (0, 0))
            held |= own_mask if own_first <= first else 0
        if mask & ~held:
            return False
    return bool(enough)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an envelope lies: set, index of the stream, epoch."""

    set: str
    index: int
    epoch: int


def writer(record: Record, author: AccountState, dev: str, stream: str) -> tuple[SetState, Device]:
    """The set of a stream, and a device of the author's that may write there now: envelopes, and objects before them.

    Raises `Rejected(broken, …)` with `unknown`, `no-permit` or `device`.
    """
    state = next((s for s in record.sets.values() if stream in s.ids), None)
    if state is None:
        raise broken("unknown")
    relation = record.relations.get(author.acc)
    if relation is None or not relation.permitted(state.oth) or state.closed or record.account.closed:
        raise broken("no-permit")
    device = author.devices.get(dev)
    if device is None or device.until is not None or device.role not in DEPOSITORS:
        raise broken("device")
    return state, device


def accept(record: Record, author: AccountState, envelope: Envelope, last: tuple[int, str] | None, now: int) -> Place:
    """The deposit check in its fixed order, after the hub has asked whether it knows the envelope's id.

    `author`: the caller's account; `last`: sequence and hash of the last envelope of this device in this stream.
    Raises `Rejected(broken, …)` with `unknown`, `no-permit`, `device`, `signature`, `stale-epoch`, `suite` or `gap`.
    """
    if envelope.aut != author.acc:
        raise broken("unknown")
    state, device = writer(record, author, envelope.dev, envelope.str)
    envelope.verify(device.sign)
    current = state.epoch(state.current)
    in_grace = envelope.ep == current.number - 1 and now < current.link.iat + current.grace
    if envelope.ep != current.number and not in_grace:
        raise broken("stale-epoch")
    if streams.SUITES.index(envelope.suite) < streams.SUITES.index(current.suite):
        raise broken("suite")
    expected = (1, "") if last is None else (last[0] + 1, last[1])
    if (envelope.seq, envelope.prev) != expected:
        raise broken("gap")
    return Place(state.oth, state.ids[envelope.str], envelope.ep)
