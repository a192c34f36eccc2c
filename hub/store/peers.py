"""What this hub keeps of its peers: how far it has read there, nonces, doubts, and what is held back meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_postgresql
from sqlalchemy.dialects.sqlite import insert as upsert_sqlite

from hub.models import heads
from hub.peer_models import doubts, endings, nonces, peers
from hub.store.chains import ChainName
from hub.store.database import Database, Tx

FEEDS = ("urgent", "statements", "envelopes")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far this hub has read in a peer's feeds (cursors of the peer), and when it asked what confirmed that."""

    cursors: Mapping[str, str]
    confirmed: int
    introduced: bool


def progress(conn: Connection, domain: str) -> Progress:
    """How far this hub has come with a peer."""
    columns = (*(peers.c[name] for name in FEEDS), peers.c.confirmed, peers.c.introduced)
    row = conn.execute(select(*columns).where(peers.c.domain == domain)).one_or_none()
    if row is None:
        return Progress(dict.fromkeys(FEEDS, ""), 0, introduced=False)
    return Progress(dict(zip(FEEDS, row[:3], strict=True)), row[3], row[4])


def put_cursors(tx: Tx, domain: str, cursors: Mapping[str, str]) -> None:
    """Note how far this hub has read in a peer's feeds."""
    _put(tx, domain, {name: cursors[name] for name in FEEDS})


def put_confirmed(tx: Tx, domain: str, at: int) -> None:
    """Note that what this hub holds of a peer was whole at this second."""
    _put(tx, domain, {"confirmed": at})


def put_introduced(tx: Tx, domain: str) -> None:
    """Note that a peer was told of this hub's organisations."""
    _put(tx, domain, {"introduced": True})


def _put(tx: Tx, domain: str, values: Mapping[str, object]) -> None:
    if tx.conn.execute(update(peers).where(peers.c.domain == domain).values(**values)).rowcount == 0:
        first = {**dict.fromkeys(FEEDS, ""), "confirmed": 0, "introduced": False}
        tx.conn.execute(insert(peers).values(domain=domain, **{**first, **values}))


# --- nonces -------------------------------------------------------------------------------------------------------


def use_nonce(db: Database, tx: Tx, peer: str, nonce: str, exp: int) -> bool:
    """Note that a request of a peer was taken. False if one with this nonce was before."""
    make = upsert_postgresql if db.postgresql else upsert_sqlite
    used = make(nonces).values(peer=peer, nonce=nonce, exp=exp).on_conflict_do_nothing()
    return tx.conn.execute(used.returning(nonces.c.nonce)).first() is not None


def sweep_nonces(tx: Tx, now: int) -> None:
    """Forget nonces of requests that are too old to count."""
    tx.conn.execute(delete(nonces).where(nonces.c.exp < now))


# --- copies -------------------------------------------------------------------------------------------------------


def put_ending(tx: Tx, at: int | None) -> None:
    """Note when the next grant of the patient to an account here ends; None: there is none."""
    tx.conn.execute(delete(endings).where(endings.c.acc == tx.acc))
    if at is not None:
        tx.conn.execute(insert(endings).values(acc=tx.acc, at=at))


def ended(conn: Connection, domain: str, at: int) -> list[str]:
    """The patients of a hub of whom a grant has ended at a moment."""
    theirs = endings.c.acc.endswith(f"@{domain}", autoescape=True)
    return list(conn.execute(select(endings.c.acc).where(endings.c.at <= at, theirs).order_by(endings.c.acc)).scalars())


def without_ending(conn: Connection, domain: str) -> list[str]:
    """The patients of a hub who have a relation here, and of whom it is not known that a grant will end."""
    theirs = heads.c.acc.endswith(f"@{domain}", autoescape=True)
    known = select(endings.c.acc)
    query = select(heads.c.acc).where(heads.c.kind == "rel", theirs, heads.c.acc.not_in(known))
    return list(conn.execute(query.distinct().order_by(heads.c.acc)).scalars())


# --- doubts -------------------------------------------------------------------------------------------------------


def put_doubt(tx: Tx, kind: str, oth: str, reason: str) -> None:
    """Note that a link of a chain did not hold."""
    drop_doubt(tx, kind, oth)
    tx.conn.execute(insert(doubts).values(acc=tx.acc, kind=kind, oth=oth, reason=reason))


def drop_doubt(tx: Tx, kind: str, oth: str) -> None:
    """The chain holds again."""
    here = (doubts.c.acc == tx.acc) & (doubts.c.kind == kind) & (doubts.c.oth == oth)
    tx.conn.execute(delete(doubts).where(here))


def doubted(conn: Connection, acc: str) -> bool:
    """Whether a chain of the account is in doubt."""
    return conn.execute(select(doubts.c.acc).where(doubts.c.acc == acc).limit(1)).first() is not None


def all_doubts(conn: Connection, acc: str | None = None) -> list[ChainName]:
    """The chains in doubt, all or an account's."""
    query = select(doubts.c.kind, doubts.c.acc, doubts.c.oth).order_by(doubts.c.acc, doubts.c.kind, doubts.c.oth)
    if acc is not None:
        query = query.where(doubts.c.acc == acc)
    return [(kind, acc, oth) for kind, acc, oth in conn.execute(query)]
