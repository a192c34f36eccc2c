"""Taking declarations in: the grant that a patient made for an emergency opens (PROTOCOL.md 5.13).

The patient's home hub alone decides. It logs, tells the patient's side, and opens in one transaction, and only then
releases. Whatever a declaration does not open is answered like a patient who does not exist.
"""

from dataclasses import dataclass
from typing import Any

from consent import declarations
from consent.declarations import Declaration
from consent.grants import Record
from consent.primitives import Rejected, b64, broken
from consent.purposes import BREAK_THE_GLASS
from consent.relations import Grant, RelationState
from hub import uncovered
from hub.auth import Caller
from hub.context import Hub
from hub.refusals import refusal
from hub.rights import nothing_here
from hub.statements import open_cover
from hub.store import audit
from hub.store import declarations as store
from hub.store.database import Tx
from hub.store.declarations import Opening
from hub.store.feed import DECLARE, Notice, announce


def read(raw: bytes) -> Declaration:
    """Read an offered declaration. Raises `Problem(refused)`."""
    try:
        return declarations.read(raw)
    except Rejected as rejected:
        raise refusal(rejected) from None


def told(opening: Opening) -> dict[str, Any]:
    """As it stands in the answer."""
    return {"at": opening.at, "until": opening.until}


def declare(home: Hub, caller: Caller, declared: Declaration) -> Opening:
    """Open what a declaration of the caller's house names, if it may. Raises `Problem`.

    The same bytes again open nothing again: they are answered as the first time. What the patient's chains say is
    never told apart: each of their refusals is `not-found`, and stands in her log where she deals with that house.
    """
    with home.db.write(declared.acc) as tx:
        now, chains = home.now(), home.chains(tx.conn)
        known = store.find(tx.conn, declared.acc, declared.rnd)
        if known is not None and known.frame == declared.frame.raw and known.oth == caller.acc:
            return known
        try:
            declared.verify(chains.account(caller.acc), now)
        except Rejected as rejected:
            raise refusal(rejected, now=now) from None
        relation = chains.relation(declared.acc, caller.acc)
        try:
            if known is not None:
                raise broken("rnd")
            grant = declared.opens(relation, now)
        except Rejected as rejected:
            _refused(tx, caller, relation, declared, rejected.reason, now)
            opening = None
        else:
            opening = _opening(declared, grant, now)
            _log(tx, caller, declared, opening)
            keep(tx, chains.record(declared.acc), opening, now)
    if opening is None:
        raise nothing_here()
    return opening


def _opening(declared: Declaration, grant: Grant, at: int, until: int | None = None) -> Opening:
    """For the grant's span, and not beyond its end; `until`: as another hub says. Raises `Rejected(broken, time)`."""
    longest = min(at + int(grant.emergency[0]), grant.until)
    if until is not None and until > longest:
        raise broken("time")
    return Opening(declared.rnd, declared.sender, grant.gid, at, until or longest, declared.frame.raw)


def _log(tx: Tx, caller: Caller, declared: Declaration, opening: Opening) -> None:
    """The patient's log bears the whole declaration: her client opens who it was and why."""
    detail = {"gid": opening.gid, "role": declared.role, "until": opening.until, "frame": b64(opening.frame)}
    audit.write(
        tx,
        at=opening.at,
        actor=caller.acc,
        device=caller.dev,
        action="emergency",
        purpose=BREAK_THE_GLASS,
        detail=detail,
    )


def _refused(tx: Tx, caller: Caller, relation: RelationState, declared: Declaration, reason: str, now: int) -> None:
    if relation.links:
        detail = {"what": "emergency", "reason": reason, "role": declared.role}
        audit.write(
            tx, at=now, actor=caller.acc, device=caller.dev, action="refusal", purpose=BREAK_THE_GLASS, detail=detail
        )  # fmt: skip


def keep(tx: Tx, record: Record, opening: Opening, now: int) -> None:
    """Keep what was opened; tell the patient, her delegates and the house, and announce to the house what it covers.

    Elsewhere than at home the clock may be behind: then that grant may not have begun by it.
    """
    store.put(tx, opening)
    delegates = {one.to for one in record.account.delegates if one.until is None and one.live(record.account.last, now)}
    announce(tx, {record.account.acc, opening.oth, *delegates}, [Notice(DECLARE, opening.rnd, size=len(opening.frame))])
    grant = record.relations[opening.oth].grants[opening.gid]
    open_cover(tx, record, grant, opening.oth, now)


# --- at another hub -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opened:
    """What a patient's home hub opened, as it tells another hub."""

    declaration: Declaration
    at: int
    until: int


def event(acc: str, opening: Opening) -> dict[str, Any]:
    """A declaration as it is given out."""
    return {"type": DECLARE, "acc": acc, "frame": b64(opening.frame), **told(opening)}


def take(home: Hub, opened: Opened) -> None:
    """Keep what another hub has opened of its patient: told to those here whom it concerns. Raises `Rejected`.

    That hub's word decides when; who declared, for which grant, and for how long is checked by the chains held here.
    """
    declared = opened.declaration
    with home.db.write(declared.acc) as tx:
        if store.find(tx.conn, declared.acc, declared.rnd) is not None:
            return
        record = home.chains(tx.conn).record(declared.acc, [declared.sender])
        house, relation = record.accounts.get(declared.sender), record.relations.get(declared.sender)
        if house is None or relation is None:
            raise broken("unknown")
        declared.verify(house, opened.at, came=opened.at)
        grant = declared.opens(relation, opened.at)
        keep(tx, record, _opening(declared, grant, opened.at, opened.until), home.now())
        uncovered.drop(tx, record, home.now())  # notes when its copies have to go
