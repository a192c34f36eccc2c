"""Taking statements in: the joint rules under the patient's lock, all or nothing, announced in the same commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from consent import grants, rules, statements
from consent.chains import Chain
from consent.grants import Record
from consent.primitives import Rejected, broken
from consent.relations import Grant
from consent.statements import Statement
from fhir_profiles.problems import Problem
from hub.auth import Caller
from hub.context import Hub
from hub.refusals import refusal, statement_refusal
from hub.rights import is_delegate, nothing_here
from hub.store import audit, declarations
from hub.store import chains as store
from hub.store.closing import erase
from hub.store.database import Tx
from hub.store.envelopes import streams_written
from hub.store.feed import Notice, announce, put_opening, replace_envelopes

Head = tuple[str, str, str, int, str]

ARRIVALS = ("root", "device")
"""With what somebody begins who is no device yet: a recovery, or a further device signed by the root from the vault."""


ENDINGS = ("end", "unpermit", "undevice", "undelegate", "root", "close")


@dataclass(frozen=True, slots=True)
class Offer:
    """A statement to be appended, and the bundle or vault beside it."""

    statement: Statement
    blob: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What goes with statements and is no statement: all wraps of the vault's key; the fetch token's hash."""

    wraps: Mapping[str, bytes] | None = field(default=None, repr=False)
    fetch: str = ""


def read(frame: bytes, blob: bytes | None = None) -> Offer:
    """Read an offered statement. Raises `Problem(refused)`."""
    try:
        return Offer(statements.parse(frame), blob)
    except Rejected as rejected:
        raise refusal(rejected) from None


def post(hub: Hub, caller: Caller, offers: Sequence[Offer], keeping: Keeping) -> list[Head]:
    """Append statements of one account, all or nothing. Returns the heads of their chains. Raises `Problem`.

    Statements that are held already, byte for byte, are passed over, and so is what comes beside them alone, so that
    sending again is safe.
    """
    acc = account_of(caller, offers)
    with hub.db.write(acc) as tx:
        now, chains = hub.now(), hub.chains(tx.conn)
        cited = {name for offer in offers for name in offer.statement.cite}
        record = chains.record(acc, cited)
        if not tx.known or not (caller.acc == acc or is_delegate(record.account, caller.acc, now)):
            raise nothing_here()
        if caller.acc != acc and keeping != Keeping():
            raise Problem("forbidden", "Only the account itself changes who can open its vault.")
        touched: dict[tuple[str, str], Chain] = {}
        admitted: set[str] = set()
        for offer in offers:
            st = offer.statement
            if not _held(record, st):
                record = take(hub, tx, record, offer, now, caller.dev)
                admitted.add(st.typ)
            touched[st.kind, st.oth] = _chain(record, st) or record.account
        # Beside what was held already, who opens the vault is told as of then: another device may have changed it.
        # And who only signed in changes it beside a new root or vault alone.
        if (admitted or not offers) and (not caller.recovers or admitted & {"root", "vault"}):
            _keep(tx, keeping, {offer.statement.typ for offer in offers}, now)
        tx.then.append(lambda: hub.cache.put(*touched.values()))
    return [(kind, acc, oth, *head) for (kind, oth), chain in touched.items() if (head := chain.head)]


def take(hub: Hub, tx: Tx, record: Record, offer: Offer, now: int, device: str) -> Record:
    """Admit one statement, keep it, and announce it. Raises `Problem(refused)`."""
    st = offer.statement
    try:
        after = rules.admit(record, st.raw, offer.blob, now)
        keep(hub, tx, record, after, offer, now)
    except Rejected as rejected:
        raise statement_refusal(rejected, _chain(record, st), st.seq, now) from None
    actor, dev = st.by if len(st.by) == 2 else (st.acc, device)
    detail = {"kind": st.kind, "oth": st.oth, "seq": st.seq, "typ": st.typ}
    audit.write(tx, at=now, actor=actor, device=dev, action="statement", detail=detail)
    hub.metrics.statements.labels(st.kind, st.typ).inc()
    return after


def keep(hub: Hub, tx: Tx, before: Record, after: Record, offer: Offer, now: int) -> None:
    """Keep a statement that holds, with what lies beside it, and tell everybody who reads its chain.

    Raises `Rejected` where what lies beside it is another one's.
    """
    st = offer.statement
    _keep_beside(tx, after, offer)
    store.append(tx, st)
    store.tie(tx, {after.account.acc, *after.relations, *(to.to for to in after.account.delegates)})
    _announce(hub, tx, before, after, offer)
    if after.account.closed and not before.account.closed:
        erase(tx)
    if st.typ in ("grant", "end"):
        _open(tx, before, after, st, now)


def account_of(caller: Caller, offers: Sequence[Offer]) -> str:
    """Whose chains these are: one account's; each signed by the caller's side. Raises `Problem`."""
    names = {offer.statement.acc for offer in offers} or {caller.acc}
    if len(names) > 1:
        raise Problem("invalid", "Statements of one account only can be posted together.")
    acc = names.pop()
    for offer in offers:
        by = offer.statement.by
        if (by[0] if len(by) == 2 else acc) != caller.acc:
            raise Problem("forbidden", "A statement is posted by the account that signed it.")
    if caller.recovers and not (offers and offers[0].statement.typ in ARRIVALS):
        raise Problem("forbidden", "A recovery begins with a new root, a further device with its certificate.")
    return acc


def _chain(record: Record, st: Statement) -> Chain | None:
    if st.kind == "acct":
        return record.account
    return record.sets.get(st.oth) if st.kind == "set" else record.relations.get(st.oth)


def _held(record: Record, st: Statement) -> bool:
    chain = _chain(record, st)
    return chain is not None and st.seq < len(chain.links) and chain.links[st.seq].raw == st.raw


def _keep(tx: Tx, keeping: Keeping, types: set[str], now: int) -> None:
    if keeping.wraps is not None:
        store.put_wraps(tx, keeping.wraps)
    if keeping.fetch:
        store.put_fetch(tx, keeping.fetch, now, keep="root" not in types)


def _keep_beside(tx: Tx, after: Record, offer: Offer) -> None:
    """Keep what a statement brings along or makes known. Raises `Rejected`."""
    st = offer.statement
    if st.typ == "vault" and offer.blob is not None:
        _check_root(tx, offer)
        store.put_vault(tx, st.body["ver"], offer.blob)
    elif st.typ == "start":
        if not store.add_streams(tx, st.oth, after.sets[st.oth].ids):
            raise broken("ids")
    elif st.typ == "permit":
        set_id = st.body["set"]
        if set_id not in store.permits_of(tx.conn, st.acc, [set_id]):  # a copy came with its first envelope, maybe
            store.add_permit(tx, set_id, st.oth, after.relations[st.oth].permits[set_id].frame.raw)
    elif st.kind == "rel" and offer.blob is not None:
        if store.bundle(tx.conn, st.acc, st.body["lst"]):
            raise broken("blob")
        store.add_bundle(tx, st.body["lst"], st.oth, offer.blob)


def _check_root(tx: Tx, offer: Offer) -> None:
    """A delegate's version of the vault carries the root compartment as it was: nobody else can make one."""
    held = store.vault(tx.conn, tx.acc) if offer.statement.by[0] != tx.acc else None
    if held and rules.compartments(held[1])[0] != rules.compartments(offer.blob or b"")[0]:
        raise broken("vault")


def _announce(hub: Hub, tx: Tx, before: Record, after: Record, offer: Offer) -> None:
    """Tell everybody who reads this chain: of an organisation's own all hubs, of a person's those that hold it."""
    st = offer.statement
    delegates = {to.to for record in (before, after) for to in record.account.delegates if to.until is None}
    audience = {st.acc, *delegates}
    if st.kind == "acct":
        audience |= after.relations.keys() | {patient for patient, _ in store.relations_of(tx.conn, st.acc)}
        audience |= store.hubs_tied(tx.conn, st.acc) if after.account.cls == "person" else hub.peers.keys()
    elif st.kind == "rel":
        audience.add(st.oth)
    else:
        for oth, relation in after.relations.items():
            live = relation.live(st.iat)
            if st.oth in relation.permits or any(st.oth in grant.cover for grant in live):
                audience.add(oth)
    size = len(st.raw) + len(offer.blob or b"")
    announce(tx, audience, [Notice(st.kind, st.oth, st.seq, st.seq, size, _takes_back(before, after, st))])


def _takes_back(before: Record, after: Record, st: Statement) -> bool:
    """Whether a statement ends or narrows what somebody may: hubs are told of that before all else."""
    if st.typ != "grant":
        return st.typ in ENDINGS
    known = before.relations[st.oth].grants.get(st.body["gid"])
    return known is not None and grants.narrows(known, after.relations[st.oth].grants[known.gid])


# --- what a grant opens -------------------------------------------------------------------------------------------


def _open(tx: Tx, before: Record, after: Record, st: Statement, now: int) -> None:
    """Announce what a grant newly covers, now or when it begins; one for emergencies, while one is declared."""
    grant = after.relations[st.oth].grants[st.body["gid"]]
    if grant.emergency and grant.gid not in declarations.opened(tx.conn, tx.acc, now):
        put_opening(tx, grant.gid, st.oth, None)
    else:
        open_cover(tx, before, grant, st.oth, now)


def open_cover(tx: Tx, before: Record, grant: Grant, recipient: str, now: int) -> None:
    """Announce what a grant newly covers: now, or when it begins."""
    later = grant.live(now) and grant.begins > now
    put_opening(tx, grant.gid, recipient, grant.begins if later else None)
    if grant.live(now) and not later:
        announce_cover(tx, before, grant, recipient, now)


def announce_cover(tx: Tx, before: Record, grant: Grant, recipient: str, now: int) -> None:
    """Announce all that lies in the streams which a grant covers and which were not released before."""
    notices = []
    for stream in streams_written(tx.conn, tx.acc):
        first, mask = grant.cover.get(stream.set, (0, 0))
        if mask >> stream.index & 1 and not _released(before, recipient, stream.set, stream.index, first, grant, now):
            notices.append(Notice("envelope", stream.id, 1, stream.pos, stream.size))
    if notices:
        replace_envelopes(tx, recipient, notices)


def _released(before: Record, oth: str, set_id: str, index: int, first: int, grant: Grant, now: int) -> bool:
    """Whether all that the grant covers of a stream was released to the counterpart before, for each purpose."""
    relation = before.relations.get(oth)
    return relation is not None and all(
        grants.covers(relation, set_id, index, first, purpose, now) for purpose in grant.purposes
    )
