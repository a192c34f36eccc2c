"""Places where two devices leave sealed words for each other, for a few minutes (PROTOCOL.md 5.2)."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert_postgresql
from sqlalchemy.dialects.sqlite import insert as upsert_sqlite

from hub.models import pairings
from hub.store.database import Database, Tx

SECONDS = 600


@dataclass(frozen=True, slots=True)
class Pairing:
    """What lies at a place. `acc`: whose device made it; `reveal`: empty before the new device has answered."""

    acc: str
    reply: bytes = field(repr=False)
    reveal: bytes = field(repr=False)


def find(conn: Connection, place: str, now: int) -> Pairing | None:
    """What lies at a place, unless its time is over."""
    columns = pairings.c.acc, pairings.c.reply, pairings.c.reveal
    query = select(*columns).where(pairings.c.place == place, pairings.c.at > now - SECONDS)
    row = conn.execute(query).one_or_none()
    return None if row is None else Pairing(*row)


def count(conn: Connection, acc: str, now: int) -> int:
    """How many places an account has."""
    query = select(func.count()).where(pairings.c.acc == acc, pairings.c.at > now - SECONDS)
    return conn.execute(query).scalar_one()


def make(db: Database, tx: Tx, place: str, reply: bytes, now: int) -> None:
    """Make a place with its first word; one that is there stays as it is, unless its time is over."""
    tx.conn.execute(delete(pairings).where(pairings.c.place == place, pairings.c.at <= now - SECONDS))
    insert = upsert_postgresql if db.postgresql else upsert_sqlite
    row = insert(pairings).values(place=place, acc=tx.acc, at=now, reply=reply, reveal=b"")
    tx.conn.execute(row.on_conflict_do_nothing())


def answer(tx: Tx, place: str, reveal: bytes, now: int) -> bool:
    """Put the second word to the first, once; false where that cannot be."""
    free = pairings.c.place == place, pairings.c.at > now - SECONDS, pairings.c.reveal == b""
    return tx.conn.execute(update(pairings).where(*free).values(reveal=reveal)).rowcount == 1


def end(tx: Tx, place: str) -> None:
    """Forget a place of this account's."""
    tx.conn.execute(delete(pairings).where(pairings.c.place == place, pairings.c.acc == tx.acc))


def sweep(tx: Tx, now: int) -> None:
    """Forget what is over."""
    tx.conn.execute(delete(pairings).where(pairings.c.at <= now - SECONDS))
