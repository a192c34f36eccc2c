"""Objects beside envelopes: sealed, in parts, under the patient and the id of the envelope that names them."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from sqlalchemy import Connection, and_, delete, exists, insert, select

from hub.models import envelopes, object_parts, objects
from hub.store.database import Tx

PART_BYTES = 64 * 1024
PARTS_AT_ONCE = 16
"""So much of an object is held in memory at a time."""


@dataclass(frozen=True, slots=True)
class Object:
    """An object as it is kept: whose envelope of which stream will name it, its size, its hash."""

    bid: str
    stream: str
    size: int
    hash: str


def by_bid(conn: Connection, acc: str, bids: Iterable[str]) -> dict[str, Object]:
    """Objects of a patient by the ids of their envelopes."""
    columns = objects.c.bid, objects.c.stream, objects.c.size, objects.c.hash
    query = select(*columns).where(objects.c.acc == acc, objects.c.bid.in_(sorted(set(bids))))
    return {row[0]: Object(*row) for row in conn.execute(query)}


def add(tx: Tx, kept: Object, parts: Iterable[bytes], now: int) -> None:
    """Keep an object."""
    row = {"acc": tx.acc, "bid": kept.bid, "stream": kept.stream, "size": kept.size, "hash": kept.hash, "at": now}
    tx.conn.execute(insert(objects), row)
    rows = ({"acc": tx.acc, "bid": kept.bid, "n": n, "part": part} for n, part in enumerate(parts))
    while batch := list(islice(rows, PARTS_AT_ONCE)):
        tx.conn.execute(insert(object_parts), batch)


def parts(conn: Connection, acc: str, bid: str, first: int) -> list[bytes]:
    """The next parts of an object from one on; none behind the last, and where the object is gone."""
    span = object_parts.c.n.between(first, first + PARTS_AT_ONCE - 1)
    here = and_(object_parts.c.acc == acc, object_parts.c.bid == bid, span)
    return list(conn.execute(select(object_parts.c.part).where(here).order_by(object_parts.c.n)).scalars())


def whole(conn: Connection, acc: str, bid: str) -> list[bytes]:
    """All parts of an object."""
    here = and_(object_parts.c.acc == acc, object_parts.c.bid == bid)
    return list(conn.execute(select(object_parts.c.part).where(here).order_by(object_parts.c.n)).scalars())


def remove(tx: Tx, bids: Iterable[str]) -> None:
    """Forget objects of a patient: with their envelopes, or because none came."""
    for bid in bids:
        for table in (object_parts, objects):
            tx.conn.execute(delete(table).where(table.c.acc == tx.acc, table.c.bid == bid))


def without_envelope(conn: Connection, before: int, acc: str = "") -> list[tuple[str, str]]:
    """Patient and id of objects kept before a moment, whose envelope has not come; of one patient, or of all."""
    deposited = exists().where(envelopes.c.acc == objects.c.acc, envelopes.c.bid == objects.c.bid)
    query = select(objects.c.acc, objects.c.bid).where(objects.c.at < before, ~deposited)
    if acc:
        query = query.where(objects.c.acc == acc)
    return [(row[0], row[1]) for row in conn.execute(query)]
