"""What accounts here have for accounts of other hubs: kept until the home hub there has answered."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from fhir_profiles.problems import Problem
from hub.peer_models import forwards
from hub.store.database import Tx, domain_of

MAX_WAITING = 20_000
ROOM = 1000
"""So much room is left when a release begins: what is released is logged, and entries for other hubs wait here."""
RETRY_SECONDS = 30
ENVELOPE, MESSAGE, ENTRY = "envelope", "message", "log"


@dataclass(frozen=True, slots=True)
class Forward:
    """One thing that waits, or has an answer: `outcome` as JSON."""

    id: int
    kind: str
    acc: str
    ref: str
    answered: bool
    outcome: str
    body: bytes = field(repr=False)


_COLUMNS = (
    forwards.c.id, forwards.c.kind, forwards.c.acc, forwards.c.ref, forwards.c.answered, forwards.c.outcome,
    forwards.c.body,
)  # fmt: skip


def put(tx: Tx, kind: str, ref: str, body: bytes) -> None:
    """Keep something for the hub of the account that `tx` holds; what is known by its `ref` is not added again.

    Raises `Problem(busy)` where too much waits for that hub already: it is refused here, and so never lost.
    """
    if named(tx.conn, tx.acc, kind, [ref]):
        return
    peer = domain_of(tx.acc)
    if full(tx.conn, peer):
        raise Problem("busy", "Too much waits for the other hub already.", retry_after=RETRY_SECONDS)
    values = {"peer": peer, "kind": kind, "acc": tx.acc, "ref": ref, "body": body}
    tx.conn.execute(insert(forwards).values(answered=False, outcome="", told=None, **values))


def full(conn: Connection, peer: str, room: int = 1) -> bool:
    """Whether there is no more room for so many things for a hub."""
    waits = select(forwards.c.id).where(forwards.c.peer == peer, forwards.c.answered.is_(False))
    return conn.execute(waits.limit(1).offset(MAX_WAITING - room)).first() is not None


def named(conn: Connection, acc: str, kind: str, refs: Iterable[str]) -> dict[str, Forward]:
    """Those of these that are kept for an account, by `ref`."""
    here = and_(forwards.c.acc == acc, forwards.c.kind == kind, forwards.c.ref.in_(sorted(set(refs))))
    return {row.ref: Forward(*row) for row in conn.execute(select(*_COLUMNS).where(here))}


def waiting(conn: Connection, peer: str, count: int, size: int) -> list[Forward]:
    """What a hub has not answered yet, the oldest first: a run of one kind, so many and so many bytes at most.

    The first is always among them.
    """
    here = and_(forwards.c.peer == peer, forwards.c.answered.is_(False))
    columns = forwards.c.id, forwards.c.kind, func.length(forwards.c.body)
    run: list[int] = []
    kind, left = "", size
    for id_, one, length in conn.execute(select(*columns).where(here).order_by(forwards.c.id).limit(count)):
        if run and (one != kind or length > left):
            break
        run.append(id_)
        kind, left = one, left - length
    query = select(*_COLUMNS).where(forwards.c.id.in_(run)).order_by(forwards.c.id)
    return [Forward(*row) for row in conn.execute(query)] if run else []


def answer(tx: Tx, id_: int, outcome: str) -> None:
    """Keep the home hub's answer for the author, who has not been told yet."""
    tx.conn.execute(update(forwards).where(forwards.c.id == id_).values(answered=True, outcome=outcome))


def offer_again(tx: Tx, id_: int) -> None:
    """Let something be given once more: what the answer asked for is here now."""
    tx.conn.execute(update(forwards).where(forwards.c.id == id_).values(answered=False, outcome="", told=None))


def tell(tx: Tx, ids: Iterable[int], now: int) -> None:
    """Note that their author was told the answers that there are."""
    here = and_(forwards.c.id.in_(sorted(ids)), forwards.c.answered.is_(True), forwards.c.told.is_(None))
    tx.conn.execute(update(forwards).where(here).values(told=now))


def forget(tx: Tx, ids: Iterable[int]) -> None:
    """What was answered, and nobody asks for again."""
    tx.conn.execute(delete(forwards).where(forwards.c.id.in_(sorted(ids))))


def sweep(tx: Tx, before: int) -> None:
    """Forget answers that were told before a moment."""
    tx.conn.execute(delete(forwards).where(forwards.c.told < before))
